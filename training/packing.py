"""Rows of a fixed length from shards of documents, mixed by weight, in a repeatable order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.shards import Shard

_OPEN_ROWS = 24
# Marks the places of a row that no document fills.
NO_DOCUMENT = -1


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows to learn from; all arrays are [rows, length].

    `is_predicted` says where the target follows from the input (same document, no padding);
    `weights` is 1 where it is also to be learnt from in supervised fine-tuning. `documents` numbers
    the documents of a row: a token may only attend to its own document.
    """

    inputs: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    is_predicted: npt.NDArray[np.bool_]
    weights: npt.NDArray[np.float32]
    documents: npt.NDArray[np.int64]


class RowSource:
    """The rows of one shard: an endless sequence, packed anew in each epoch.

    Documents are shuffled by (seed, epoch) and packed best-fit into `length` + 1 places, so
    short documents share a row and few places stay empty.
    """

    def __init__(self, shard: Shard, length: int, seed: int) -> None:
        self._shard = shard
        self._length = length
        self._seed = seed
        self._pieces = shard.pieces(length + 1)
        self._epoch = -1
        self._rows: list[list[int]] = []
        # Where the next row comes from: this and the seed are all that a resumed run needs.
        self.epoch = 0
        self.position = 0

    def next_row(self) -> list[tuple[int, int]]:
        """Return the next row as (start, stop) ranges of the shard's tokens."""
        if self._epoch != self.epoch:
            self._pack(self.epoch)
        row = [(int(a), int(b)) for a, b in self._pieces[self._rows[self.position]]]
        self.position += 1
        if self.position == len(self._rows):
            self.epoch, self.position = self.epoch + 1, 0
        return row

    def num_rows(self) -> int:
        """Return how many rows the current epoch has."""
        if self._epoch != self.epoch:
            self._pack(self.epoch)
        return len(self._rows)

    def _pack(self, epoch: int) -> None:
        generator = np.random.default_rng([self._seed, epoch])
        order = generator.permutation(len(self._pieces))
        sizes = (self._pieces[:, 1] - self._pieces[:, 0])[order]
        self._rows = pack(order.tolist(), sizes.tolist(), self._length + 1)
        # Rows that filled up early hold the long pieces: mix them again.
        generator.shuffle(self._rows)
        self._epoch = epoch


def pack(items: Sequence[int], sizes: Sequence[int], capacity: int) -> list[list[int]]:
    """Return `items` in groups whose sizes sum to at most `capacity`.

    Online best-fit with a bounded number of open groups: each item joins the fullest group that
    has room for it; when all are open, the fullest is closed.
    """
    done: list[list[int]] = []
    groups: list[tuple[int, list[int]]] = []  # (room left, items)
    for item, size in zip(items, sizes, strict=True):
        assert size <= capacity
        fitting = [i for i, (room, _) in enumerate(groups) if room >= size]
        if fitting:
            best = min(fitting, key=lambda i: groups[i][0])
            room, members = groups.pop(best)
        else:
            room, members = capacity, []
            if len(groups) == _OPEN_ROWS:
                fullest = min(range(len(groups)), key=lambda i: groups[i][0])
                done.append(groups.pop(fullest)[1])
        members.append(item)
        if room - size < 2:
            done.append(members)
        else:
            groups.append((room - size, members))
    return done + [members for _, members in groups]


class RowMixer:
    """Draws rows from several shards in proportion to their weights.

    Not by chance: each row comes from the source that is furthest behind its share, so that even
    a short run has the mixture it asked for, and the order is a pure function of the seed.
    """

    def __init__(self, shards: Sequence[Shard], length: int, seed: int, pad_id: int) -> None:
        weights = np.asarray([shard.entry.weight for shard in shards], dtype=np.float64)
        assert weights.sum() > 0, "at least one source needs a weight above 0"
        self._shares = weights / weights.sum()
        self._taken = np.zeros(len(shards), dtype=np.int64)
        self._shards = list(shards)
        self._sources = [RowSource(shard, length, seed + i) for i, shard in enumerate(shards)]
        self._length = length
        self._pad_id = pad_id

    def next_batch(self, num_rows: int) -> Batch:
        """Return the next rows."""
        return self._batch([self._next_index() for _ in range(num_rows)])

    def batch_of(self, index: int, num_rows: int) -> Batch:
        """Return the next rows of one source alone, which doesn't count against its share."""
        return self._batch([index] * num_rows)

    @property
    def names(self) -> list[str]:
        """The names of the sources, in order."""
        return [shard.entry.source for shard in self._shards]

    def num_rows_of(self, index: int) -> int:
        """Return how many rows an epoch of one source has."""
        return self._sources[index].num_rows()

    def epochs(self) -> dict[str, int]:
        """Return how often each source has been gone through."""
        return {name: s.epoch for name, s in zip(self.names, self._sources, strict=True)}

    def state(self) -> dict[str, list[int]]:
        """Return the position, for `restore`."""
        return {
            "taken": self._taken.tolist(),
            "epoch": [source.epoch for source in self._sources],
            "position": [source.position for source in self._sources],
        }

    def restore(self, state: dict[str, list[int]]) -> None:
        """Go to a position returned by `state` with the same shards, length and seed."""
        self._taken[:] = state["taken"]
        for source, epoch, position in zip(
            self._sources, state["epoch"], state["position"], strict=True
        ):
            source.epoch, source.position = epoch, position

    def _next_index(self) -> int:
        behind = self._shares * (self._taken.sum() + 1) - self._taken
        index = int(behind.argmax())
        self._taken[index] += 1
        return index

    def _batch(self, indices: Sequence[int]) -> Batch:
        shape = (len(indices), self._length + 1)
        tokens = np.full(shape, self._pad_id, dtype=np.int64)
        learnt = np.zeros(shape, dtype=np.float32)
        documents = np.full(shape, NO_DOCUMENT, dtype=np.int64)
        for row, index in enumerate(indices):
            shard, at = self._shards[index], 0
            for number, (start, stop) in enumerate(self._sources[index].next_row()):
                span = slice(at, at + stop - start)
                tokens[row, span] = shard.tokens[start:stop]
                learnt[row, span] = shard.mask[start:stop]
                documents[row, span] = number
                at += stop - start
        is_same = (documents[:, 1:] == documents[:, :-1]) & (documents[:, 1:] != NO_DOCUMENT)
        return Batch(
            inputs=tokens[:, :-1],
            targets=tokens[:, 1:],
            is_predicted=is_same,
            weights=learnt[:, 1:] * is_same,
            documents=documents[:, :-1],
        )
