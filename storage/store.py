"""The store: everything the application remembers, behind one class."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import func, select, text

from chat.errors import StorageError
from storage.connection import parse_url
from storage.models import Base
from storage.parts.chats import Chats
from storage.parts.journal import Journal
from storage.parts.operations import Operations
from storage.parts.opinions import Opinions
from storage.parts.people import People
from storage.parts.reviews import Reviews
from storage.postgresql import PostgresDatabase
from storage.schema import prepare_schema
from storage.sqlite import SqliteDatabase

_COUNTED = (
    "users",
    "conversations",
    "messages",
    "verdicts",
    "comparisons",
    "rankings",
    "ratings",
    "reviews",
    "rules",
    "models",
    "jobs",
)


class Store(People, Chats, Opinions, Reviews, Operations, Journal):
    """Conversations, what moderators found in them and what people think of both.

    Contract of every method:

    - It blocks: from asynchronous code call it by ``asyncio.to_thread``. Any thread may.
    - A write is one transaction: when it returns, all of it is on disk; when it raises, nothing.
    - It gives back frozen values, which stay what they are whatever happens to the store.
    - What belongs to another owner doesn't exist: NotFound, in the same words as for nothing.
    - StorageError when the database is read-only, locked, full, damaged, gone or closed.
    """

    @classmethod
    def open(cls, url: str, *, busy_timeout_s: float = 5.0, is_exclusive: bool = False) -> Self:
        """Open the database at `url`; a new one is created, an older one upgraded.

        Args:
            url: where it is.
            busy_timeout_s: how long a call waits for a lock that another program holds.
            is_exclusive: for servers, of which a SQLite file takes one: refuse it if another has
                it, and hold it until `close` or the end of the process. Commands beside a server
                go without. PostgreSQL takes any number of servers.

        Raises:
            SettingsError: the URL isn't one that can be used, or the driver is missing.
            SetupError: the database is of a newer version, of another program, or another server
                holds it.
            StorageError: it cannot be opened.
        """
        parsed = parse_url(url)
        database: SqliteDatabase | PostgresDatabase
        if parsed.get_backend_name() == "sqlite":
            database = SqliteDatabase(parsed, busy_timeout_s, is_exclusive=is_exclusive)
        else:
            database = PostgresDatabase(parsed, busy_timeout_s)
        try:
            prepare_schema(database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Finish the write under way and let go; closing twice is fine."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def stats(self) -> Mapping[str, int]:
        """Return how many rows there are of each kind."""
        with self._database.read() as session:
            return {
                name: session.scalar(select(func.count()).select_from(Base.metadata.tables[name]))
                or 0
                for name in _COUNTED
            }

    def check(self) -> Mapping[str, object]:
        """Read and write a little, leaving no trace, and report: ``ok`` and, if not, ``reason``.

        The one method that doesn't raise StorageError: that is what it is there to tell.
        """
        try:
            with self._database.read() as session:
                session.execute(text("SELECT version_num FROM alembic_version"))
            with self._database.write() as session:
                session.execute(text("UPDATE alembic_version SET version_num = version_num"))
                session.rollback()
        except StorageError as error:
            return {"ok": False, "database": self._database.version, "reason": str(error)}
        return {"ok": True, "database": self._database.version}

    def backup(self, path: Path) -> None:
        """Write a consistent copy of a SQLite database to the new file `path`.

        Raises:
            InvalidRequest: the file is there already.
            SettingsError: the database isn't SQLite.
            StorageError: it couldn't be written.
        """
        self._database.backup(path)
