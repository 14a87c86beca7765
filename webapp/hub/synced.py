"""What syncing needs of the store, whose package this one doesn't import."""

from collections.abc import Iterable, Iterator, Sequence
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

    def track_changes(self) -> None:
        """Note every changed row from now on."""

    def read_changes(self, limit: int) -> Changes:
        """Return the oldest changes that aren't forgotten."""

    def forget_changes(self, last: int) -> None:
        """Forget the changes up to `last`."""

    def apply_changes(self, records: Iterable[Record]) -> None:
        """Make rows what the records say, all of them or none, noting no change."""

    def snapshot(self) -> Iterator[dict[str, Any]]:
        """Yield every row as a record."""

    def schema_revision(self) -> str:
        """Return the revision of the tables."""

    def is_empty(self) -> bool:
        """Say whether nobody was ever here."""
