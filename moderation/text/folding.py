"""The same letters in other dress: what is invisible goes, what looks like Latin becomes Latin.

Nothing here depends on meaning, and all of it is linear in the length of the text.
"""

import re
import unicodedata
from dataclasses import replace

from moderation.text.emoji import are_all_flags, has_flag_letters, read_flags, read_pictures
from moderation.text.lexicon import is_word
from moderation.text.lookalikes import ALWAYS_LATIN, CHINESE, DISTANT, KINDRED
from moderation.text.view import View, edit

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
_NON_ASCII = re.compile("[\x00-\x7f]?[^\x00-\x7f]{1,500}")
# What composes into one character: Hangul's parts, or a letter and its marks.
_CLUSTER = re.compile(r"[\u1100-\u11ff]{2,32}|[\s\S][^\w\s\x00-\x7f]{1,32}|[^\x00-\x7f]")
_MARKS = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
_NON_ASCII_CHAR = re.compile("[^\x00-\x7f]")
_ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_WORD = re.compile(r"\w+")
_LATIN = re.compile("[A-Za-z]")
_DISTANT_OR_KINDRED = {**DISTANT, **KINDRED}
_ANY = {**CHINESE, **_DISTANT_OR_KINDRED}
_KINDRED_LETTER = re.compile("[" + "".join(map(chr, KINDRED)) + "]")
# For a class: all that may be read as Latin letters.
FOREIGN_CHARS = "".join(map(chr, _ANY))
_FOREIGN_LETTER = re.compile(f"[{FOREIGN_CHARS}]")
# Letters of alphabets that hold look-alikes, whether they are ones or not.
_KINDRED_ALPHABET = re.compile(
    "[\u0370-\u03ff\u0400-\u052f\u0531-\u0587\u13a0-\u13ff\u2c80-\u2cff]"
)


def original_view(text: str) -> View:
    """Return the view of a text as it is, but for what no text can hold."""
    return View(_UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text), range(len(text) + 1))


def fold(view: View, *, reads_whole: bool | None = None) -> View:
    """Return `view` without invisible characters and in small letters, look-alikes made Latin.

    Args:
        view: the text as it was written.
        reads_whole: whether to read words that are wholly of look-alikes, and flags, as Latin.
            By default if nothing else in the text speaks for another alphabet, or for flags.
    """
    view = edit(view, _INVISIBLE, lambda match: "")
    if not view.text.isascii():
        view = read_pictures(view)
        if has_flag_letters(view.text):
            is_spelling = not are_all_flags(view.text) if reads_whole is None else reads_whole
            view = read_flags(view) if is_spelling else view
        view = replace(view, text=view.text.translate(ALWAYS_LATIN))
        view = _compose(view)
        view = replace(view, text=view.text.translate(ALWAYS_LATIN))
        if _FOREIGN_LETTER.search(view.text):
            view = _fold_lookalikes(view, reads_whole)
    return _fold_case(view)


def _compose(view: View) -> View:
    runs = (match.group() for match in _NON_ASCII.finditer(view.text))
    if all(unicodedata.is_normalized("NFKC", run) and not _MARKS.search(run) for run in runs):
        return view
    return edit(view, _CLUSTER, _compose_cluster)


def _compose_cluster(match: re.Match[str]) -> str:
    # Slices of 32 marks, because putting marks in order takes quadratic time.
    composed = unicodedata.normalize("NFKC", match.group())
    if composed and (composed[0] < "\u0250" or composed[0] in _KINDRED_SET):
        marks = (char for char in composed[1:] if unicodedata.category(char) not in ("Mn", "Me"))
        return composed[0] + "".join(marks)
    return composed


_KINDRED_SET = frozenset(map(chr, KINDRED))


def _fold_case(view: View) -> View:
    folded = view.text.casefold()
    if len(folded) != len(view.text):  # some letter became two
        view = edit(view, _NON_ASCII_CHAR, lambda match: match.group().casefold())
        folded = view.text.translate(_ASCII_LOWER)
    return replace(view, text=folded)


def _fold_lookalikes(view: View, reads_whole: bool | None) -> View:
    is_disguise = _is_disguise(view.text) if reads_whole is None else reads_whole
    return edit(view, _WORD, lambda match: _fold_word(match.group(), is_disguise))


def _is_disguise(text: str) -> bool:
    """Say if every word in a kindred alphabet could be Latin: then none is meant to be Russian.

    Words that are wholly in that alphabet have to be common ones then, or most of them.
    """
    words = [word for word in _WORD.findall(text) if _KINDRED_ALPHABET.search(word)]
    read = [word.translate(KINDRED) for word in words]
    if not _LATIN.search(text) or not all(word.isascii() for word in read):
        return False
    whole = [new for old, new in zip(words, read, strict=True) if not _LATIN.search(old)]
    return 2 * sum(is_word(word.lower()) for word in whole) >= len(whole)


def _fold_word(word: str, reads_whole: bool) -> str:
    if word.isascii() or not _FOREIGN_LETTER.search(word):
        return word
    is_mixed = _LATIN.search(word) is not None
    kindred = word.translate(KINDRED)
    if kindred.isascii() and (is_mixed or reads_whole):
        return kindred
    read = kindred.translate(DISTANT)
    if read != kindred and read.isascii() and (is_mixed or is_word(read.lower())):
        return read
    if is_mixed and _KINDRED_LETTER.search(word) and _has_kindred_only(word):
        return kindred
    return _read_chinese(word)


def _has_kindred_only(word: str) -> bool:
    """Say if a word has no letters but Latin ones and those of kindred alphabets."""
    return all(char < "\u0250" or _KINDRED_ALPHABET.match(char) for char in word)


def _read_chinese(word: str) -> str:
    read = word.translate(_ANY)
    num_chinese = sum(ord(char) in CHINESE for char in word)
    has_enough = len(word) > 2 and 0 < num_chinese < len(word) and read.isascii()
    return read if has_enough and is_word(read.lower()) else word
