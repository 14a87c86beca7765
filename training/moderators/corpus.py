"""Rows as the classifiers learn from them: normalised texts and a matrix of labels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chat.errors import SetupError
from moderation.categories import TRAINED_CATEGORIES
from moderation.text.normalise import normalise
from training.moderators.rows import Row, Split, read_rows
from training.progress import track

# What a row may carry that says: harmless, though it looks otherwise.
HARD = frozenset({"hard", "lookalike"})
ORDINARY = "benign"
UNLABELLED = "unlabelled"


@dataclass(frozen=True, slots=True)
class Corpus:
    """N texts and C categories.

    ``labels`` float32 ``[N, C]`` is 0 or 1; where ``known`` bool ``[N, C]`` is false it says
    nothing.
    """

    texts: Sequence[str]
    labels: NDArray[np.float32]
    known: NDArray[np.bool_]
    sources: NDArray[np.str_]
    tags: Sequence[tuple[str, ...]]
    categories: tuple[str, ...]

    def __len__(self) -> int:
        """Return how many texts there are."""
        return len(self.texts)

    @property
    def is_harmless(self) -> NDArray[np.bool_]:
        """Return for each text whether nothing is held against it, and something is known."""
        found: NDArray[np.bool_] = ~self.is_harmful & self.known.any(axis=1)
        return found

    @property
    def is_harmful(self) -> NDArray[np.bool_]:
        """Return for each text whether a label is 1."""
        found: NDArray[np.bool_] = (self.labels > 0) & self.known
        return np.asarray(found.any(axis=1))

    @property
    def is_hard(self) -> NDArray[np.bool_]:
        """Return for each text whether it is harmless and looks otherwise."""
        tagged = (not HARD.isdisjoint(tags) for tags in self.tags)
        found: NDArray[np.bool_] = np.fromiter(tagged, bool, len(self)) & self.is_harmless
        return found

    @property
    def is_ordinary(self) -> NDArray[np.bool_]:
        """Return for each text whether it is of the kind that people bring every day."""
        tagged = np.fromiter((ORDINARY in tags for tags in self.tags), bool, len(self))
        found: NDArray[np.bool_] = tagged & self.is_harmless & ~self.is_hard
        return found

    def take(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> "Corpus":
        """Return the texts chosen by a mask or by their numbers."""
        numbers = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        return Corpus(
            [self.texts[number] for number in numbers],
            self.labels[numbers],
            self.known[numbers],
            self.sources[numbers],
            [self.tags[number] for number in numbers],
            self.categories,
        )


def read_corpus(
    folder: Path, split: Split, categories: Sequence[str] = TRAINED_CATEGORIES
) -> Corpus:
    """Read one split from the folder that `training.moderators.prepare` wrote.

    Rows that say nothing about `categories` are left out.

    Raises:
        SetupError: the file is missing or broken, or nothing in it is of use.
    """
    rows = track(read_rows(folder / f"{split}.jsonl"), f"Reading {split}.jsonl")
    corpus = make_corpus((row for row in rows if UNLABELLED not in row.tags), categories)
    if not len(corpus):
        raise SetupError(
            f"No row of {split}.jsonl in {folder} says anything about "
            f"{', '.join(categories)}; prepare the data first."
        )
    return corpus


def make_corpus(rows: Iterable[Row], categories: Sequence[str] = TRAINED_CATEGORIES) -> Corpus:
    """Return rows as a corpus, their texts normalised as a moderator gets to read them."""
    used = [row for row in rows if not row.labels.keys().isdisjoint(categories)]
    shape = (len(used), len(categories))
    labels, known = np.zeros(shape, np.float32), np.zeros(shape, bool)
    for number, row in enumerate(used):
        for place, category in enumerate(categories):
            label = row.labels.get(category)
            known[number, place] = label is not None
            labels[number, place] = label or 0
    return Corpus(
        [normalise(row.text).text for row in used],
        labels,
        known,
        np.array([row.source for row in used], np.str_),
        [row.tags for row in used],
        tuple(categories),
    )
