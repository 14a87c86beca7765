"""The store as commands open it: beside a server that runs, and without making one."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from chat.errors import NotFound, SetupError, StorageError

if TYPE_CHECKING:
    from storage.store import Store


_REFUSED = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)


class Outdated(SetupError):
    """A database has to be upgraded first, which who only reads can't do."""


def open_for_reading(url: str) -> "Store":
    """Open the database at `url` to read from it; a SQLite file is neither made nor written.

    Raises:
        NotFound: there is no such file yet.
        Outdated: it has to be upgraded first.
        StorageError: this account can't read it.
        PalaverError: see `Store.open`.
    """
    from storage.store import Store

    path = find_file(url)
    if path is None:
        return Store.open(url)
    try:
        return Store.open(_for_reading(path))
    except StorageError as error:
        if "read-only" not in str(error):
            raise
        raise Outdated(
            f"The database {path.name} is of an earlier Palaver, and this command only reads; "
            "start the server with it once, which brings it up to date."
        ) from None


def copy_database(path: Path, target: Path) -> None:
    """Write a consistent copy of the SQLite file `path`, of whatever version, to `target`.

    Raises:
        NotFound: there is no such file yet.
        StorageError: it can't be read, or the copy can't be written.
    """
    from storage.connection import parse_url
    from storage.sqlite import SqliteDatabase

    database = SqliteDatabase(parse_url(_for_reading(path)), busy_timeout_s=5.0)
    try:
        database.backup(target)
    finally:
        database.close()


def connect_for_reading(path: Path) -> sqlite3.Connection:
    """Open the SQLite file at `path`, of whatever kind, to read from it and nothing else.

    Raises:
        StorageError: this account can't read it.
    """
    return sqlite3.connect(f"{_name(path)}?{_choose_query(path)}", uri=True)


def _choose_query(path: Path) -> str:
    """Return how to open the file: SQLite reads one with a log by making files beside it, which
    not every account may, unless it is told that the file won't change."""
    for query in ("mode=ro", "mode=ro&immutable=1"):
        try:
            with closing(sqlite3.connect(f"{_name(path)}?{query}", uri=True)) as connection:
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return query
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _REFUSED:
                return query  # It can be read, and whoever reads it says what is wrong.
        if not _is_at_rest(path):
            break
    raise StorageError(
        f"This account can't read {path}, or what lies beside it; use the account that it belongs "
        "to, or give this one the right to."
    )


def _is_at_rest(path: Path) -> bool:
    """Say whether no program uses the file, so that it stays as it is."""
    return not any(path.with_name(path.name + end).exists() for end in ("-wal", "-shm"))


def _for_reading(path: Path) -> str:
    if not path.exists():
        raise NotFound(
            f"There is no database at {path} yet; start the chat once, or name another one with "
            "--database-url or PALAVER_DATABASE_URL."
        )
    # Only one process should ever write to a SQLite file.
    return f"sqlite:///{_name(path)}?{_choose_query(path)}&uri=true"


def _name(path: Path) -> str:
    return f"file:{quote(str(path.absolute()), safe='/: ')}"


def find_file(url: str) -> Path | None:
    """Return the file of a SQLite database; None if it is of another kind, or in memory.

    Raises:
        SettingsError: it isn't the URL of a database.
    """
    from storage.connection import parse_url

    parsed = parse_url(url)
    name = parsed.database or ""
    if parsed.get_backend_name() != "sqlite" or name in ("", ":memory:"):
        return None
    return Path(name.removeprefix("file:").partition("?")[0])
