"""One look through common disguises, before any moderator reads a text.

A disguise is undone, never judged: that a text changed here is no finding. Every view keeps the
way back to the characters it came from. Everything here is linear in the length of the text.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from moderation.decode import ESCAPES, decode_pieces, unescape_run
from moderation.lookalikes import ALWAYS_LATIN, GREEK_CYRILLIC, LOOKALIKES

# How many normalised characters an unfinished disguise at the end of a text may still change.
UNSETTLED_CHARS = 8
_MAX_DEPTH = 2

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]+"
)
# "Tag" characters: a second, invisible ASCII.
_TAGS = re.compile("[\U000e0020-\U000e007e]+")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NON_ASCII = re.compile("[\x00-\x7f]?[^\x00-\x7f]{1,500}")
# What composes into one character: Hangul's parts, or a letter and its marks.
_CLUSTER = re.compile(r"[\u1100-\u11ff]{2,32}|[\s\S][^\w\s\x00-\x7f]{1,32}|[^\x00-\x7f]")
_MARKS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
_NON_ASCII_CHAR = re.compile("[^\x00-\x7f]")
_WORD = re.compile(r"\w+")
_SPACES = re.compile(r"\s{2,}|[^\S ]")
_REPEATS = re.compile(r"([^\d\s])\1{2,}")
_SPACED = re.compile(r"(?<![^\W_])[^\W\d_]([ .\-_*·•|/+~]{1,3})[^\W\d_](?:\1[^\W\d_])+(?![^\W_])")
_SPACED_PAIR = re.compile(r"(?<![^\W_])[^\W\d_] [^\W\d_](?![^\W_])")
_LEET_TOKEN = re.compile(r"[a-z0-9@$!|€]{2,}")
_LEET_I = str.maketrans("013457@$!|€89", "oieastasiiebg")
_LEET_L = str.maketrans("013457@$!|€89", "oleastasllebg")
_ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_ROT13 = str.maketrans("abcdefghijklmnopqrstuvwxyz", "nopqrstuvwxyzabcdefghijklm")


@dataclass(frozen=True, slots=True)
class View:
    """A text as a moderator should read it.

    ``offsets`` has one more entry than ``text`` has characters: where in the original each
    character came from, and the original's length. ``piece`` is set where the text was decoded
    from something: every finding then lies in that piece as a whole.
    """

    text: str
    offsets: Sequence[int]
    origin: str = "plain"
    piece: tuple[int, int] | None = None

    def locate(self, start: int, end: int) -> tuple[int, int]:
        """Return the characters of the original that ``text[start:end]`` came from."""
        if self.piece is not None:
            return self.piece
        last = self.offsets[end - 1]
        while end < len(self.text) and self.offsets[end] <= last:
            end += 1
        return self.offsets[start], max(self.offsets[end], last + 1)


def normalise(text: str) -> View:
    """Return `text` without its disguises, case-folded, as a classifier should read it."""
    return _leet(_shorten(_fold(_original(text)), 2), _LEET_I)


def make_views(text: str) -> tuple[View, ...]:
    """Return all the ways in which `text` may be meant, for moderators that match wording.

    The first is the plain one: normalised, but digits left as they are. What is not ambiguous
    adds no view, so an ordinary text has two: itself and its rot13.
    """
    original = _original(text)
    found = list(_readings(original))
    found.append(_rot13(found[0]))
    if _TAGS.search(text):
        # The visible text is read by the views above, the invisible one by this.
        found += _readings(_edit(original, _TAGS, lambda match: _from_tags(match.group())))
    if ESCAPES.search(text):
        found += _readings(_edit(original, ESCAPES, lambda match: unescape_run(match.group())))
    found += _decoded(text, 1, None)
    distinct = {(view.text, view.piece): view for view in reversed(found) if view.text}
    return tuple(reversed(distinct.values())) or (found[0],)


def _decoded(text: str, depth: int, piece: tuple[int, int] | None) -> Iterator[View]:
    for start, end, decoded in decode_pieces(text):
        place = piece or (start, end)
        for view in _readings(_original(decoded)):
            yield replace(view, origin="decoded", piece=place)
        if depth < _MAX_DEPTH:
            yield from _decoded(decoded, depth + 1, place)


def _readings(original: View) -> Iterator[View]:
    folded = _fold(original)
    plain = _shorten(folded, 2)
    yield plain
    yield from _leet_readings(plain)
    if _REPEATS.search(folded.text):
        squeezed = _shorten(folded, 1)
        yield squeezed
        yield from _leet_readings(squeezed)
    if _SPACED.search(original.text):
        # "a b o m b" may be an article and a word; "t o" may be a word of its own.
        apart = _fold(original, join=_join_after_article)
        for view in (folded, apart):
            yield _shorten(_edit(view, _SPACED_PAIR, lambda match: match.group()[::2]), 2)


def _leet_readings(view: View) -> Iterator[View]:
    for table in (_LEET_I, _LEET_L):
        read = _leet(view, table)
        if read is not view:
            yield read


def _original(text: str) -> View:
    return View(_UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text), range(len(text) + 1))


def _fold(view: View, join: Callable[[re.Match[str]], str] | None = None) -> View:
    view = _edit(view, _INVISIBLE, lambda match: "")
    if not view.text.isascii():
        view = _compose(view)
        view = replace(view, text=view.text.translate(ALWAYS_LATIN))
        if GREEK_CYRILLIC.search(view.text):
            view = _fold_lookalikes(view)
    view = _fold_case(view)
    view = _edit(view, _SPACED, join or _join)
    return _edit(view, _SPACES, lambda match: " ")


def _edit(view: View, pattern: re.Pattern[str], change: Callable[[re.Match[str]], str]) -> View:
    """Replace matches. Letters map to letters where the length stays, else to the match's start."""
    text, offsets = view.text, view.offsets
    pieces: list[str] = []
    places: list[int] = []
    last = 0
    for match in pattern.finditer(text):
        new = change(match)
        if new == match.group():
            continue
        start, end = match.span()
        pieces += (text[last:start], new)
        places += offsets[last:start]
        places += offsets[start:end] if len(new) == end - start else [offsets[start]] * len(new)
        last = end
    if last == 0:
        return view
    pieces.append(text[last:])
    places += offsets[last:]
    return replace(view, text="".join(pieces), offsets=places)


