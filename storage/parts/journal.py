"""The store's part about following it from elsewhere."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from chat.errors import SettingsError
from storage import changes, schema, users
from storage.parts.part import Part
from storage.records import Changes, Record


class Journal(Part):
    """What changed since, for a copy elsewhere; and the way back from such a copy.

    All but `is_empty` and `schema_revision` raise SettingsError where the database isn't SQLite.
    """

    def is_empty(self) -> bool:
        """Return whether there has been no user yet."""
        with self._database.read() as session:
            return users.is_empty(session)

    def schema_revision(self) -> str:
        """Return which revision of the tables the records of this store fit."""
        with self._database.read() as session:
            return schema.read_revision(session.connection()) or ""

    def track_changes(self) -> None:
        """Note from now on, until the store is closed, which rows this store writes.

        What other programs write to the same file isn't noted. Notes stay in the database until
        they are forgotten. Calling this twice is fine.
        """
        self._require_sqlite()
        with self._database.write() as session:
            changes.track_changes(session)

    def read_changes(self, limit: int = 1000) -> Changes:
        """Return the rows that the oldest `limit` notes are about, as they are now.

        Applied one after another, such changes make the same rows elsewhere. A few rows more
        than `limit` may come, so that foreign keys hold in between too.
        """
        self._require_sqlite()
        with self._database.read() as session:
            return changes.read_changes(session, limit)

    def forget_changes(self, last: int) -> None:
        """Forget the notes up to `last`: they have arrived elsewhere."""
        self._require_sqlite()
        with self._database.write() as session:
            changes.forget_changes(session, last)

    def apply_changes(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Write changes from elsewhere, all of them or none, in whatever order they come.

        Doing so again changes nothing. Whoever is deleted takes along all of theirs; of a count
        that is there already, the larger stays. Nothing of this is noted as a change.

        Raises:
            SetupError: a record doesn't fit the tables of this version; it says which.
            StorageError: a row would belong to one that isn't there.
        """
        self._require_sqlite()
        with self._database.write() as session:
            changes.apply_changes(session, records)

    def snapshot(self) -> Iterator[Record]:
        """Yield every row as a record, as of one moment, each after those it refers to.

        It reads as it goes: somebody who stops in the middle should close it.
        """
        self._require_sqlite()
        return self._snapshot()

    def _snapshot(self) -> Iterator[Record]:
        with self._database.read() as session:
            yield from changes.list_rows(session)

    def _require_sqlite(self) -> None:
        if not self._database.is_sqlite:
            raise SettingsError(
                f"Changes of {self._database.name} cannot be followed: it is PostgreSQL, allowed "
                "is SQLite; switch syncing off, the server keeps its own copies."
            )
