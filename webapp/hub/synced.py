"""What syncing needs of the store, whose package this one doesn't import."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from webapp.hub.changes import Record


class Changes(Protocol):
    """Changed rows, and the number of the last of them."""

    @property
    def last(self) -> int:
        """What to forget, once the records are safe."""

    @property
    def records(self) -> Sequence[Record]:
        """The rows, in the order in which they changed."""


class SyncedStore(Protocol):
    """What syncing needs of the store."""

    def join_place(self, place: str) -> Mapping[str, bool]:
        """Note every changed row from now on; return the files of `place` that are in here.

        The value of each says whether it holds deletions. Where the copy doesn't know this
        database yet, all of its rows are noted as changed.
        """

    def leave_places(self) -> None:
        """Note no change any more, and forget what is noted."""

    def has_changes(self, *, after: int = 0) -> bool:
        """Say whether there are notes with a number above `after`."""

    def read_changes(self, limit: int, *, after: int = 0) -> Changes:
        """Return the oldest changes that aren't forgotten and have a number above `after`."""

    def forget_changes(self, last: int, *, place: str, files: Mapping[str, bool]) -> None:
        """Forget the changes up to `last`: they are in these files of `place`."""

    def apply_changes(
        self, records: Iterable[Record], *, place: str, files: Mapping[str, bool]
    ) -> None:
        """Make rows what the records of `files` say, noting no change.

        All records are read before anything is written, and `files` only after that.
        What was changed here and isn't forgotten yet stays what it is here.
        """

    def replace_files(self, place: str, files: Mapping[str, bool]) -> None:
        """Remember that these files of `place`, and no others, are in here."""

    def snapshot(self) -> Iterator[dict[str, Any]]:
        """Yield every row as a record."""

    def schema_revision(self) -> str:
        """Return the revision of the tables."""

    def is_empty(self) -> bool:
        """Say whether nobody was ever here."""
