"""Files of changed rows: how they are named, written and read."""

import json
import logging
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from chat.errors import PalaverError

log = logging.getLogger(__name__)

Record = Mapping[str, Any]

FOLDER = "changes/"
# Small enough that the Hub keeps each as plain git content, which a squash really removes.
MAX_FILE_BYTES = 4_000_000
FAR_AHEAD = timedelta(days=366)
_TIME = "%Y%m%dT%H%M%S.%fZ"
_NAME = re.compile(r"changes/(\d{8}T\d{6}\.\d{6}Z)-[0-9a-f]{8}-\d{6}\.jsonl")


class DamagedFile(PalaverError):
    """A file of changes isn't what was once written."""


class Names:
    """Gives files names that nobody else gives, in the order of time.

    Two processes may write at once (a Space that restarts): each has an id of its own.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)):
        self._clock = clock
        self._process = uuid.uuid4().hex[:8]
        self._number = 0
        self._last = datetime.min.replace(tzinfo=UTC)

    def follow(self, names: Iterable[str]) -> None:
        """Let what is written from now on come after the files called `names`, whatever the clock.

        A clock that was ahead when they were written must not put our changes before them. A name
        of another year than ours can't be right: to follow it would last for ever.
        """
        times = [time_of(name) for name in names if is_change_file(name)]
        sane = [time for time in times if time - self._clock() < FAR_AHEAD]
        if len(sane) < len(times):
            log.warning("%d files of chats are from the far future", len(times) - len(sane))
        self._last = max([self._last, *sane])

    def next(self) -> str:
        """Return a name that sorts after all of this process's earlier ones."""
        # A clock that is set back must not put new changes before old ones.
        self._last = max(self._clock(), self._last + timedelta(microseconds=1))
        self._number += 1
        return f"{FOLDER}{self._last:{_TIME}}-{self._process}-{self._number:06}.jsonl"


def is_change_file(name: str) -> bool:
    """Say whether `name` is that of a file of changes."""
    try:
        return bool(time_of(name))
    except ValueError:
        return False


def time_of(name: str) -> datetime:
    """Return when the file called `name` was written; raises ValueError for other files."""
    match = _NAME.fullmatch(name)
    if not match:
        raise ValueError(name)
    return datetime.strptime(match[1], _TIME).replace(tzinfo=UTC)


def encode(records: Iterable[Record], *, max_bytes: int = MAX_FILE_BYTES) -> Iterator[bytes]:
    """Write records as the contents of one or more files, each with its count at the end."""
    lines: list[bytes] = []
    num_bytes = 0
    for record in records:
        line = json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        if lines and num_bytes + len(line) > max_bytes:
            yield _seal(lines)
            lines, num_bytes = [], 0
        lines.append(line)
        num_bytes += len(line)
    if lines:
        yield _seal(lines)


def _seal(lines: list[bytes]) -> bytes:
    return b"".join([*lines, json.dumps({"records": len(lines)}).encode() + b"\n"])


def decode(name: str, content: bytes) -> list[Record]:
    """Read the records of a file.

    Raises:
        DamagedFile: it was cut off, altered, or is no such file.
    """
    try:
        rows = [json.loads(line) for line in content.decode().splitlines()]
        end = rows.pop() if rows else None
        if end != {"records": len(rows)} or not all(_is_record(row) for row in rows):
            raise ValueError
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"The file {name} is damaged: it isn't what was written.") from error
    return rows


def has_deletions(records: Iterable[Record]) -> bool:
    """Say whether the records tell of anything that is gone."""
    return any(record.get("deleted") for record in records)


def _is_record(row: object) -> bool:
    if not isinstance(row, dict) or not isinstance(row.get("table"), str):
        return False
    return isinstance(row.get("key" if row.get("deleted") else "row"), dict)
