"""The store's part about following it from elsewhere."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from chat.errors import SettingsError
from storage import changes, copied, schema, tracking, users
from storage.parts.part import Part
from storage.records import Changes, Record
from storage.replay import Replay

_NONE: Mapping[str, bool] = MappingProxyType({})


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
        """Note from now on which rows are written, by whichever program, until `leave_places`.

        Notes stay in the database until they are forgotten. Calling this twice is fine.
        """
        self._require_sqlite()
        with self._database.write() as session:
            tracking.begin(session.connection())

    def join_place(self, place: str) -> dict[str, bool]:
        """Track changes for the copy in `place`; return which of its files are in here.

        The value of each says whether it holds deletions. A database that the copy doesn't know
        yet (a new one, one from a backup, one that followed another copy meanwhile) has all of
        its rows noted as changed.
        """
        self._require_sqlite()
        with self._database.write() as session:
            return copied.join_place(session, place)

    def leave_places(self) -> None:
        """Track changes no more, and forget what is noted for any copy; a no-op elsewhere."""
        with self._database.read() as session:
            is_followed = self._database.is_sqlite and copied.is_followed(session)
        if is_followed:
            with self._database.write() as session:
                copied.leave_places(session)

    def has_changes(self, *, after: int = 0) -> bool:
        """Return whether there is a note with a number above `after`."""
        with self._database.read() as session:
            return changes.has_changes(session, after)

    def read_changes(self, limit: int = 1000, *, after: int = 0) -> Changes:
        """Return the rows that the oldest `limit` notes above `after` are about, as they are now.

        Applied one after another, such changes make the same rows elsewhere. A few rows more
        than `limit` may come, so that foreign keys hold in between too.
        """
        self._require_sqlite()
        with self._database.read() as session:
            return changes.read_changes(session, limit, after)

    def forget_changes(
        self, last: int, *, place: str = "", files: Mapping[str, bool] = _NONE
    ) -> None:
        """Forget the notes up to `last`: they have arrived in `place`, as these files."""
        self._require_sqlite()
        with self._database.write() as session:
            changes.forget_changes(session, last)
            copied.add_files(session, place, files)

    def replace_files(self, place: str, files: Mapping[str, bool]) -> None:
        """Remember that these files of `place`, and no others, are in here."""
        self._require_sqlite()
        with self._database.write() as session:
            copied.replace_files(session, place, files)

    def apply_changes(
        self,
        records: Iterable[Mapping[str, Any]],
        *,
        place: str = "",
        files: Mapping[str, bool] = _NONE,
    ) -> None:
        """Write changes from elsewhere, in whatever order they come, and that `files` are in here.

        Of several records about one row the last counts. What was changed here and isn't copied
        yet stays as it is here, and what is deleted takes along all that belongs to it. Of a
        count the larger stays, and a revoked key stays revoked. Nothing of this is noted as a
        change, and doing it again changes nothing.

        Everything is checked before anything is written. The writing is done in steps, so that
        others can write in between; where it breaks off, doing it again does the rest.

        Raises:
            SetupError: a record doesn't fit the tables of this version; it says which.
            StorageError: a row would belong to one that isn't there.
        """
        self._require_sqlite()
        Replay(self._database, records).run(place, files)

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
