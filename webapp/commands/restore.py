"""Put a backup back: the chats, and the key that leads people to theirs.

Stop the server first: while anything has the database open, nothing is restored. Everything in the
file is checked before anything changes. A database with anything in it (chats, personas, rules, API
keys) is replaced only with --force, and is then kept beside the new one, as is an old key. A plain
SQLite file of Palaver's can be restored too; the key then stays as it is. Where PALAVER_SYNC keeps
a copy, the next start brings what was restored there, and what is newer than the backup back from
there.
"""

import tarfile
import tempfile
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from chat.errors import NotFound, SettingsError
from webapp.commands.flags import add_settings
from webapp.commands.paper import naming, new_file, tell

if TYPE_CHECKING:
    from webapp.settings import Settings

EXAMPLES: tuple[str, ...] = (
    "restore data/backups/palaver-20261120T120000Z.tar",
    "restore monday.tar --force --database-url sqlite:///data/palaver.db",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the file."""
    parser.add_argument("file", metavar="FILE", type=Path, help="what `backup` wrote")
    parser.add_argument(
        "--force", action="store_true", help="replace a database that has anything in it"
    )
    add_settings(parser, "database_url", "data_dir")


def run(arguments: Namespace, settings: "Settings") -> int:
    """Check the backup and put its parts in their places."""
    from webapp.commands.database import find_file

    path = find_file(settings.database_url)
    if path is None:
        raise SettingsError(
            "Only a SQLite file can be restored by this command; for PostgreSQL use pg_restore."
        )
    if not arguments.file.is_file():
        raise NotFound(f"There is no backup at {arguments.file}; name a file that backup wrote.")
    with naming(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".palaver-restore-") as folder:
            _restore(arguments.file, Path(folder), settings, is_forced=arguments.force)
    if settings.cookie_key:
        tell("PALAVER_COOKIE_KEY signs the cookies here, whatever key the backup holds.")
    tell("A copy that PALAVER_SYNC keeps gets to know what was restored at the next start.")
    print(f"The chats are back in {path}. Start the server to use them.")
    return 0


def _restore(source: Path, folder: Path, settings: "Settings", *, is_forced: bool) -> None:
    from storage.backup import restore_backup
    from webapp.commands.bundle import DATABASE, KEY, read_bundle

    with naming(source):
        is_bundle = tarfile.is_tarfile(source)
        if is_bundle:
            read_bundle(source, folder)
    database = folder / DATABASE if is_bundle else source
    new_key = folder / KEY
    if not new_key.exists():
        _tell_kept(restore_backup(settings.database_url, database, is_forced=is_forced))
        tell("The backup holds no key of the cookies: the one that is here stays.")
        return
    key = settings.data_dir / KEY
    with naming(key):
        key.parent.mkdir(parents=True, exist_ok=True)
    # The key lies ready before the database is replaced, and takes its name right after.
    with new_file(key, is_forced=True) as file:
        file.write(new_key.read_bytes())
        _tell_kept(restore_backup(settings.database_url, database, is_forced=is_forced))
        _keep_old(key, new_key)


def _tell_kept(old: Path | None) -> None:
    if old:
        tell(f"The database that was here is kept as {old}.")


def _keep_old(key: Path, new_key: Path) -> None:
    if not key.exists() or key.read_bytes() == new_key.read_bytes():
        return
    old = key.with_name(f"{key.name}.{datetime.now(UTC):%Y%m%dT%H%M%SZ}.old")
    with naming(old), new_file(old) as file:
        file.write(key.read_bytes())
    tell(f"The key that was here is kept as {old.name}.")
