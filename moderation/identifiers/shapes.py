"""Finding things by their shape: patterns on text in plain ASCII, then a closer look at each hit.

Text is folded first, character by character, so that patterns need not know of accents, other
digits or odd spaces: "+４９ 30" reads "+49 30", "téléphone" reads "telephone", and letters that
are no Latin ones read "_", which is a word's character like them. What is written without spaces
between words, as Chinese is, reads as punctuation, so words and numbers end there.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from chat.errors import ModeratorError
from chat.types import Span, Verdict
from moderation.base import Manifest, ModerationContext
from moderation.text.patterns import compile_pattern

# How far back `unless` looks.
_BEFORE_CHARS = 40
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+")
_TOKEN = re.compile(r"[A-Za-z0-9]+|.", re.DOTALL)
_OTHER = "\x7f"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing to find.

    Attributes:
        category: what it counts as.
        pattern: RE2, on folded text; group 1 is the finding. Every repetition has an end.
        measure: given the match, returns how many characters of it are the thing itself; 0 if
            it is none.
        unless: a pattern for what stands right before, on the same line: with it, it is no
            finding.
        is_random: nothing else begins inside of a match that is none, so it is passed over whole.
        reach: so many characters after the match are shown to `measure`, too.
        most_measured: so many are looked at closely in one text, because it takes long; the
            others are taken for what they look like.
    """

    category: str
    pattern: str
    measure: Callable[[str], int] = len
    unless: str = ""
    is_random: bool = False
    reach: int = 0
    most_measured: int = 1_000_000


def verify(is_valid: Callable[[str], bool]) -> Callable[[str], int]:
    """Return a measure: all of a match if `is_valid` says so, else none of it."""
    return lambda found: len(found) if is_valid(found) else 0


@dataclass(frozen=True, slots=True)
class Folded:
    """A text to search in: ASCII, and where each of its characters stood, if any was left out."""

    text: str
    offsets: Sequence[int]

    def locate(self, start: int, end: int) -> tuple[int, int]:
        """Return where ``text[start:end]`` stands in the original."""
        return self.offsets[start], self.offsets[end - 1] + 1

    def place(self, position: int, end: int) -> int:
        """Return where `position` stands in an original of `end` characters."""
        return self.offsets[position] if position < len(self.text) else end


def fold(text: str) -> Folded:
    """Return `text` as the patterns read it."""
    if text.isascii():
        return Folded(text, range(len(text)))
    offsets: Sequence[int] = range(len(text))
    if _INVISIBLE.search(text):
        places: list[int] = []
        last = 0
        for match in _INVISIBLE.finditer(text):
            places += range(last, match.start())
            last = match.end()
        places += range(last, len(text))
        offsets = places
        text = _INVISIBLE.sub("", text)
    return Folded(text.translate(_FOLDING), offsets)


@lru_cache(4096)
def _fold_char(code: int) -> str:
    char = chr(code)
    digit = unicodedata.decimal(char, None)
    if digit is not None:
        return str(digit)
    plain = unicodedata.normalize("NFKD", char)
    if plain[0].isascii() and all(map(unicodedata.combining, plain[1:])):
        return plain[0]
    kind = unicodedata.category(char)
    if kind in ("Zs", "Zl", "Zp"):
        return "\n" if kind != "Zs" else " "
    if kind == "Pd" or char == "\u2212":
        return "-"
    is_wide = unicodedata.east_asian_width(char) in ("W", "F")
    return "_" if kind[0] in "LMN" and not is_wide else _OTHER


class _Folding:
    """What `str.translate` asks for each character."""

    def __getitem__(self, code: int) -> int | str:
        return code if code < 128 else _fold_char(code)


_FOLDING = _Folding()


class Finder:
    """Finds things of the kinds given; of two that overlap, the kind named first counts."""

    def __init__(self, kinds: Collection[Kind]):
        self._kinds = [
            (kind, compile_pattern(kind.pattern), re.compile(kind.unless or "(?!)"))
            for kind in kinds
        ]

    def find(self, folded: Folded) -> Iterator[Span]:
        """Yield what there is, in no order."""
        data = folded.text.encode()
        is_taken = bytearray(len(data) + 1)
        for kind, pattern, unless in self._kinds:
            for start, end in _search(kind, pattern, unless, folded.text, data, is_taken):
                is_taken[start:end] = b"\1" * (end - start)
                yield Span(*folded.locate(start, end), kind.category)


def _search(
    kind: Kind,
    pattern: Any,  # RE2 has no types
    unless: re.Pattern[str],
    text: str,
    data: bytes,
    is_taken: bytearray,
) -> Iterator[tuple[int, int]]:
    """Yield where things of one kind are, outside of what is taken."""
    position = num_measured = 0
    while match := pattern.search(data, position):
        start, end = match.span(1)
        if is_taken[start]:
            position = is_taken.find(0, start)
            continue
        num_measured += 1
        is_close = num_measured <= kind.most_measured
        length = kind.measure(text[start : end + kind.reach]) if is_close else end - start
        is_free = length > 0 and is_taken.find(1, start, start + length) < 0
        if is_free and not unless.search(text[max(0, start - _BEFORE_CHARS) : start]):
            yield start, start + length
            position = start + length
        elif kind.is_random and not length:
            position = end
        else:  # something else may begin inside
            token = _TOKEN.match(text, start)
            position = max(match.start() + 1, token.end() if token else end)


def choose(moderator: str, kinds: Collection[str], names: Sequence[str]) -> list[str]:
    """Return those of `names` that `kinds` names, or all if it names none.

    Raises:
        ModeratorError: one of `kinds` isn't there.
    """
    for kind in kinds:
        if kind not in names:
            raise ModeratorError(
                f"The moderator {moderator!r} doesn't know {kind!r}; allowed are "
                f"{', '.join(names)}."
            )
    return [name for name in names if not kinds or name in kinds]


def report(
    manifest: Manifest,
    context: ModerationContext,
    folded: Folded,
    spans: Iterable[Span],
    settle: Callable[[str], int],
) -> Verdict:
    """Return the verdict on what was found in the last message.

    Args:
        folded: the last message.
        settle: tells from where on a growing text could still become part of a finding.
    """
    verdict = manifest.verdict(context.stage, spans)
    if not context.is_partial:
        return verdict
    return replace(verdict, settled=folded.place(settle(folded.text), len(context.text)))
