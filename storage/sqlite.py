"""SQLite: many readers, one writer."""

import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Pool, create_engine, event, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool, QueuePool, StaticPool

from chat.errors import InvalidRequest, StorageError
from storage.columns import dump_json
from storage.connection import open_connection, open_session
from storage.failures import DAMAGES, translate_errors
from storage.lock import FileLock

logger = logging.getLogger(__name__)

# Write-ahead logging lets readers read while one writes. FULL, because a chat writes a few turns
# a second at most, and a turn that was acknowledged should outlive a power cut: with NORMAL the
# newest commits may be rolled back then (sqlite.org/pragma.html#pragma_synchronous).
# secure_delete overwrites what is deleted with zeros: who deletes a chat means it.
_WRITER_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
)
_READER_PRAGMAS = ("PRAGMA query_only = ON",)
# With foreign keys on, a migration that rebuilds a table would delete all that hangs below it.
_SCHEMA_PRAGMAS = ("PRAGMA foreign_keys = OFF", "PRAGMA synchronous = FULL")


class SqliteDatabase:
    """One SQLite file (or memory, for what nobody keeps) with one writing connection.

    One writer, because SQLite before 3.51.3 can damage a file when two connections write or
    checkpoint at once (sqlite.org/wal.html#walresetbug); readers are `query_only` and never
    checkpoint. ``BEGIN IMMEDIATE``, because a transaction that starts by reading and then writes
    fails at once when another has written in between, however long the timeout.
    """

    is_sqlite = True

    def __init__(self, url: URL, busy_timeout_s: float, *, is_exclusive: bool = False) -> None:
        """`is_exclusive` refuses a file that another process holds in the same way."""
        self._path = _path_of(url)
        self._timeout_s = busy_timeout_s
        self.version = f"SQLite {sqlite3.sqlite_version}"
        self._lock = threading.Lock()
        self._is_closed = False
        self._url = url
        self.name = f"the database {self._path.name}" if self._path else "the database in memory"
        if self._path and "mode" not in url.query:
            _create_file(self._path, self.name)
        self._hold: FileLock | None = None
        if self._path and is_exclusive:
            self._hold = FileLock.take(lock_path(self._path), self.name)
        try:
            self._open()
        except BaseException:
            self._release()
            raise
        logger.info("%s, %s", self.version, self.name)

    def _open(self) -> None:
        url = self._url
        # Who may only read can't change how the file is written either.
        is_read_only = url.query.get("mode") == "ro"
        pragmas = _READER_PRAGMAS if is_read_only else _WRITER_PRAGMAS
        begin = "BEGIN" if is_read_only else "BEGIN IMMEDIATE"
        self._writer = self._connect(StaticPool, begin, pragmas)
        with translate_errors(self.name), self._writer.connect():
            pass  # Makes the file a write-ahead-logging one before the first reader comes.
        self._reader = self._writer
        if self._path:
            self._reader = self._connect(QueuePool, "BEGIN", _READER_PRAGMAS)
        self._identity = self._identify()

    def _release(self) -> None:
        if self._hold:
            self._hold.release()

    def _connect(self, pool: type[Pool], begin: str, pragmas: tuple[str, ...]) -> Engine:
        engine = create_engine(
            self._url,
            poolclass=pool,
            connect_args={
                "check_same_thread": False,
                "timeout": self._timeout_s,
                # The driver leaves transactions alone; `begin` starts them.
                "isolation_level": None,
            },
            hide_parameters=True,
            json_serializer=dump_json,
        )

        def prepare(connection: sqlite3.Connection, _record: Any) -> None:
            # SQLite's own lower() knows ASCII alone.
            connection.create_function("lower", 1, _lower, deterministic=True)
            try:
                for pragma in pragmas:
                    connection.execute(pragma).fetchall()
            except sqlite3.Error:
                connection.close()
                raise

        event.listen(engine, "connect", prepare)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        return engine

    @contextmanager
    def read(self) -> Iterator[Session]:
        if self._reader is self._writer:  # In memory there is one connection for all.
            with self._hold_writer(), open_session(self._writer, self.name) as session:
                yield session
            return
        self._check_open()
        with open_session(self._reader, self.name) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        with self._hold_writer(), open_session(self._writer, self.name) as session:
            yield session

    @contextmanager
    def alter(self) -> Iterator[Connection]:
        if not self._path:
            with self._hold_writer(), open_connection(self._writer, self.name) as connection:
                yield connection
            return
        engine = self._connect(NullPool, "BEGIN IMMEDIATE", _SCHEMA_PRAGMAS)
        with self._hold_writer(), open_connection(engine, self.name) as connection:
            yield connection
            if connection.execute(text("PRAGMA foreign_key_check")).first():
                raise StorageError(
                    f"Rows in {self.name} would have lost what they belong to; nothing was "
                    "changed, restore a backup or report this."
                )

    def erase_traces(self) -> None:
        """Copy the log into the file and empty it, so that no deleted text is left in it.

        If somebody is still reading the log, or the disk fails, the next time will do: what was
        to be deleted is deleted already.
        """
        with self._hold_writer(), suppress(StorageError), translate_errors(self.name):
            self._run_alone(self._writer, "PRAGMA busy_timeout = 200")
            self._run_alone(self._writer, "PRAGMA wal_checkpoint(TRUNCATE)")
            self._run_alone(self._writer, f"PRAGMA busy_timeout = {self._timeout_s * 1000:.0f}")

    def backup(self, path: Path) -> None:
        """Write a compact copy; it appears under its name only when it is complete.

        Raises:
            InvalidRequest: there is a file of that name already.
            StorageError: it could not be written.
        """
        if path.exists():
            raise InvalidRequest(f"{path.name} exists already; choose another name for the backup.")
        part = path.with_name(path.name + ".part")
        name = f"the backup {path.name}"
        try:
            part.unlink(missing_ok=True)
            _create_file(part, name)
            self._vacuum_into(part, name)
            _sync(part)
            part.rename(path)
        except OSError as error:
            raise StorageError(
                f"The backup {path.name} cannot be written ({error.strerror}); check the folder."
            ) from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def _vacuum_into(self, part: Path, name: str) -> None:
        self._check_open()
        engine = self._connect(NullPool, "", ()) if self._path else self._writer
        with translate_errors(name):
            try:
                self._run_alone(engine, "VACUUM INTO ?", str(part))
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode & 0xFF not in DAMAGES:
                    raise
                with translate_errors(self.name):  # what is read is damaged, not what is written
                    raise

    def _run_alone(self, engine: Engine, statement: str, *values: str) -> None:
        """Run a statement that must stand outside of any transaction."""
        connection = engine.raw_connection()
        try:
            connection.cursor().execute(statement, values).fetchall()
        finally:
            connection.close()

    def close(self) -> None:
        """Readers go first: the last connection to leave writes the log back into the file."""
        with self._lock:
            self._is_closed = True
            self._reader.dispose()
            self._writer.dispose()
            self._release()

    @contextmanager
    def _hold_writer(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=self._timeout_s):
            raise StorageError(f"Other writes keep {self.name} busy; try again in a moment.")
        try:
            self._check_open()
            self._check_file()
            yield
        finally:
            self._lock.release()

    def _check_open(self) -> None:
        if self._is_closed:
            raise StorageError(f"The store of {self.name} is closed; open it again.")

    def _check_file(self) -> None:
        """Without this, turns would be written into a file that nobody can ever open again."""
        if self._identify() != self._identity:
            raise StorageError(
                f"The file of {self.name} was moved, deleted or replaced; put it back and restart."
            )

    def _identify(self) -> tuple[int, int] | None:
        if not self._path:
            return None
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def lock_path(path: Path) -> Path:
    """Return the lock of the SQLite file at `path`, which a server holds while it runs."""
    return path.with_name(f"{path.name}.lock")


def _path_of(url: URL) -> Path | None:
    name = (url.database or "").removeprefix("file:").partition("?")[0]
    return None if name in ("", ":memory:") else Path(name).absolute()


def _lower(value: str | None) -> str | None:
    return None if value is None else value.lower()


def _create_file(path: Path, name: str) -> None:
    """Create the file for its owner's eyes alone; SQLite's side files take after it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDONLY, 0o600))
    except OSError as error:
        raise StorageError(
            f"The file of {name} cannot be created ({error.strerror}); check that this account "
            "may write in its folder."
        ) from error


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
