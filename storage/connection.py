"""A database behind a URL: readers, writers and nothing of what is in it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session

from chat.errors import SettingsError
from storage.failures import translate_errors

_ALLOWED = (
    "allowed are sqlite:///folder/file.db (four slashes before an absolute path) and "
    "postgresql://user:password@host/name."
)


class Database(Protocol):
    """What the store needs of a database; every method may be called from any thread.

    All of them raise StorageError when the database cannot serve.
    """

    # What to call it in a sentence, and which program it is.
    name: str
    version: str
    is_sqlite: bool

    def read(self) -> AbstractContextManager[Session]:
        """A transaction that sees one state of the database and changes nothing."""

    def write(self) -> AbstractContextManager[Session]:
        """A transaction that is committed as a whole at the end, or not at all."""

    def alter(self) -> AbstractContextManager[Connection]:
        """A transaction for the schema; nobody else alters it meanwhile."""

    def erase_traces(self) -> None:
        """Remove what deleted rows left behind in files, as far as the database can."""

    def backup(self, path: Path) -> None:
        """Write a consistent copy to `path` while others go on reading and writing."""

    def close(self) -> None:
        """Let go of all connections; what is called later raises StorageError."""


def parse_url(text: str) -> URL:
    """Return the URL of a database that Palaver can use, with the driver it uses.

    Raises:
        SettingsError: it isn't such a URL. (The message leaves out what may be a password.)
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise SettingsError(f"The database URL cannot be understood; {_ALLOWED}") from None
    if url.drivername in ("sqlite", "sqlite+pysqlite"):
        return url.set(drivername="sqlite+pysqlite")
    if url.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    raise SettingsError(f"The database URL starts with {url.drivername!r}; {_ALLOWED}")


@contextmanager
def open_session(engine: Engine, name: str) -> Iterator[Session]:
    """One transaction on `engine`: committed at the end, rolled back by any exception."""
    with (
        translate_errors(name),
        Session(engine, expire_on_commit=False) as session,
        session.begin(),
    ):
        yield session


@contextmanager
def open_connection(engine: Engine, name: str) -> Iterator[Connection]:
    """The same without the object-relational part, for the schema."""
    with translate_errors(name), engine.begin() as connection:
        yield connection
