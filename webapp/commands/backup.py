"""Write chats and the cookies' key into one file, while the server runs or not.

The file is a tar: the database and the key belong together, because without the key nobody gets
back to their chats, and one file can't be parted on its way to another machine. `restore FILE` puts
both back. The database in it is a consistent copy; it holds what people wrote, so keep the file as
safe as the chats themselves. Settings, model and policy files aren't in it. PostgreSQL has pg_dump.
"""

import shutil
import tempfile
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from chat.errors import SettingsError
from webapp.commands.flags import add_settings
from webapp.commands.paper import check_free, naming, new_file, tell

if TYPE_CHECKING:
    from webapp.settings import Settings

EXAMPLES: tuple[str, ...] = ("backup", "backup /mnt/backups/monday.tar")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the file."""
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        type=Path,
        help="file to write (default: backups/palaver-TIME.tar in the data folder, in UTC)",
    )
    parser.add_argument("--force", action="store_true", help="replace FILE if it is there")
    add_settings(parser, "database_url", "data_dir")


def run(arguments: Namespace, settings: "Settings") -> int:
    """Write the backup; print its name."""
    from storage.backup import check_copy
    from webapp.commands.bundle import DATABASE, KEY, write_bundle
    from webapp.commands.database import copy_database, find_file

    database = find_file(settings.database_url)
    if database is None:
        raise SettingsError(
            "Only a SQLite file can be backed up by this command; for PostgreSQL use pg_dump, and "
            f"keep {settings.data_dir / KEY} with what it writes."
        )
    target = arguments.file or _default_file(settings.data_dir)
    check_free(target, is_forced=arguments.force)
    key = settings.data_dir / KEY
    with (
        naming(target),
        # Beside the target: a copy of all chats doesn't belong in a folder for everyone.
        tempfile.TemporaryDirectory(dir=target.parent, prefix=".palaver-backup-") as folder,
    ):
        copy_database(database, Path(folder) / DATABASE)
        check_copy(Path(folder) / DATABASE, database.name)
        if key.exists():
            with naming(key):
                shutil.copyfile(key, Path(folder) / KEY)
        with new_file(target, is_forced=arguments.force) as file:
            write_bundle(file, Path(folder))
    if settings.cookie_key:
        tell("PALAVER_COOKIE_KEY isn't in the backup; keep it with it.")
    elif not key.exists():
        tell(f"Warning: there is no {key}, so nobody will get back to the chats in this backup.")
    print(target)
    return 0


def _default_file(data_dir: Path) -> Path:
    folder = data_dir / "backups"
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / f"palaver-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar"
