"""What a source of rows is: a pack, its licence, and how many of its rows go where."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from training.moderators.rows import Row
from training.moderators.sources.lexicon import Lexicon

Reader: TypeAlias = Callable[[Path, Lexicon], Iterator[Row]]
# "families": each family goes, by its hash, to one of the three splits. "pack": the reader says.
Placing: TypeAlias = Literal["families", "pack", "train", "calibration", "test"]


@dataclass(frozen=True, slots=True)
class Source:
    """One pack: where it lies, on what terms, how many rows of it are wanted, and for what.

    ``place`` is its folder below the folder of packs, or, of ordinary text, its file below that
    of chats. ``most`` is the largest number of its rows that are kept; ``held_out`` the fraction
    of its families that goes to calibration, and as much again to test.
    """

    name: str
    place: str
    licence: str
    read: Reader
    most: int = 100_000
    placing: Placing = "families"
    held_out: float = 0.1
    is_sharealike: bool = False
    is_benign: bool = False
