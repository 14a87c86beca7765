"""A lock beside a SQLite file, held for as long as a server uses it, and gone with its process."""

import errno
import logging
import os
import sys
from pathlib import Path
from typing import Self

from chat.errors import SetupError, StorageError

logger = logging.getLogger(__name__)

_TAKEN = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)


class FileLock:
    """Holds `path` alone: nobody else does meanwhile, in this process or another.

    The system lets go when the process ends, however it does, so the file itself may stay.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path, name: str) -> Self:
        """Lock the file at `path`, which is made if it isn't there; `name` is what it protects.

        Where the disk knows no locks, as some network disks don't, that is logged and nothing
        is held.

        Raises:
            SetupError: somebody holds it.
            StorageError: it can't be made.
        """
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise StorageError(
                f"The lock of {name} cannot be made ({error.strerror}); check that this account "
                "may write in its folder."
            ) from error
        try:
            _lock(descriptor)
        except OSError as error:
            os.close(descriptor)
            if error.errno in _TAKEN:
                raise SetupError(
                    f"Another server uses {name} already, and a SQLite file takes one; stop that "
                    "one, name another file with --database-url, or use PostgreSQL, which takes "
                    "several."
                ) from None
            logger.warning("%s can't be locked here (%s)", name, error.strerror)
            return cls(None)
        return cls(descriptor)

    def release(self) -> None:
        """Let go; doing it twice is fine."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        # Of the open file, not of the process: two applications in one process exclude each other,
        # and worker processes, which get no descriptors, don't keep it.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
