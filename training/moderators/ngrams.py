"""Texts that are the same, or share a run of words: never on both sides of a split."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator

RUN_WORDS = 7
# A word, or a sign that isn't plain punctuation: to an emoji, all may hang.
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[^\w\s\x00-\x7f‘’“”–—…]")


def text_key(text: str) -> int:
    """Return a number that texts share if case, spacing and punctuation alone set them apart."""
    return _hash(" ".join(_words(text)) or text)


def word_runs(text: str, length: int = RUN_WORDS) -> Iterator[int]:
    """Yield a number for each run of `length` words; none for a shorter text."""
    words = _words(text)
    for start in range(len(words) - length + 1):
        yield _hash(" ".join(words[start : start + length]))


def stable_fraction(name: str) -> float:
    """Return a number in [0, 1) that only depends on `name`."""
    return _hash(name) / 2**64


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _hash(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big")
