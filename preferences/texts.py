"""Texts and times made comparable: what is the same to a reader is the same here."""

import unicodedata
from datetime import UTC, datetime
from typing import TypeVar

_Name = TypeVar("_Name", bound=str)

# Composing takes time that grows with the square of a run of combining marks.
_LONGEST_PIECE = 1_024
_HEAD = 64
# What follows the end of a head can still change so many characters of it.
_UNSURE = 8


def fold_text(text: str) -> str:
    """Return `text` with white space folded and characters in their compatible form (NFKC).

    A longer text is composed in pieces of 1024 characters, so that one made to be slow isn't.
    """
    if not text.isascii():
        text = "".join(
            unicodedata.normalize("NFKC", text[start : start + _LONGEST_PIECE])
            for start in range(0, len(text), _LONGEST_PIECE)
        )
    return " ".join(text.split())


def is_same_text(one: str, other: str) -> bool:
    """Say whether two texts are the same once folded; most are told apart by their beginnings."""
    if one == other:
        return True
    heads = fold_text(one[:_HEAD]), fold_text(other[:_HEAD])
    sure = min(map(len, heads)) - _UNSURE
    if sure > 0 and heads[0][:sure] != heads[1][:sure]:
        return False
    return fold_text(one) == fold_text(other)


def in_utc(moment: datetime) -> datetime:
    """Return a moment with its zone; without one it is meant as UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def distinct(names: list[_Name]) -> tuple[_Name, ...]:
    """Return the names, each once, in the order in which they came first."""
    return tuple(names) if len(names) < 2 else tuple(dict.fromkeys(names))
