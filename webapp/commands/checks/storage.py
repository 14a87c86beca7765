"""What is remembered: the data folder, the cookies' key, the database."""

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from chat.errors import StorageError
from webapp.commands.checks.finding import Finding, ok, problem, warning
from webapp.commands.paper import amount

if TYPE_CHECKING:
    from webapp.settings import Settings

_GIB = 2**30
_FULL_BYTES = 100 * 2**20
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "fuse.hf-mount", "afs")
# Builds without the bug that lets two processes damage a file: sqlite.org/wal.html#walresetbug
_FIXED = ((3, 44, 6), (3, 50, 7))


def check_data_dir(settings: "Settings") -> Iterator[Finding]:
    """See that the folders of the key and of the database can be written."""
    for folder in dict.fromkeys((settings.data_dir, *_database_folders(settings))):
        nearest = nearest_folder(folder)
        shown = str(folder.absolute())
        if not os.access(nearest, os.W_OK | os.X_OK):
            yield problem(
                "data folder",
                f"{nearest} cannot be written by this account",
                "Give it the right to, or set PALAVER_DATA_DIR and PALAVER_DATABASE_URL.",
            )
        elif not folder.exists():
            yield ok("data folder", f"{shown} will be made at the first start")
        else:
            yield ok("data folder", f"{shown} can be written")


def nearest_folder(path: Path) -> Path:
    """Return `path`, or the first folder above it that is there."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _database_folders(settings: "Settings") -> list[Path]:
    from webapp.commands.database import find_file

    path = find_file(settings.database_url)
    return [path.parent] if path else []


def check_disk(settings: "Settings") -> Iterator[Finding]:
    """Look at the space that is left, and at what kind of disk the database lies on."""
    for folder in _database_folders(settings) or [settings.data_dir]:
        nearest = nearest_folder(folder)
        free = shutil.disk_usage(nearest).free
        shown = f"{free / _GIB:,.1f} GiB free for {folder}"
        if free < _FULL_BYTES:
            yield problem("disk", shown, "Free some space: chats can't be stored soon.")
        elif free < _GIB:
            yield warning("disk", shown, "Free some space, or move the data to another disk.")
        else:
            yield ok("disk", shown)
        if (kind := read_filesystem(nearest)) in _NETWORK:
            yield warning(
                "disk",
                f"{folder} is on a network disk ({kind}), where SQLite's locks may fail",
                "Keep the database on a local disk, or use PostgreSQL.",
            )


def read_filesystem(folder: Path, mounts: Path = Path("/proc/mounts")) -> str:
    """Return the kind of filesystem that `folder` lies on; empty where it isn't told."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    kinds = {Path(fields[1]): fields[2] for line in lines if len(fields := line.split()) > 2}
    folder = folder.resolve()
    return next((kinds[place] for place in (folder, *folder.parents) if place in kinds), "")


def check_key(settings: "Settings") -> Iterator[Finding]:
    """See that the key of the cookies is whole, and for its owner's eyes alone."""
    if settings.cookie_key:
        yield ok("cookie key", "PALAVER_COOKIE_KEY gives it")
        return
    path = settings.data_dir / "cookie.key"
    try:
        # Joined memories have several keys, a line each.
        length = min((len(line) for line in path.read_bytes().split()), default=0)
        mode = path.stat().st_mode
    except FileNotFoundError:
        yield ok("cookie key", f"{path} will be made at the first start")
        return
    except OSError as error:
        yield problem("cookie key", f"{path}: {error.strerror}", "Let this account read it.")
        return
    if length < 64:
        yield problem(
            "cookie key",
            f"{path} is damaged: {length} characters instead of 64",
            "Restore a backup, or delete the file (then nobody gets back to earlier chats).",
        )
    elif is_open(mode):
        yield warning("cookie key", f"{path} can be read by others", f"chmod 600 {path}")
    else:
        yield ok("cookie key", f"{path} is whole, and for its owner alone")


def is_open(mode: int) -> bool:
    """Say whether others than the owner may read or write; Windows has no such bits."""
    return os.name == "posix" and bool(mode & (stat.S_IRWXG | stat.S_IRWXO))


def check_database(settings: "Settings") -> Iterator[Finding]:
    """Open the database without changing it, and check that it is whole and of this version."""
    from webapp.commands.database import Outdated, find_file, open_for_reading

    path = find_file(settings.database_url)
    if path and not path.exists():
        yield ok("database", f"{path} will be made at the first start")
        return
    if path:
        findings = list(_check_file(path))
        yield from findings
        if any(finding.level == "problem" for finding in findings):
            return
    try:
        with open_for_reading(settings.database_url) as store:
            counts, revision = store.stats(), store.schema_revision()
    except Outdated:
        yield warning(
            "database",
            "it is of an earlier Palaver",
            "Make a backup; the server upgrades it at its next start.",
        )
        return
    shown = [amount(counts[f"{noun}s"], noun) for noun in ("conversation", "message")]
    yield ok("database", f"{' with '.join(shown)}, schema {revision}")


def _check_file(path: Path) -> Iterator[Finding]:
    try:
        reason = find_damage(path)
    except StorageError as error:
        yield problem("database", str(error), "Give this account the right to, or use the owner's.")
        return
    if reason:
        yield problem(
            "database",
            f"{path} is damaged: {reason}",
            "Restore a backup: python -m webapp restore FILE",
        )
    else:
        yield ok("database", f"{path} is whole")
    if not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        yield problem(
            "database",
            f"this account can't write {path}",
            "Give it the right to, or use the owner's account.",
        )
    if is_open(path.stat().st_mode):
        yield warning("database", f"{path} can be read by others", f"chmod 600 {path}")
    yield check_sqlite(sqlite3.sqlite_version_info[:3])


def find_damage(path: Path) -> str:
    """Return what SQLite finds wrong with the file at `path`; empty if nothing is.

    Raises:
        StorageError: this account can't read it.
    """
    from webapp.commands.database import connect_for_reading

    try:
        with closing(connect_for_reading(path)) as connection:
            row = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        return str(error)
    return "" if row[0] == "ok" else str(row[0]).splitlines()[-1]


def check_sqlite(version: tuple[int, int, int]) -> Finding:
    """Say whether this SQLite can damage a file that two processes write to."""
    shown = "SQLite " + ".".join(map(str, version))
    is_fixed = version >= (3, 51, 3) or any(
        version[:2] == fixed[:2] and version >= fixed for fixed in _FIXED
    )
    if is_fixed:
        return ok("sqlite", shown)
    return ok("sqlite", f"{shown}; before 3.51.3, never let two servers share the file")
