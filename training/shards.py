"""Token shards on disk, and rows of fixed length packed from them.

A shard of source S and split P is three files:

    S.P.tokens   uint16, the documents one after the other, each ended by ``<|endoftext|>``
    S.P.mask     uint8, 1 where the token is to be learnt from in supervised fine-tuning
    S.P.starts   uint64, where each document starts, and at last the number of tokens

shards.json names them all with their weights, sizes and SHA-256.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from chat.errors import SetupError

INDEX_NAME = "shards.json"
_DTYPES: Mapping[str, Any] = {"tokens": np.uint16, "mask": np.uint8, "starts": np.uint64}


@dataclass(frozen=True, slots=True)
class ShardEntry:
    """What shards.json says of one shard."""

    source: str
    split: str
    weight: float
    num_documents: int
    num_tokens: int
    sha256: str


class ShardWriter:
    """Writes one shard; use it in a ``with``, and `finish` it inside."""

    def __init__(self, folder: Path, source: str, split: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._source, self._split = source, split
        self._files: dict[str, IO[bytes]] = {
            part: shard_path(folder, source, split, part).open("wb") for part in _DTYPES
        }
        self._hash = hashlib.sha256()
        self._num_documents = 0
        self._num_tokens = 0

    def add(self, ids: Sequence[int], mask: Sequence[int]) -> None:
        """Append one document."""
        assert len(ids) == len(mask)
        self._write("starts", [self._num_tokens])
        self._write("tokens", ids)
        self._write("mask", mask)
        self._num_documents += 1
        self._num_tokens += len(ids)

    def finish(self, weight: float) -> ShardEntry:
        """Complete the files and return their entry for shards.json."""
        self._write("starts", [self._num_tokens])
        return ShardEntry(
            self._source,
            self._split,
            weight,
            self._num_documents,
            self._num_tokens,
            self._hash.hexdigest(),
        )

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def _write(self, part: str, values: Sequence[int]) -> None:
        block = np.asarray(values, dtype=_DTYPES[part]).tobytes()
        self._files[part].write(block)
        self._hash.update(block)


class Shard:
    """One shard, mapped into memory."""

    def __init__(self, folder: Path, entry: ShardEntry) -> None:
        self.entry = entry
        self.tokens = self._map(folder, "tokens")
        self.mask = self._map(folder, "mask")
        self.starts = self._map(folder, "starts").astype(np.int64)

    def pieces(self, length: int) -> npt.NDArray[np.int64]:
        """Return (start, stop) of each piece [pieces, 2]: documents, cut to `length` tokens.

        The pieces of a long document overlap by one token, so that each token is predicted once.
        """
        found = [
            (start, min(start + length, stop))
            for first, stop in zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True)
            for start in range(first, max(stop - 1, first + 1), length - 1)
        ]
        return np.asarray(found, dtype=np.int64).reshape(-1, 2)

    def _map(self, folder: Path, part: str) -> npt.NDArray[Any]:
        path = shard_path(folder, self.entry.source, self.entry.split, part)
        try:
            if not path.stat().st_size:
                return np.zeros(0, dtype=_DTYPES[part])
            return np.memmap(path, dtype=_DTYPES[part], mode="r")
        except (OSError, ValueError) as error:
            raise SetupError(
                f"The shard {path} cannot be read: {error}; run training.data again."
            ) from error


def shard_path(folder: Path, source: str, split: str, part: str) -> Path:
    """Return where a part ("tokens", "mask" or "starts") of a shard lies."""
    return folder / f"{source}.{split}.{part}"


def write_index(folder: Path, entries: Sequence[ShardEntry], about: Mapping[str, Any]) -> None:
    """Write shards.json: the entries, and `about` (the tokenizer, the mixture, ...)."""
    table = {**about, "shards": [asdict(entry) for entry in entries]}
    text = json.dumps(table, indent=2) + "\n"
    (folder / INDEX_NAME).write_text(text, encoding="utf-8")


def open_shards(folder: Path, split: str) -> list[Shard]:
    """Return the shards of a split that hold anything.

    Raises:
        SetupError: the folder has no shards, or none of this split.
    """
    path = folder / INDEX_NAME
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["shards"]
    except (OSError, ValueError, KeyError) as error:
        raise SetupError(f"{path} cannot be read: {error}; make it with training.data.") from error
    entries = [ShardEntry(**row) for row in rows]
    shards = [Shard(folder, e) for e in entries if e.split == split and e.num_tokens > 1]
    if not shards:
        raise SetupError(f"{path} names no shard of the split '{split}'; run training.data again.")
    return shards
