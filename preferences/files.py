"""Rows in files: JSON lines or Parquet, written whole or not at all, read back row by row.

Memory stays constant both ways. Tables of cells (CSV) aren't offered: a cell that begins with "="
is a formula to whoever opens it.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import SEEK_END, BufferedRandom
from pathlib import Path
from typing import Protocol

from chat.errors import InvalidRequest
from preferences.formats.format import Column, Entry, Row
from preferences.json_lines import JsonLinesWriter, read_json_lines
from preferences.splits import SPLITS, Split

SUFFIXES = (".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is complete: where, how many rows and bytes, and its SHA-256."""

    path: Path
    num_rows: int
    num_bytes: int
    sha256: str


class _Writer(Protocol):
    def add(self, row: Row) -> None: ...

    def finish(self) -> None: ...

    def abandon(self) -> None: ...


def _make_writer(file: BufferedRandom, suffix: str, columns: Sequence[Column]) -> _Writer:
    if suffix == ".jsonl":
        return JsonLinesWriter(file, columns)
    # pyarrow takes time and memory to load: only who needs it pays.
    from preferences.parquet import ParquetWriter

    return ParquetWriter(file, columns)


class RowFile:
    """Rows on their way into an open file; see `open_rows`."""

    def __init__(self, file: BufferedRandom, path: Path, columns: Sequence[Column]):
        self._file = file
        self._path = path
        self._writer = _make_writer(file, path.suffix, columns)
        self._num_rows = 0

    def add(self, row: Row) -> None:
        """Write one row more.

        Raises:
            InvalidRequest: there is no room, or no right to.
        """
        try:
            self._writer.add(row)
        except OSError as error:
            raise _unusable(self._path, error) from error
        self._num_rows += 1

    def finish(self) -> None:
        """Write what is left."""
        with _naming(self._path):
            self._writer.finish()
            self._file.flush()

    def abandon(self) -> None:
        """Write nothing more; after `finish` that changes nothing."""
        self._writer.abandon()

    def measure(self) -> Written:
        """Return what is in the file."""
        self._file.seek(0)
        digest = hashlib.file_digest(self._file, "sha256").hexdigest()
        return Written(self._path, self._num_rows, self._file.seek(0, SEEK_END), digest)


@contextmanager
def open_rows(path: Path, columns: Sequence[Column]) -> Iterator[RowFile]:
    """Open a .jsonl or .parquet file that takes its name when the block ends well.

    Lone surrogates, which UTF-8 can't hold, are written as U+FFFD: see `mend_row`.

    Raises:
        InvalidRequest: the name has another suffix, or the file can't be written.
    """
    check_suffix(path)
    with _new_file(path) as file:
        rows = RowFile(file, path, columns)
        try:
            yield rows
            rows.finish()
        finally:
            rows.abandon()


def write_rows(rows: Iterable[Row], path: Path, columns: Sequence[Column]) -> Written:
    """Write `rows` to a .jsonl or .parquet file, whole or not at all.

    Raises:
        InvalidRequest: the name has another suffix, or the file can't be written.
    """
    with open_rows(path, columns) as file:
        for row in rows:
            file.add(row)
        file.finish()
        return file.measure()


def write_splits(
    entries: Iterable[Entry], folder: Path, suffix: str, columns: Sequence[Column]
) -> dict[Split, Written]:
    """Write a file for each part of the data set, empty ones too: train.jsonl, test.jsonl, ...

    They take their names one after another at the end: an export that is interrupted before
    leaves none of them.

    Raises:
        InvalidRequest: the suffix is unknown, or the files can't be written.
    """
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(open_rows(folder / f"{name}{suffix}", columns))
            for name in SPLITS
        }
        for entry in entries:
            files[entry.split].add(entry.row)
        for file in files.values():
            file.finish()
        return {name: file.measure() for name, file in files.items()}


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all.

    Raises:
        InvalidRequest: it can't be written.
    """
    with _new_file(path) as file, _naming(path):
        file.write(text.encode(errors="replace"))


def read_rows(path: Path) -> Iterator[tuple[int, Row | str]]:
    """Yield the number of each line, from 1, with its row, or with what is wrong with it.

    Raises:
        InvalidRequest: the name has another suffix, or the file can't be read.
    """
    check_suffix(path)
    with _naming(path), path.open("rb") as file:
        if path.suffix == ".jsonl":
            yield from read_json_lines(file)
        else:
            from preferences.parquet import read_parquet

            yield from read_parquet(file)


def check_suffix(path: Path) -> None:
    """Refuse a file of a kind that is neither written nor read.

    Raises:
        InvalidRequest: its name ends otherwise.
    """
    if path.suffix not in SUFFIXES:
        raise InvalidRequest(
            f"{path.name} ends in {path.suffix!r}; allowed is {' or '.join(SUFFIXES)}.",
            param="file",
        )


@contextmanager
def _new_file(path: Path) -> Iterator[BufferedRandom]:
    """Open a file beside `path` that replaces it when the block ends well; else it is deleted.

    Only its owner may read it. Whoever is killed leaves it behind, under a name of its own.
    """
    with _naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(
            prefix=f".{path.name}.", suffix=".part", dir=path.parent
        )
    part = Path(name)
    file = os.fdopen(descriptor, "w+b")
    try:
        yield file
        with _naming(path):
            file.flush()
            os.fsync(file.fileno())
            file.close()
            part.replace(path)
            _sync_folder(path.parent)
    finally:
        with suppress(OSError):  # what couldn't be written before can't be now
            file.close()
        part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make sure that the new name outlives a power cut, where folders can be synced."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> InvalidRequest:
    return InvalidRequest(
        f"{path} cannot be read or written ({error.strerror or error}); check the folder, or name "
        "another one."
    )
