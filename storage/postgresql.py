"""PostgreSQL: the same store for more than one process."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, text
from sqlalchemy.orm import Session

from chat.errors import SettingsError, StorageError
from storage.columns import dump_json
from storage.connection import open_connection, open_session

logger = logging.getLogger(__name__)

# Any number will do, as long as every process of Palaver takes the same one.
_SCHEMA_LOCK = 7_725_822


class PostgresDatabase:
    """One PostgreSQL database; its server does the locking."""

    is_sqlite = False

    def __init__(self, url: URL, busy_timeout_s: float) -> None:
        self.name = f"the database {url.database or ''}".rstrip()
        self.version = "PostgreSQL"
        self._is_closed = False
        self._engine = _create_engine(url, busy_timeout_s)
        with open_session(self._engine, self.name) as session:
            self.version += f" {session.scalar(text('SHOW server_version'))}"
        logger.info("%s, %s", self.version, self.name)

    @contextmanager
    def read(self) -> Iterator[Session]:
        with self.write() as session:
            # One snapshot for all the statements of a read.
            session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        if self._is_closed:
            raise StorageError(f"The store of {self.name} is closed; open it again.")
        with open_session(self._engine, self.name) as session:
            yield session

    @contextmanager
    def alter(self) -> Iterator[Connection]:
        with open_connection(self._engine, self.name) as connection:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})"))
            yield connection

    def erase_traces(self) -> None:
        """Nothing: autovacuum is the server's own affair."""

    def backup(self, path: Path) -> None:
        raise SettingsError(
            f"{path.name} cannot be written from here: this database is PostgreSQL, allowed for "
            "backups is SQLite; use pg_dump."
        )

    def close(self) -> None:
        self._is_closed = True
        self._engine.dispose()


def _create_engine(url: URL, busy_timeout_s: float) -> Engine:
    milliseconds = max(1, round(busy_timeout_s * 1000))
    try:
        return create_engine(
            url,
            pool_pre_ping=True,
            pool_size=10,
            connect_args={
                "connect_timeout": 10,
                "options": f"{url.query.get('options', '')} -c lock_timeout={milliseconds}",
            },
            hide_parameters=True,
            json_serializer=dump_json,
        )
    except ImportError:
        raise SettingsError(
            "The database URL asks for PostgreSQL, but its driver isn't installed; "
            'run: .venv/bin/python -m pip install "psycopg[binary]"'
        ) from None
