"""One export: records to the files of a format, with every vote accounted for."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from chat.errors import InvalidRequest
from preferences.drops import Dropped, OnDrop, Options, Reason, Tally
from preferences.files import Written, write_splits
from preferences.formats.format import Entry, Format, Row, Unit
from preferences.judgement import Judgement
from preferences.samples import Record, num_marks, question_of
from preferences.splits import Split


@dataclass(frozen=True, slots=True)
class Part:
    """What an export wrote in one format.

    ``num_in`` counts what there was in the format's unit (votes, marks, questions or rankings),
    ``num_out`` what is in the rows; the rest is in ``dropped``.
    """

    format: Format
    files: Mapping[Split, Written]
    num_in: int
    num_out: int
    dropped: Mapping[Reason, int]

    @property
    def num_rows(self) -> int:
        """How many rows all files have."""
        return sum(file.num_rows for file in self.files.values())


@dataclass(frozen=True, slots=True)
class Preview:
    """What an export would be: counts as in `Part`, the first rows, and ids of what was dropped."""

    num_in: int
    num_out: int
    num_rows: int
    dropped: Mapping[Reason, int]
    rows: tuple[Row, ...]
    examples: Mapping[Reason, tuple[str, ...]]


def export_format(
    records: Iterable[Record],
    file_format: Format,
    folder: Path,
    suffix: str,
    options: Options,
    on_drop: OnDrop | None = None,
) -> Part:
    """Write train, validation and test files to `folder`, in constant memory.

    Records about one question have to come one after another, under pseudonyms (see
    `pseudonyms.pseudonymise`): ids are written as they come. `on_drop` hears of each drop.

    Raises:
        InvalidRequest: the format has no files of that suffix, or they can't be written.
    """
    if suffix not in file_format.suffixes:
        raise InvalidRequest(
            f"{file_format.name} has no files that end in {suffix!r}; choose "
            f"{' or '.join(file_format.suffixes)}.",
            param="suffix",
        )
    source = CountedRecords(records, file_format.unit)
    tally = Tally()
    num_out = 0

    def counted() -> Iterator[Entry]:
        nonlocal num_out
        for entry in file_format.entries(source, options, _both(tally, on_drop)):
            num_out += entry.num
            yield entry

    files = write_splits(counted(), folder, suffix, file_format.columns)
    return Part(file_format, files, source.num, num_out, dict(tally.by_reason))


def preview_format(
    records: Iterable[Record], file_format: Format, options: Options, *, most_shown: int = 5
) -> Preview:
    """Say what an export would write and leave out, without writing it.

    Raises:
        InvalidRequest: the format can only be read.
    """
    source = CountedRecords(records, file_format.unit)
    tally = Tally()
    shown: dict[Reason, list[str]] = {}

    def note(dropped: Dropped) -> None:
        ids = shown.setdefault(dropped.reason, [])
        if len(ids) < most_shown:
            ids.append(dropped.id)

    rows: list[Row] = []
    num_rows = num_out = 0
    for entry in file_format.entries(source, options, _both(tally, note)):
        num_rows += 1
        num_out += entry.num
        if len(rows) < most_shown:
            rows.append(entry.row)
    examples = {reason: tuple(ids) for reason, ids in shown.items()}
    return Preview(source.num, num_out, num_rows, dict(tally.by_reason), tuple(rows), examples)


def _both(tally: Tally, on_drop: OnDrop | None) -> OnDrop:
    def drop(dropped: Dropped) -> None:
        tally(dropped)
        if on_drop:
            on_drop(dropped)

    return drop


class CountedRecords:
    """Records on their way, counted in a format's unit: ``num`` is the sum so far."""

    def __init__(self, records: Iterable[Record], unit: Unit):
        self._records = records
        self._unit = unit
        self._question: str | None = None
        self.num = 0

    def __iter__(self) -> Iterator[Record]:
        for record in self._records:
            self.num += self._count(record)
            yield record

    def _count(self, record: Record) -> int:
        if self._unit == "marks":
            return num_marks(record)
        if self._unit == "questions":
            is_new = question_of(record) != self._question
            self._question = question_of(record)
            return int(is_new)
        if not isinstance(record, Judgement):
            return 0
        num_ranked = len(record.levels())
        return 1 if self._unit == "rankings" else num_ranked * (num_ranked - 1) // 2
