"""What a format is: named columns, how records become rows, and how rows become records again."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from chat.errors import InvalidRequest
from preferences.drops import OnDrop, Options
from preferences.prompts import Prompt
from preferences.samples import Record
from preferences.splits import Split

Row = dict[str, Any]
# What a column holds. "groups" are lists of texts, "messages" lists of {role, content}.
Kind = Literal[
    "text", "number", "whole", "flag", "texts", "groups", "messages", "candidates", "input"
]
# What is counted, so that what went in is what came out and what was dropped.
Unit = Literal["votes", "marks", "questions", "rankings"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column by name; a nullable one may be null (None)."""

    name: str
    kind: Kind
    meaning: str
    is_nullable: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A row, which part of the data set it belongs to, and how many votes (or marks) are in it."""

    split: Split
    row: Row
    num: int = 1


Make = Callable[[Iterable[Record], Options, OnDrop], Iterator[Entry]]
Parse = Callable[[Mapping[str, Any], datetime], Record | Prompt]


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file: what its rows hold, and the way there and back.

    ``make`` takes judgements and marks in one stream, in which those of one question come one
    after another; None: it can only be read. ``parse`` takes a row, and the time to put on what
    has none; None: it can only be written. Both may raise InvalidRequest.
    """

    name: str
    description: str
    unit: Unit
    columns: tuple[Column, ...]
    make: Make | None = None
    parse: Parse | None = None
    suffixes: tuple[str, ...] = (".jsonl", ".parquet")

    def entries(
        self, records: Iterable[Record], options: Options, on_drop: OnDrop
    ) -> Iterator[Entry]:
        """Yield the rows with where they belong, in constant memory; tell what is left out.

        Raises:
            InvalidRequest: the format can only be read.
        """
        if self.make is None:
            raise InvalidRequest(
                f"Files of the format {self.name} can be read, not written; choose another one.",
                param="format",
            )
        return self.make(records, options, on_drop)

    def rows(self, records: Iterable[Record], options: Options, on_drop: OnDrop) -> Iterator[Row]:
        """Yield the rows alone."""
        return (entry.row for entry in self.entries(records, options, on_drop))

    def read(self, row: Mapping[str, Any], at: datetime) -> Record | Prompt:
        """Return the record that a row holds; `at` is its time where it has none.

        Raises:
            InvalidRequest: the row isn't of this format, or the format can only be written.
        """
        if self.parse is None:
            raise InvalidRequest(
                f"Files of the format {self.name} can be written, not read; choose another one.",
                param="format",
            )
        return self.parse(row, at)
