"""Where a growing text may still come to be read otherwise: an unfinished disguise at its end."""

import re
from collections.abc import Iterable

from moderation.text.decode import BASE64, UPSIDE_DOWN_CHARS
from moderation.text.folding import FOREIGN_CHARS, fold
from moderation.text.prefixes import WORD_END
from moderation.text.spacing import GAP, LETTER
from moderation.text.view import View

# Runs that more text may make longer. Each is looked for from the left, so this stays linear.
_RUNS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?<![^\W_]){LETTER}(?:{GAP}{LETTER})*(?:{GAP})?(?![^\W_])",
        r"(?<![A-Za-z0-9])(?:0x|\\x)?[0-9a-fA-F]{2}(?:[ ,:;-]{0,2}(?:0x|\\x)?[0-9a-fA-F]{2})*+"
        r"[ ,:;-]{0,2}",
        rf"(?=\w)[{UPSIDE_DOWN_CHARS}]+",
        rf"[A-Za-z{FOREIGN_CHARS}]+",
        "[\U0001f1e6-\U0001f1ff]+",
    )
)
_LAST = re.compile(r"(\S)\1*\W?$")
_MIN_BASE64_LINE = 40
_FIRST_LOOK = 160
# So near to where a look begins, a run may have begun before.
_MARGIN = 16


def find_unfinished(original: View, hidden: Iterable[View] = ()) -> int:
    """Return the place in the original from which on more text may change how it is read.

    Args:
        original: the text so far, which ends where a word ends.
        hidden: what is encoded in it.
    """
    places: list[int] = []
    for view in (original, *hidden):
        if view.piece is None:
            places.append(view.offsets[_find_tail(view.text)])
            if not view.text.isascii():
                # Some runs are of the letters as they are meant, not of those that stand there.
                read = fold(view, reads_whole=True)
                places.append(read.offsets[_find_tail(read.text)])
    return min(places)


def _find_tail(text: str) -> int:
    """Look at the end alone, and at more of it while what is open goes back to where it begins."""
    length = _FIRST_LOOK
    while length < len(text):
        place = _find_runs(text[-length:])
        if place > _MARGIN:
            return min(len(text) - length + place, _find_lines(text))
        length *= 4
    return min(_find_runs(text), _find_lines(text))


def _find_lines(text: str) -> int:
    """Return where base64 begins that may go on, on its line or the next."""
    for match in BASE64.finditer(text):
        is_line = match.end() - match.start() >= _MIN_BASE64_LINE
        if match.end() == len(text) or (is_line and not text[match.end() :].strip("\r\n")):
            return match.start()
    return len(text)


def _find_runs(text: str) -> int:
    start = len(text)
    for run in _RUNS:
        for match in run.finditer(text):
            if match.end() == len(text):
                start = min(start, match.start())
    if text and not text[-1].isspace():
        last = _LAST.search(text, max(0, start - 64))
        start = min(start, last.start() if last else len(text) - 1)
    # Never inside of a word.
    while 0 < start < len(text) and not WORD_END.match(text[start - 1]):
        start -= 1
    return start
