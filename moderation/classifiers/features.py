"""What a linear classifier sees of a text: hashed runs of characters and of words.

The same function serves training and runtime, so both see the same numbers. Everything is done on
arrays of code points, which makes it some thirty times as quick as a loop over substrings.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

# Odd, so that it has an inverse modulo 2 ** 64: the hash of a word is then a difference of two
# prefix hashes, brought back to where the word would stand at the start of the text.
_BASE = np.uint64(0x9E3779B97F4A7C15)
_BASE_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 1 << 64))
_WORD_STEP = np.uint64(0xC2B2AE3D27D4EB4F)
_SALT = 0x165667B19E3779F9
_WORD_SALT = 64
_NAME_SALT = 96
_SPACE = 32
_NUM_CLASSED = 0x3000
_SEPARATOR, _LETTER, _SINGLE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """Which runs are counted: of `min_chars` to `max_chars` characters inside words (with the
    spaces around them), and of up to `max_words` words, in ``2 ** bits`` places.
    """

    bits: int = 20
    min_chars: int = 2
    max_chars: int = 5
    max_words: int = 2

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "FeatureSpec":
        """Return the spec that `to_json` wrote.

        Raises:
            TypeError, ValueError: it is none.
        """
        spec = cls(**given)
        if not all(isinstance(value, int) and 1 <= value <= 30 for value in given.values()):
            raise ValueError("a size of the features is out of range")
        return spec

    def to_json(self) -> dict[str, int]:
        """Return the spec as it stands in a manifest."""
        return asdict(self)


def extract(
    text: str, spec: FeatureSpec, names: tuple[str, ...] = ()
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the features of `text`: places, ascending, and values 1 + ln(count).

    `text` is normalised text of any length, lone surrogates included. `names` are features found
    by other means, counted once each.
    """
    chars = _read_chars(text)
    parts = [*_hash_char_runs(chars, spec), *_hash_word_runs(chars, spec.max_words)]
    parts += [_hash_name(name) for name in names]
    hashes = _mix(np.concatenate(parts)) >> np.uint64(64 - spec.bits)
    places, counts = np.unique(hashes.astype(np.int64), return_counts=True)
    return places, (1.0 + np.log(counts)).astype(np.float32)


def _read_chars(text: str) -> Hashes:
    """Return code points with one space before and one behind; what is no printing is a space."""
    raw = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    chars = np.full(len(raw) + 2, _SPACE, np.uint64)
    chars[1:-1] = np.maximum(raw, _SPACE)
    return chars


def _hash_char_runs(chars: Hashes, spec: FeatureSpec) -> Iterator[Hashes]:
    """Yield, for each length, the hashes of runs that have a space at their ends at most."""
    spaces = np.cumsum(chars == _SPACE)  # up to and including each place
    run = chars
    for length in range(2, spec.max_chars + 1):
        if len(chars) < length:
            return
        run = run[:-1] * _BASE + chars[length - 1 :]
        if length >= spec.min_chars:
            # The inner characters of the run from i are those from i + 1 to i + length - 2.
            inner = spaces[length - 2 : len(spaces) - 1] == spaces[: len(run)]
            yield run[inner] + _salt(length)


def _hash_word_runs(chars: Hashes, max_words: int) -> Iterator[Hashes]:
    words = _hash_words(chars)
    run = words
    for length in range(1, max_words + 1):
        yield run + _salt(_WORD_SALT + length)
        if len(words) <= length:
            return
        run = run[:-1] * _WORD_STEP + words[length:]


def _hash_words(chars: Hashes) -> Hashes:
    """Return one hash for each word: a run of letters and digits, or a lone sign like an emoji."""
    kinds = _classify()[np.minimum(chars, np.uint64(_NUM_CLASSED)).astype(np.intp)]
    previous = np.concatenate(([_SEPARATOR], kinds[:-1]))
    following = np.concatenate((kinds[1:], [_SEPARATOR]))
    is_single = kinds == _SINGLE
    starts = np.flatnonzero(is_single | ((kinds == _LETTER) & (previous != _LETTER)))
    ends = np.flatnonzero(is_single | ((kinds == _LETTER) & (following != _LETTER))) + 1
    powers, back = _raise(_BASE, len(chars)), _raise(_BASE_INVERSE, len(chars))
    sums: Hashes = np.zeros(len(chars) + 1, np.uint64)
    np.cumsum(chars * powers, out=sums[1:])
    words: Hashes = (sums[ends] - sums[starts]) * back[starts]
    return words


def _raise(base: np.uint64, num_powers: int) -> Hashes:
    """Return the first powers of `base`, from the first on, modulo 2 ** 64."""
    powers: Hashes = np.full(num_powers, base, np.uint64)
    np.cumprod(powers, out=powers)
    return powers


@cache
def _classify() -> NDArray[np.int8]:
    """Return for each code point whether it parts words, belongs to one, or is one."""
    kinds = [_LETTER if chr(code).isalnum() or code == 39 else _SEPARATOR for code in range(0x2190)]
    # Arrows, dingbats, and all from the first ideograph on, emoji among them.
    kinds += [_SINGLE] * (_NUM_CLASSED + 1 - len(kinds))
    return np.array(kinds, np.int8)


def _hash_name(name: str) -> Hashes:
    chars = _read_chars(name)
    sums: Hashes = np.cumsum(chars * _raise(_BASE, len(chars)), dtype=np.uint64)
    return sums[-1:] + _salt(_NAME_SALT)


def _salt(kind: int) -> np.uint64:
    """Return what sets the hashes of one kind of feature apart from those of all others."""
    return np.uint64(kind * _SALT % (1 << 64))


def _mix(hashes: Hashes) -> Hashes:
    """Spread the bits (the finaliser of MurmurHash3, 64 bits)."""
    hashes = hashes ^ (hashes >> np.uint64(33))
    hashes = hashes * np.uint64(0xFF51AFD7ED558CCD)
    hashes = hashes ^ (hashes >> np.uint64(33))
    hashes = hashes * np.uint64(0xC4CEB9FE1A85EC53)
    return hashes ^ (hashes >> np.uint64(33))
