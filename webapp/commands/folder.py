"""A folder of files that appears whole or not at all."""

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from chat.errors import InvalidRequest
from webapp.commands.paper import naming


@contextmanager
def new_folder(path: Path, own: Collection[str], *, is_forced: bool = False) -> Iterator[Path]:
    """Make a folder beside `path` that takes its place when the block ends well.

    Only its owner may look into it. An earlier one goes if `is_forced`, but only where it holds
    nothing but files with names of `own`.

    Raises:
        InvalidRequest: `path` is there and may not go, or the folder can't be made.
    """
    path = path.absolute()
    check_replaceable(path, own, is_forced=is_forced)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with naming(path):
        part.mkdir(mode=0o700)
    try:
        yield part
        with naming(path):
            _put(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def check_replaceable(path: Path, own: Collection[str], *, is_forced: bool) -> None:
    """Refuse a place where something is that nobody may want to lose.

    Raises:
        InvalidRequest: it is a file, there without `is_forced`, or has files that aren't of `own`.
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise InvalidRequest(f"{path} is a file; name a folder that isn't there yet.")
    if not is_forced:
        raise InvalidRequest(f"{path} exists already; name another folder, or add --force.")
    with naming(path):
        strangers = sorted({each.name for each in path.iterdir()} - set(own))
    if strangers:
        raise InvalidRequest(
            f"{path} holds {strangers[0]}, which no export has written; name another folder, or "
            "take it away."
        )


def _put(part: Path, path: Path) -> None:
    """Give `part` its name; what had it before is gone only afterwards."""
    if not path.exists():
        part.rename(path)
        return
    old = path.with_name(f".{path.name}.{os.getpid()}.old.part")
    path.rename(old)
    try:
        part.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)
