"""Where the chats are kept besides: the contract, and a folder (a mounted volume)."""

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from chat.errors import SettingsError, Unavailable

MANIFEST = "palaver.json"
KEY = "cookie.key"
# What may lie in a place that isn't Palaver's yet.
HARMLESS = frozenset({".gitattributes", "README.md", "lost+found"})


class RemoteUnavailable(Unavailable):
    """The other place can't be reached or written now; the same may succeed later."""


class Remote(Protocol):
    """A place for files, on another disk than the database's. Every method blocks.

    All of them raise RemoteUnavailable when trying again later may help, and SettingsError when
    only the operator can.
    """

    kind: str
    target: str

    def open(self) -> None:
        """Make the place if there is none, and check that it is private."""

    def list(self) -> frozenset[str]:
        """Return the names of all files."""

    def read(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Return the contents of files."""

    def write(self, files: Mapping[str, bytes], *, delete: Sequence[str] = ()) -> None:
        """Put files there and take others away, in this order."""

    def squash(self) -> None:
        """Let what was deleted really be gone."""


class FolderRemote:
    """A folder on another disk. A file appears whole or not at all."""

    kind = "folder"

    def __init__(self, folder: Path):
        self.target = str(folder)
        self._folder = folder

    def open(self) -> None:
        """Make the folder, and see that it can be written."""
        probe = self._folder / f".probe.{secrets.token_hex(4)}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise SettingsError(
                f"The folder {self.target} of PALAVER_SYNC can't be written ({error.strerror}); "
                "mount it, or name another one."
            ) from error

    def list(self) -> frozenset[str]:
        """Return the names of all files, drafts aside."""
        try:
            found = [path for path in self._folder.rglob("*") if path.is_file()]
        except OSError as error:
            raise self._unavailable(error) from error
        names = (path.relative_to(self._folder).as_posix() for path in found)
        return frozenset(name for name in names if not Path(name).name.startswith("."))

    def read(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Return the contents of files."""
        try:
            return {name: (self._folder / name).read_bytes() for name in names}
        except OSError as error:
            raise self._unavailable(error) from error

    def write(self, files: Mapping[str, bytes], *, delete: Sequence[str] = ()) -> None:
        """Put files there, then delete others in the given order."""
        try:
            for name, content in files.items():
                _write_file(self._folder / name, content)
            for name in delete:
                (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise self._unavailable(error) from error

    def squash(self) -> None:
        """Do nothing: a deleted file is gone."""

    def _unavailable(self, error: OSError) -> RemoteUnavailable:
        reason = error.strerror or type(error).__name__
        return RemoteUnavailable(f"The folder {self.target} can't be used now ({reason}).")


def _write_file(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