def _compose(view: View) -> View:
    runs = (match.group() for match in _NON_ASCII.finditer(view.text))
    if all(unicodedata.is_normalized("NFKC", run) and not _MARKS.search(run) for run in runs):
        return view
    return _edit(view, _CLUSTER, _compose_cluster)


def _compose_cluster(match: re.Match[str]) -> str:
    # Slices of 32 marks, because putting marks in order takes quadratic time.
    composed = unicodedata.normalize("NFKC", match.group())
    if composed and composed[0] < "\u0250":
        marks = (char for char in composed[1:] if not unicodedata.combining(char))
        return composed[0] + "".join(marks)
    return composed


def _fold_case(view: View) -> View:
    folded = view.text.casefold()
    if len(folded) != len(view.text):  # some letter became two
        view = _edit(view, _NON_ASCII_CHAR, lambda match: match.group().casefold())
        folded = view.text.translate(_ASCII_LOWER)
    return replace(view, text=folded)


def _fold_lookalikes(view: View) -> View:
    foreign = [word for word in _WORD.findall(view.text) if GREEK_CYRILLIC.search(word)]
    # Where every such word could be Latin, none is meant to be Russian or Greek.
    is_disguise = all(word.translate(LOOKALIKES).isascii() for word in foreign)
    is_disguise = is_disguise and any("a" <= char.lower() <= "z" for char in view.text)

    def fold(match: re.Match[str]) -> str:
        word = match.group()
        if word.isascii() or not GREEK_CYRILLIC.search(word):
            return word
        is_mixed = any("a" <= char.lower() <= "z" for char in word)
        return word.translate(LOOKALIKES) if is_mixed or is_disguise else word

    return _edit(view, _WORD, fold)


def _join(match: re.Match[str]) -> str:
    return "".join(match.group().split(match.group(1)))


def _join_after_article(match: re.Match[str]) -> str:
    letters = match.group().split(match.group(1))
    if letters[0].lower() in ("a", "i") and len(letters) > 3:
        return f"{letters[0]} {''.join(letters[1:])}"
    return "".join(letters)


def _shorten(view: View, num_kept: int) -> View:
    return _edit(view, _REPEATS, lambda match: match.group(1) * num_kept)


def _leet(view: View, table: dict[int, int]) -> View:
    def read(match: re.Match[str]) -> str:
        token = match.group()
        core = token.rstrip("!|")
        if core.isalpha() or not any(char.isalpha() for char in core):
            return token
        return core.translate(table) + token[len(core) :]

    return _edit(view, _LEET_TOKEN, read)


def _rot13(view: View) -> View:
    return replace(view, text=view.text.translate(_ROT13), origin="rot13")


def _from_tags(run: str) -> str:
    return "".join(chr(ord(char) - 0xE0000) for char in run)
