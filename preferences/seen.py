"""A set of hashes in little memory: to know again what an export has written already."""

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_MOST_FRESH = 1 << 16


def hash_texts(texts: Iterable[str]) -> int:
    """Return 64 bits of BLAKE2b over the texts, each with its length before it."""
    joined = "".join([f"{len(text)}:{text}" for text in texts])
    digest = hashlib.blake2b(joined.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest)


class Seen:
    """Remembers whole numbers from 0 to 2^64 - 1, in about 8 bytes each.

    The newest are in a set of Python's; all others in sorted arrays, each at least twice as long
    as the next, so that there are few of them and merging stays cheap.
    """

    def __init__(self) -> None:
        self._fresh: set[int] = set()
        self._sorted: list[NDArray[np.uint64]] = []

    def add(self, number: int) -> bool:
        """Remember `number`; say whether it is new."""
        if number in self._fresh or any(_has(numbers, number) for numbers in self._sorted):
            return False
        self._fresh.add(number)
        if len(self._fresh) >= _MOST_FRESH:
            self._settle()
        return True

    def __len__(self) -> int:
        return len(self._fresh) + sum(map(len, self._sorted))

    def _settle(self) -> None:
        merged = np.sort(np.fromiter(self._fresh, np.uint64, len(self._fresh)))
        while self._sorted and len(self._sorted[-1]) < 2 * len(merged):
            merged = np.sort(np.concatenate([self._sorted.pop(), merged]), kind="stable")
        self._sorted.append(merged)
        self._fresh = set()


def _has(numbers: NDArray[np.uint64], number: int) -> bool:
    wanted = np.uint64(number)
    place = int(numbers.searchsorted(wanted))
    return place < len(numbers) and bool(numbers[place] == wanted)
