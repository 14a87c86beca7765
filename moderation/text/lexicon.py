"""The common words of English: what tells a disguised word from a name, an id or a typo.

The list has the 13,000 most frequent words of openly licensed chats, stories, textbooks and
comments, the most frequent first, and the words that the rules look for. It is about spelling
only: to be in it says nothing good or bad of a word.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

_FILE = Path(__file__).parent / "words" / "en.txt"
_LONGEST = 20
# So many letters of a run without spaces are taken apart at a time.
_MAX_RUN = 400
_UNKNOWN_COST = 14.0


@cache
def _ranks() -> Mapping[str, int]:
    words = _FILE.read_text(encoding="utf-8").split()
    return {word: rank for rank, word in enumerate(words)}


def is_word(text: str) -> bool:
    """Say if `text`, in small letters, is a common word."""
    return text in _ranks()


def common_words() -> Iterator[str]:
    """Yield all common words, the most frequent first."""
    return iter(_ranks())


def rank(word: str) -> int:
    """Return the place of a common word among all, the most frequent first."""
    return _ranks()[word]


def best_word(candidates: list[str]) -> str | None:
    """Return the most frequent of those that are words."""
    ranks = _ranks()
    return min((c for c in candidates if c in ranks), key=ranks.__getitem__, default=None)


@cache
def _trigrams() -> Mapping[str, int]:
    return Counter(gram for word in _ranks() for gram in _grams(word))


def _grams(word: str) -> list[str]:
    framed = f" {word} "
    return [framed[at : at + 3] for at in range(len(framed) - 2)]


def likeliest(candidates: Sequence[str]) -> str:
    """Return which of several spellings is built most like the common words, by its trigrams."""
    counts = _trigrams()
    return max(candidates, key=lambda word: sum(math.log1p(counts[g]) for g in _grams(word)))


def split_words(letters: str) -> list[str]:
    """Take apart words that were written without spaces.

    The cheapest way by Viterbi's algorithm, a word costing the logarithm of its rank (Zipf's law),
    a letter of no word more than any word. Linear in the length of `letters`; of a very long run,
    each part is taken apart for itself.
    """
    parts = (letters[at : at + _MAX_RUN] for at in range(0, len(letters), _MAX_RUN))
    return [word for part in parts for word in _split_run(part)]


def _split_run(letters: str) -> list[str]:
    ranks = _ranks()
    scale = math.log(len(ranks))
    best: list[tuple[float, int]] = [
        (0.0, 0)
    ]  # the cost up to there, and where its last word began
    for end in range(1, len(letters) + 1):
        best.append((best[-1][0] + _UNKNOWN_COST, end - 1))
        for start in range(max(0, end - _LONGEST), end):
            place = ranks.get(letters[start:end])
            if place is not None:
                cost = best[start][0] + math.log((place + 2) * scale)
                best[end] = min(best[end], (cost, start))
    words: list[str] = []
    end = len(letters)
    while end:
        start = best[end][1]
        words.append(letters[start:end])
        end = start
    return list(_join_unknown(reversed(words)))


def _join_unknown(words: Iterable[str]) -> Iterator[str]:
    """Put together again the letters that belong to no word."""
    rest = ""
    for word in words:
        if is_word(word):
            if rest:
                yield rest
            rest = ""
            yield word
        else:
            rest += word
    if rest:
        yield rest
