"""One look through common disguises, before any moderator reads a text.

A disguise is undone, never judged: that a text changed here is no finding. Every view keeps the
way back to the characters it came from. Everything here is linear in the length of the text.
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from moderation.text.decode import ESCAPES, Piece, decode_pieces, unescape_run
from moderation.text.folding import fold, original_view
from moderation.text.lexicon import is_word
from moderation.text.spacing import (
    close_up,
    close_up_after_article,
    close_up_and_split,
    close_up_pairs,
    stand_apart,
)
from moderation.text.spelling import has_repeats, mend_leet, mend_repeats, read_leet, shorten
from moderation.text.unfinished import find_unfinished
from moderation.text.view import View, edit

__all__ = ["View", "find_open", "make_views", "normalise", "read_texts", "turn"]

# How deep encodings in encodings are followed, and how much is read of all of them together.
_MAX_DEPTH = 3
_MAX_HIDDEN_CHARS = 300_000
_MOST_PIECES = 16
# How many texts a classifier has to score, and how long they may be together.
_MOST_READINGS = 6
_MAX_GROWTH = 3

# "Tag" characters: a second, invisible ASCII.
_TAGS = re.compile("[\U000e0020-\U000e007e]+")
_ROT13 = str.maketrans("abcdefghijklmnopqrstuvwxyz", "nopqrstuvwxyzabcdefghijklm")
_ROT13_WORD = re.compile(r"(?<![^\W\d_])[a-z]+(?![^\W\d_])")
_SAMPLE_CHARS = 4_000
_MIN_TURNED = 8


def normalise(text: str) -> View:
    """Return `text` without its disguises, case-folded, as a classifier should read it.

    Where a disguise has several meanings, this is the one that makes common words.
    """
    return _mend(original_view(text))


def _mend(original: View, *, reads_whole: bool | None = None) -> View:
    return _respell(close_up_and_split(fold(original, reads_whole=reads_whole)))


def _respell(view: View) -> View:
    return mend_leet(mend_repeats(view))


def read_texts(text: str) -> tuple[str, ...]:
    """Return the few texts that a classifier should score in place of `text`, the plain one first.

    Besides the normalised text these are what is decoded from it, and other meanings that look
    like language. At most 6, and together at most three times as long as the text.
    """
    plain = normalise(text).text
    found = {plain: None}
    for other in _other_texts(original_view(text), plain):
        if len(found) == _MOST_READINGS:
            break
        if other.strip():
            found[other] = None
    budget = _MAX_GROWTH * len(text)
    readings = []
    for reading in found:
        readings.append(reading[:budget])
        budget -= len(readings[-1])
    return tuple(filter(None, readings)) or ("",)


def _other_texts(original: View, plain: str) -> Iterator[str]:
    folded = fold(original)
    if stand_apart(folded.text):
        # A word that the list doesn't have was taken apart.
        yield _respell(close_up(folded)).text
    for hidden in _hidden(original):
        read = _mend(hidden).text
        yield _turn_to_words(read) or read
    if turned := _turn_to_words(plain):
        yield turned
    if not original.text.isascii():
        yield _mend(original, reads_whole=True).text


def _turn_to_words(text: str) -> str | None:
    """Return `text` with its rot13 read, where that is more of a language than what is there."""
    turned = turn(text)
    share = _share_of_words(turned)
    if share > 0.5 and share > _share_of_words(text) + 0.2:
        return turned
    turned_words: set[str] = set()

    def turn_word(match: re.Match[str]) -> str:
        word = match.group()
        other = turn(word)
        if is_word(word) or not is_word(other):
            return word
        turned_words.add(word)
        return other

    mixed = _ROT13_WORD.sub(turn_word, text)
    return mixed if sum(map(len, turned_words)) >= _MIN_TURNED else None


def _share_of_words(text: str) -> float:
    """Return how much of `text`, judged by its beginning, is made of common English words."""
    words = _ROT13_WORD.findall(text[:_SAMPLE_CHARS])
    num_letters = sum(map(len, words))
    return sum(len(word) for word in words if is_word(word)) / max(num_letters, 1)


def make_views(text: str) -> tuple[View, ...]:
    """Return all the ways in which `text` may be meant, for moderators that match wording.

    The first is the plain one: normalised, but digits left as they are. What is not ambiguous
    adds no view, so an ordinary text has two: itself and its rot13.

    Each reading depends on what stands nearby alone: more text adds to the views, but for what is
    still open at the end (see `find_open`), and changes nothing of what they say before.
    """
    original = original_view(text)
    found = list(_readings(original))
    found.append(_rot13(found[0]))
    for hidden in _hidden(original):
        read = list(_readings(hidden))
        found += (*read, _rot13(read[0]))
    distinct: dict[tuple[str, tuple[int, int] | None], View] = {}
    for view in found:
        distinct.setdefault((view.text, view.piece), view)
    return tuple(distinct.values())


def find_open(text: str) -> int:
    """Return the place from which on more text may change how a growing text is read.

    What stands before it, all views of the longer text will show as they do now.
    """
    original = original_view(text)
    return find_unfinished(original, _hidden(original))


def _hidden(original: View) -> Iterator[View]:
    """Yield what is encoded in a text, and what is encoded in that; unread, outer ones first."""
    waiting = deque([(original, 1)])
    seen = {original.text}
    budget = 2 * len(original.text) + _MAX_HIDDEN_CHARS
    while waiting:
        view, depth = waiting.popleft()
        for hidden in _uncover(view):
            if hidden.text in seen:
                continue
            seen.add(hidden.text)
            budget -= len(hidden.text)
            if budget < 0:
                return
            yield hidden
            if depth < _MAX_DEPTH:
                waiting.append((hidden, depth + 1))


def _uncover(view: View) -> Iterator[View]:
    """Yield what one step of decoding shows."""
    if _TAGS.search(view.text):
        # The visible text is read without them, the invisible one with them.
        yield edit(view, _TAGS, lambda match: _from_tags(match.group()))
    if ESCAPES.search(view.text):
        yield edit(view, ESCAPES, lambda match: unescape_run(match.group()))
    pieces = list(decode_pieces(view.text))
    longest = sorted(pieces, key=lambda piece: piece.start - piece.end)[:_MOST_PIECES]
    for piece in longest:
        place = view.locate(piece.start, piece.end)
        yield replace(original_view(piece.text), origin="decoded", piece=place)
    if pieces:
        yield _inline(view, pieces)


def _inline(view: View, pieces: Sequence[Piece]) -> View:
    """Return `view` with what is encoded in it in place of the code."""
    parts: list[str] = []
    places: list[int] = []
    last = 0
    for piece in sorted(pieces, key=lambda piece: (piece.start, -piece.end)):
        if piece.start < last:  # could be read in two ways
            continue
        parts += (view.text[last : piece.start], piece.text)
        places += view.offsets[last : piece.start]
        places += [view.offsets[piece.start]] * len(piece.text)
        last = piece.end
    parts.append(view.text[last:])
    places += view.offsets[last:]
    return replace(view, text="".join(parts), offsets=places)


def _readings(original: View) -> Iterator[View]:
    apart = fold(original, reads_whole=False)
    whole = apart if original.text.isascii() else fold(original, reads_whole=True)
    yield from _spellings(apart)
    if whole.text != apart.text:
        yield from _spellings(whole)


def _spellings(folded: View) -> Iterator[View]:
    joined = close_up(folded)
    plain = shorten(joined, 2)
    yield plain
    yield from read_leet(plain)
    if has_repeats(joined.text):
        squeezed = shorten(joined, 1)
        yield squeezed
        yield from read_leet(squeezed)
    apart = close_up_and_split(folded)
    yield mend_leet(mend_repeats(apart), is_style=True)
    if has_repeats(joined.text):
        yield mend_leet(mend_repeats(apart, keeps_doubles=True), is_style=True)
    if stand_apart(folded.text):
        # "a b o m b" may be an article and a word; "t o" may be a word of its own.
        yield shorten(close_up_pairs(joined), 2)
        yield shorten(close_up_after_article(folded), 2)


def turn(text: str) -> str:
    """Return `text` with every letter thirteen places further."""
    return text.translate(_ROT13)


def _rot13(view: View) -> View:
    return replace(view, text=turn(view.text), origin="rot13")


def _from_tags(run: str) -> str:
    return "".join(chr(ord(char) - 0xE0000) for char in run)
