"""Files that somebody brings: records line by line, and what is broken about which line."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from chat.errors import InvalidRequest
from preferences.files import read_rows
from preferences.formats.format import Format, Row
from preferences.prompts import Prompt
from preferences.samples import Record


@dataclass(frozen=True, slots=True)
class Broken:
    """A line (of JSON lines) or row (of Parquet), from 1, that can't be used, and why.

    ``reason`` is a sentence that names the file and the line.
    """

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Check:
    """What a file holds: how many good rows and broken ones, and the first of these."""

    num_rows: int
    num_broken: int
    broken: tuple[Broken, ...]


def read_records(
    path: Path,
    file_format: Format,
    at: datetime,
    *,
    start: int = 1,
    on_broken: Callable[[Broken], None] | None = None,
) -> Iterator[tuple[int, Record | Prompt]]:
    """Yield the number of each line, from `start` on, with what it says.

    `at` is the time of records that have none. Without `on_broken` the first broken line ends it:
    whoever remembers the number of the last good one can go on behind it. To import all or
    nothing, call `check_file` before.

    Raises:
        InvalidRequest: the file can't be read, or (without `on_broken`) a line of it.
    """
    for number, found in read_rows(path):
        if number < start:
            continue
        record = _parse(path, number, found, file_format, at)
        if not isinstance(record, Broken):
            yield number, record
        elif on_broken is None:
            raise InvalidRequest(record.reason, param="file")
        else:
            on_broken(record)


def check_file(path: Path, file_format: Format, *, most_shown: int = 20) -> Check:
    """Read a whole file and say what of it is broken, without keeping any of it.

    Raises:
        InvalidRequest: the file can't be read at all.
    """
    shown: list[Broken] = []
    num_broken = num_rows = 0

    def note(broken: Broken) -> None:
        nonlocal num_broken
        num_broken += 1
        if len(shown) < most_shown:
            shown.append(broken)

    for _ in read_records(path, file_format, datetime.now(UTC), on_broken=note):
        num_rows += 1
    return Check(num_rows, num_broken, tuple(shown))


def _parse(
    path: Path, number: int, found: Row | str, file_format: Format, at: datetime
) -> Record | Prompt | Broken:
    if isinstance(found, str):
        reason = found
    else:
        try:
            return file_format.read(found, at)
        except InvalidRequest as error:
            reason = str(error)
    unit = "line" if path.suffix == ".jsonl" else "row"
    return Broken(number, f"{path.name}, {unit} {number}: {reason}")
