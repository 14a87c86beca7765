"""Bring rankings in from a file: those of an export, of an arena, or of HH-RLHF.

The whole file is read and checked first. If a line of it is broken, nothing is imported and the
lines are named; with --skip-broken the others are imported. What is here already stays as it is, so
an import that was interrupted goes on when it is run again, and nothing is ever there twice.
Who ranked stays a pseudonym, and nothing gets more consent than its line carries, which is none in
files of an arena or of HH-RLHF. The server waits meanwhile; stop it for large files.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from chat.errors import InvalidRequest, NotFound
from webapp.commands.flags import add_action, add_settings
from webapp.commands.paper import Progress, amount, tell

if TYPE_CHECKING:
    from preferences.formats import Format
    from storage.records import RankedComparison
    from storage.store import Store
    from webapp.settings import Settings

EXAMPLES: tuple[str, ...] = (
    "import preferences rankings.jsonl --format rankings --check",
    "import preferences rankings.jsonl --format rankings",
    "import preferences battles.parquet --format arena --skip-broken",
)
FORMATS = ("rankings", "arena", "hh")
# So many are stored at a time where others may be left out.
_BATCH = 200
_MOST_TOLD = 20


def add_arguments(parser: ArgumentParser) -> None:
    """Declare what can be imported."""
    kinds = parser.add_subparsers(dest="kind", metavar="WHAT", required=True)
    kind = add_action(kinds, "preferences", "what people preferred, by a file of rankings")
    add = kind.add_argument
    add("file", metavar="FILE", type=Path, help="a file that ends in .jsonl or .parquet")
    add("--format", choices=FORMATS, required=True, help="what its rows are like")
    add("--check", action="store_true", help="say what is broken, and import nothing")
    add("--skip-broken", action="store_true", help="leave broken lines out, import the others")
    add(
        "--purpose",
        metavar="NAME",
        default="training",
        help="what the consent in the file is to (default: %(default)s)",
    )
    add_settings(kind, "database_url")


def run(arguments: Namespace, settings: "Settings") -> int:
    """Check the file, then import what may be."""
    from preferences.formats import find_format

    path: Path = arguments.file
    if not path.is_file():
        raise NotFound(f"There is no file {path}; name one that ends in .jsonl or .parquet.")
    if not arguments.purpose:
        raise InvalidRequest("--purpose is empty; name what people agreed to, such as training.")
    file_format = find_format(arguments.format)
    num_broken = _check(path, file_format)
    if arguments.check:
        return 1 if num_broken else 0
    if num_broken and not arguments.skip_broken:
        tell("Nothing was imported; mend the file, or add --skip-broken.")
        return 2
    is_strict = not arguments.skip_broken
    _import(path, file_format, settings.database_url, arguments.purpose, is_strict=is_strict)
    return 0


def _check(path: Path, file_format: "Format") -> int:
    """Say what of the file is broken, and return how many lines are."""
    num_rows = num_broken = 0
    for _, outcome in Progress("row").watch(_read(path, file_format, datetime.now(UTC))):
        if isinstance(outcome, str):
            num_broken += 1
            if num_broken <= _MOST_TOLD:
                tell(outcome)
        else:
            num_rows += 1
    if num_broken > _MOST_TOLD:
        tell(f"... and {num_broken - _MOST_TOLD:,} more.")
    tell(f"{path.name}: {amount(num_rows, 'row')} can be imported, {num_broken:,} can't.")
    return num_broken


def _read(
    path: Path, file_format: "Format", at: datetime
) -> Iterator[tuple[int, "RankedComparison | str"]]:
    """Yield each line's number with what it says, or with a sentence on what is wrong with it."""
    from preferences.imports import Broken, read_records
    from preferences.judgement import Judgement
    from webapp.opinions import to_stored

    broken: list[Broken] = []
    for number, record in read_records(path, file_format, at, on_broken=broken.append):
        yield from ((each.number, each.reason) for each in broken)
        broken.clear()
        assert isinstance(record, Judgement)
        try:
            yield number, to_stored(record)
        except InvalidRequest as error:
            yield number, _name(path, number, error)
    yield from ((each.number, each.reason) for each in broken)


def _name(path: Path, number: int, error: InvalidRequest) -> str:
    unit = "line" if path.suffix == ".jsonl" else "row"
    return f"{path.name}, {unit} {number}: {error}"


class _Rankings:
    """The good lines of a file, one by one; ``number`` is that of the one given last."""

    def __init__(self, path: Path, file_format: "Format"):
        self._path = path
        self._format = file_format
        self.number = 0
        self.num_read = 0

    def __iter__(self) -> Iterator["RankedComparison"]:
        for number, outcome in _read(self._path, self._format, _time_of(self._path)):
            self.number = number
            if not isinstance(outcome, str):
                self.num_read += 1
                yield outcome


def _time_of(path: Path) -> datetime:
    """Return the time for lines that have none: the same each time the file is imported."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _import(path: Path, file_format: "Format", url: str, purpose: str, *, is_strict: bool) -> None:
    from storage.store import Store

    rankings = _Rankings(path, file_format)
    watched = Progress("ranking").watch(rankings)
    with Store.open(url) as store:
        try:
            if is_strict:
                num_new = store.import_rankings(watched, purpose=purpose)
            else:
                num_new = _import_some(store, watched, rankings, path, purpose)
        except InvalidRequest as error:
            if not is_strict:  # the file itself can't be read any further
                raise
            sentence = _name(path, rankings.number, error)
            raise InvalidRequest(f"{sentence} Nothing was imported.") from error
    tell(
        f"{amount(num_new, 'ranking')} imported, {rankings.num_read - num_new:,} left as they are."
    )


def _import_some(
    store: "Store",
    watched: Iterator["RankedComparison"],
    rankings: _Rankings,
    path: Path,
    purpose: str,
) -> int:
    """Store what can be, a batch at a time, and say what can't."""

    def tell_refused(error: InvalidRequest) -> None:
        tell(_name(path, rankings.number, error))

    num_new, num_before = 0, -1
    while rankings.num_read > num_before:
        num_before = rankings.num_read
        batch = islice(watched, _BATCH)
        num_new += store.import_rankings(batch, purpose=purpose, on_refused=tell_refused)
    return num_new
