"""Letters that stand apart, with spaces, dots or dashes between them, brought together again."""

import re
from collections import Counter
from collections.abc import Sequence

from moderation.text.lexicon import is_word, split_words
from moderation.text.view import Change, View, edit, rewrite

_SPACES = re.compile(r"\s{2,}|[^\S ]")
# Single letters with the like between them, and what stands for letters or between some; in
# Korean, words of one sign are ordinary.
LETTER = r"(?:[^\W_\u1100-\u11ff\uac00-\ud7a3]|['’@$!])"
GAP = r"[\s.\-_*·•|/+~]{1,7}"
_APART = re.compile(rf"(?<![^\W_])(?<![^\W_]['’]){LETTER}(?:{GAP}{LETTER})+(?![^\W_])")
_PARTS = re.compile(rf"{LETTER}|{GAP}")
_PAIR = re.compile(r"(?<![^\W_])(?<!['’])[^\W\d_] [^\W\d_](?![^\W_]|['’])")
_SIGN = re.compile(r"[^\w'’]")
_MIN_LETTERS = 3
_MIN_SPLIT = 5
# A text that is taken apart has few words of one or two letters.
_MIN_MEAN = 2.5


def close_up(view: View) -> View:
    """Return `view` with letters that stand apart joined to words, and single spaces."""
    return edit(rewrite(view, _APART, _join), _SPACES, lambda match: " ")


def close_up_and_split(view: View) -> View:
    """Do the same, and put spaces where they were lost: "m a k e i t" is "make it"."""
    return edit(rewrite(view, _APART, _join_and_split), _SPACES, lambda match: " ")


def close_up_after_article(view: View) -> View:
    """Do the same, but "a b o m b" is an article and a word, "t o" a word of its own."""
    apart = edit(rewrite(view, _APART, _join_after_article), _SPACES, lambda match: " ")
    return close_up_pairs(apart)


def close_up_pairs(view: View) -> View:
    """Return `view` with two single letters side by side read as a word."""
    return edit(view, _PAIR, lambda match: match.group()[::2])


def stand_apart(text: str) -> bool:
    """Say if letters stand apart anywhere in `text`."""
    return _APART.search(text) is not None


def _words_of(match: re.Match[str]) -> list[list[int]] | None:
    """Return where the letters of each word are; a gap longer than most parts two words."""
    parts = [(part.start() - match.start(), part.group()) for part in _parts(match)]
    signs = parts[::2]
    if sum(sign.isalpha() for _, sign in signs) < max(_MIN_LETTERS, 0.6 * len(signs)):
        return None
    gaps = Counter(part for _, part in parts[1::2])
    usual = min(gaps, key=lambda gap: (-gaps[gap], len(gap), gap.isspace()))
    words: list[list[int]] = [[parts[0][0]]]
    for (gap_place, gap), (place, _) in zip(parts[1::2], parts[2::2], strict=True):
        if _is_sign(gap, usual):
            words[-1].append(gap_place + len(usual))
        elif len(gap) > len(usual) or (gap.isspace() and not usual.isspace()):
            words.append([])
        words[-1].append(place)
    return words


def _is_sign(gap: str, usual: str) -> bool:
    """Say if there is a sign of the text itself in a gap, as in "s u b - h u m a n"."""
    inside = gap[len(usual) : len(gap) - len(usual)]
    is_framed = gap.startswith(usual) and gap.endswith(usual)
    return len(inside) == 1 and is_framed and not inside.isspace()


def _parts(match: re.Match[str]) -> Sequence[re.Match[str]]:
    return list(_PARTS.finditer(match.string, match.start(), match.end()))


def _join(match: re.Match[str]) -> Change | None:
    words = _words_of(match)
    return _spell(match.group(), words) if words else None


def _join_after_article(match: re.Match[str]) -> Change | None:
    words = _words_of(match)
    if words and len(words[0]) > _MIN_LETTERS and match.group()[0] in "ai":
        words[:1] = [words[0][:1], words[0][1:]]
    return _spell(match.group(), words) if words else None


def _join_and_split(match: re.Match[str]) -> Change | None:
    words = _words_of(match)
    if not words:
        return None
    run = match.group()
    return _spell(run, [part for word in words for part in _split(run, word)])


def _split(run: str, places: list[int]) -> list[list[int]]:
    letters = "".join(run[place] for place in places)
    if len(letters) < _MIN_SPLIT or is_word(letters) or _SIGN.search(letters):
        return [places]
    words = split_words(letters)
    if len(letters) < _MIN_MEAN * len(words):
        return [places]
    parts, start = [], 0
    for word in words:
        parts.append(places[start : start + len(word)])
        start += len(word)
    return parts


def _spell(run: str, words: Sequence[Sequence[int]]) -> Change:
    places: list[int] = []
    letters: list[str] = []
    for word in words:
        if letters:
            # The space between two words is what followed the last letter of the first.
            letters.append(" ")
            places.append(places[-1] + 1)
        letters += (run[place] for place in word)
        places += word
    return "".join(letters), places
