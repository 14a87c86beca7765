"""Parquet files in row groups of some megabytes: the only place that knows pyarrow."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from preferences.formats.format import Column, Kind, Row
from preferences.wellformed import mend_row

_MOST_ROWS = 200
_READ_ROWS = 500
_BATCH_CHARS = 2**20
_GROUP_BYTES = 4 * 2**20
_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_TYPES: Mapping[Kind, pa.DataType] = {
    "text": pa.string(),
    "number": pa.float64(),
    "whole": pa.int64(),
    "flag": pa.bool_(),
    "texts": pa.list_(pa.string()),
    "groups": pa.list_(pa.list_(pa.string())),
    "messages": _MESSAGES,
    "candidates": pa.list_(
        pa.struct(
            [
                *((name, pa.string()) for name in ("answer_id", "model", "text", "settings")),
                ("finish_reason", pa.string()),
                ("is_blocked", pa.bool_()),
                ("has_pii", pa.bool_()),
            ]
        )
    ),
    "input": pa.struct(
        [
            ("messages", _MESSAGES),
            ("tools", pa.list_(pa.string())),
            ("parallel_tool_calls", pa.bool_()),
        ]
    ),
}
# Kinds of columns that can hold long texts.
_WEIGHTY = ("text", "messages", "candidates", "input")


class ParquetWriter:
    """Collects rows to batches of a few megabytes, and batches to row groups."""

    def __init__(self, file: BinaryIO, columns: Sequence[Column]):
        self._columns = columns
        self._schema = pa.schema([(column.name, _TYPES[column.kind]) for column in columns])
        # The C library's memory: pyarrow's own allocators keep tens of megabytes to themselves.
        self._pool = pa.system_memory_pool()
        self._writer = pq.ParquetWriter(
            file, self._schema, compression="zstd", memory_pool=self._pool
        )
        self._weighty = [column for column in columns if column.kind in _WEIGHTY]
        self._rows: list[Row] = []
        self._num_chars = 0
        self._batches: list[pa.RecordBatch] = []

    def add(self, row: Row) -> None:
        """Write a row, now or later."""
        self._rows.append(row)
        self._num_chars += _weigh(row, self._weighty)
        if len(self._rows) >= _MOST_ROWS or self._num_chars >= _BATCH_CHARS:
            self._close_batch()

    def _close_batch(self) -> None:
        if self._rows:
            self._batches.append(self._to_batch(self._rows))
        self._rows, self._num_chars = [], 0
        if sum(batch.nbytes for batch in self._batches) >= _GROUP_BYTES:
            self._close_group()

    def _to_batch(self, rows: list[Row]) -> pa.RecordBatch:
        try:
            return self._convert(rows)
        except UnicodeEncodeError:
            return self._convert([mend_row(row, self._columns) for row in rows])

    def _convert(self, rows: list[Row]) -> pa.RecordBatch:
        arrays = [
            pa.array([row.get(kind.name) for row in rows], kind.type, memory_pool=self._pool)
            for kind in self._schema
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _close_group(self) -> None:
        if self._batches:
            self._writer.write_table(pa.Table.from_batches(self._batches))
        self._batches = []

    def finish(self) -> None:
        """Write what is left, and the end of the file."""
        self._close_batch()
        self._close_group()
        if self._writer.is_open:
            self._writer.close()

    def abandon(self) -> None:
        """Let go of the file without more ado: it will be deleted."""
        with suppress(OSError, ValueError):
            self._writer.close()
        # Or else it would try again when it is collected.
        self._writer.is_open = False


def _weigh(row: Row, columns: Sequence[Column]) -> int:
    """Return about how many characters a row has: those of its texts, without ids and lists."""
    num = 0
    for column in columns:
        value = row.get(column.name)
        if not value:
            continue
        if column.kind == "text":
            num += len(value)
        elif column.kind == "messages":
            num += sum([len(message["content"]) for message in value])
        elif column.kind == "candidates":
            num += sum([len(candidate["text"]) for candidate in value])
        elif column.kind == "input":
            num += sum([len(message["content"]) for message in value["messages"]])
    return num


def read_parquet(file: BinaryIO) -> Iterator[tuple[int, Row | str]]:
    """Yield each row's number, from 1, with the row, or with what is wrong with the file."""
    number = 0
    try:
        for batch in pq.ParquetFile(file).iter_batches(_READ_ROWS):
            for row in _rows_of(batch):
                number += 1
                yield number, row
    except (pa.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or ["broken"])[0]
        yield number + 1, f"it cannot be read as Parquet ({reason})"


def _rows_of(batch: pa.RecordBatch) -> Iterator[Row | str]:
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        for index in range(batch.num_rows):
            yield _row_of(batch.slice(index, 1))


def _row_of(batch: pa.RecordBatch) -> Row | str:
    try:
        row: Row = batch.to_pylist()[0]
    except UnicodeDecodeError:
        return "a text isn't UTF-8; write the file anew"
    return row
