"""The store as commands open it: beside a server that runs, and without making one."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from chat.errors import NotFound, SetupError, StorageError

if TYPE_CHECKING:
    from storage.store import Store


class Outdated(SetupError):
    """A database has to be upgraded first, which who only reads can't do."""


def open_for_reading(url: str) -> "Store":
    """Open the database at `url` to read from it; a SQLite file is neither made nor written.

    Raises:
        NotFound: there is no such file yet.
        Outdated: it has to be upgraded first.
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


def _for_reading(path: Path) -> str:
    if not path.exists():
        raise NotFound(
            f"There is no database at {path} yet; start the chat once, or name another one with "
            "--database-url or PALAVER_DATABASE_URL."
        )
    # Only one process should ever write to a SQLite file.
    return f"sqlite:///file:{quote(str(path.absolute()), safe='/: ')}?mode=ro&uri=true"


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
