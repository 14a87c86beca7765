"""A backup put back in its place, as a whole or not at all."""

import logging
import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import URL, exists, inspect, select, text

from chat.errors import PalaverError, SettingsError, SetupError, StorageError
from storage.connection import parse_url
from storage.copied import leave_places
from storage.failures import DAMAGES, translate_errors
from storage.models import ApiKeyRow, PersonaRow, RuleRow, UserRow
from storage.schema import prepare_schema, read_revision
from storage.sqlite import SqliteDatabase

logger = logging.getLogger(__name__)

_SIDE_FILES = ("-wal", "-shm")
_TIMEOUT_S = 5.0
# What nobody could get back; an operator has made some of it before the first chat.
_MADE_BY_PEOPLE = (UserRow, PersonaRow, RuleRow, ApiKeyRow)
_DAMAGED = "The backup {} is damaged; use another one."


def restore_backup(url: str, path: Path, *, is_forced: bool = False) -> Path | None:
    """Make the database at `url` what the backup `path` is; nobody may have it open meanwhile.

    The backup is copied, checked and upgraded beside the database, and takes its place at last in
    one step: whatever happens before that, the database is what it was. A database with anything
    in it that somebody made (see `_MADE_BY_PEOPLE`) is overwritten only if `is_forced`, and is kept
    beside the new one; its new name is returned.

    Raises:
        SettingsError: the URL isn't one of a SQLite file.
        SetupError: the backup is missing, damaged, foreign or of a newer Palaver, or there is a
            database with content and nobody forced it.
        StorageError: the database is in use, or the folder cannot be written.
    """
    target = _find_target(url)
    _check_file(path, target)
    part = target.with_name(target.name + ".restored")
    try:
        _remove(part)
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy(path, part)
        kept = _make_way(target, is_forced)
        os.replace(part, target)  # noqa: PTH105 (the one step; a test kills it here)
        _sync_folder(target.parent)
    except OSError as error:
        raise StorageError(
            f"The backup {path.name} cannot be put in place ({error.strerror}); check the folder "
            "of the database."
        ) from error
    finally:
        with suppress(OSError):
            _remove(part)
    logger.info("restored %s from %s", target.name, path.name)
    return kept


def check_copy(path: Path, name: str) -> None:
    """Make sure that a copy can be restored one day; `name` is what it was copied from.

    Raises:
        SetupError: it is empty, damaged, or another program's.
        StorageError: it can't be read.
    """
    with translate_errors(f"the copy of {name}"):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        with closing(connection) as copy:
            if copy.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
                raise SetupError(f"The database {name} is empty; there is nothing to back up.")
            damaged = f"The database {name} is damaged; put a backup in its place."
            foreign = f"The database {name} is another program's; name Palaver's."
            _check_content(copy, damaged, foreign)


def _find_target(url: str) -> Path:
    parsed = parse_url(url)
    name = parsed.database or ""
    is_sqlite = parsed.get_backend_name() == "sqlite"
    if not is_sqlite or name in ("", ":memory:") or name.startswith("file:"):
        raise SettingsError(
            "A backup can be put back into a SQLite file alone, such as sqlite:///data/chat.db; "
            "for PostgreSQL use its own pg_restore."
        )
    return Path(name).absolute()


def _check_file(path: Path, target: Path) -> None:
    if not path.is_file():
        raise SetupError(f"There is no backup {path.name}; name the file of a backup.")
    if target.exists() and path.samefile(target):
        raise SetupError(f"{path.name} is the database itself; name the file of a backup.")


def _copy(path: Path, part: Path) -> None:
    """Copy the backup, and make sure that the copy is a sound database of ours, upgraded."""
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with translate_errors(f"the backup {path.name}"):
        source = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        with closing(source), closing(sqlite3.connect(part)) as copy:
            try:
                source.backup(copy)
                foreign = f"{path.name} isn't a backup of Palaver; name the file of one."
                _check_content(copy, _DAMAGED.format(path.name), foreign)
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode & 0xFF not in DAMAGES:
                    raise
                raise SetupError(_DAMAGED.format(path.name)) from None
    with closing(_open(part)) as database:
        database.name = f"the backup {path.name}"
        prepare_schema(database)
        # What a copy elsewhere had heard of by then is no longer true: it gets to know all anew.
        with database.write() as session:
            leave_places(session)
    with part.open("rb") as file:
        os.fsync(file.fileno())


def _open(path: Path) -> SqliteDatabase:
    return SqliteDatabase(URL.create("sqlite+pysqlite", database=str(path)), _TIMEOUT_S)


def _check_content(copy: sqlite3.Connection, damaged: str, foreign: str) -> None:
    (result,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    if result != "ok" or copy.execute("PRAGMA foreign_key_check").fetchone() is not None:
        raise SetupError(damaged)
    query = "SELECT count(*) FROM sqlite_master WHERE name IN ('alembic_version', 'messages')"
    if copy.execute(query).fetchone() != (2,):
        raise SetupError(foreign)


def _make_way(target: Path, is_forced: bool) -> Path | None:
    """Keep a database with content under another name as well; return that name."""
    if not target.exists():
        _remove_side_files(target)
        return None
    has_content = _settle(target, is_forced)
    if not has_content:
        return None
    if not is_forced:
        raise SetupError(
            f"The database {target.name} has content already; stop Palaver and use --force: "
            "the old one is then kept beside the new one."
        )
    return _keep(target)


def _settle(target: Path, is_forced: bool) -> bool:
    """Write the log of the database back into it, and return whether there is content."""
    try:
        with closing(_open(target)) as database:
            has_content = _has_content(database)
    except PalaverError:
        if not is_forced:
            raise
        return True  # It is damaged, which is why somebody restores; it is kept as it is.
    if target.with_name(target.name + "-wal").exists():
        raise StorageError(
            f"The database {target.name} is in use; stop Palaver and other programs, and try again."
        )
    return has_content


def _has_content(database: SqliteDatabase) -> bool:
    with database.read() as session:
        if read_revision(session.connection()) is None:
            return session.execute(text("SELECT 1 FROM sqlite_master")).first() is not None
        there = set(inspect(session.connection()).get_table_names())  # an earlier version has fewer
        made = [row for row in _MADE_BY_PEOPLE if row.__tablename__ in there]
        return any(session.scalar(select(exists().select_from(row))) for row in made)


def _keep(target: Path) -> Path:
    kept = target.with_name(target.name + ".old")
    number = 1
    while kept.exists():
        number += 1
        kept = target.with_name(f"{target.name}.old{number}")
    _duplicate(target, kept)
    for suffix in _SIDE_FILES:  # Only a damaged database still has them.
        side = target.with_name(target.name + suffix)
        if side.exists():
            _duplicate(side, kept.with_name(kept.name + suffix))
    _remove_side_files(target)
    return kept


def _duplicate(file: Path, kept: Path) -> None:
    """Give a file a second name; where the disk has no such thing, copy it."""
    try:
        kept.hardlink_to(file)
    except OSError:
        shutil.copy2(file, kept)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _remove_side_files(path)


def _remove_side_files(path: Path) -> None:
    """A log without its file would be taken for that of the next file of this name."""
    for suffix in (*_SIDE_FILES, "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
