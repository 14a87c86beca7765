"""The schema of a database, brought to the version that this program knows."""

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, inspect

from chat.errors import SetupError
from storage import tracking
from storage.connection import Database
from storage.models import Base

logger = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"


def prepare_schema(database: Database, migrations: Path = MIGRATIONS) -> None:
    """Create the tables in an empty database; upgrade an older one, as a whole or not at all.

    Raises:
        SetupError: the database is of a newer Palaver, or of another program.
        StorageError: it cannot be read, or needs an upgrade and cannot be written.
    """
    script = ScriptDirectory(str(migrations))
    with database.read() as session:
        if read_revision(session.connection()) == script.get_current_head():
            return
    with database.alter() as connection:
        _bring_to_head(connection, script, database.name)


def write_revision(database: Database, message: str) -> None:
    """Write a new revision with what `models` has and `database` hasn't. For developers."""
    with database.alter() as connection:
        command.revision(_configure(connection, MIGRATIONS), message, autogenerate=True)


def _bring_to_head(connection: Connection, script: ScriptDirectory, name: str) -> None:
    revision = read_revision(connection)
    config = _configure(connection, Path(script.dir))
    if revision is None:
        _check_empty(connection, name)
        Base.metadata.create_all(connection)
        command.stamp(config, "head")
    elif revision != script.get_current_head():
        _check_known(script, revision, name)
        logger.info("upgrading %s from revision %s", name, revision)
        # A trigger is lost with a table that is rebuilt, and in the way of one that it names.
        was_tracked = tracking.end(connection)
        command.upgrade(config, "head")
        if was_tracked:
            tracking.begin(connection)


def _configure(connection: Connection, migrations: Path) -> Config:
    """Return alembic's configuration, made here so that it works from any folder."""
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def read_revision(connection: Connection) -> str | None:
    """Return the revision of the tables there; None where Palaver's aren't."""
    return MigrationContext.configure(connection).get_current_revision()


def _check_empty(connection: Connection, name: str) -> None:
    tables = inspect(connection).get_table_names()
    if any(table != "alembic_version" for table in tables):
        raise SetupError(
            f"{name[0].upper()}{name[1:]} belongs to another program (it has a table "
            f"{tables[0]!r}); name a new one or one of Palaver's."
        )


def _check_known(script: ScriptDirectory, revision: str, name: str) -> None:
    try:
        script.get_revision(revision)
    except CommandError:
        raise SetupError(
            f"{name[0].upper()}{name[1:]} was written by a newer Palaver (revision "
            f"{revision[:40]!r}); update the program or open a backup of this version."
        ) from None
