"""A backup as one file: a tar with the database, the key of the cookies and their checksums."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from chat.errors import InvalidRequest

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "palaver.db"
KEY = "cookie.key"
_MAX_MANIFEST_BYTES = 100_000


def write_bundle(target: BinaryIO, folder: Path) -> None:
    """Write the files of `folder` into a tar; what is in it comes first, with checksums."""
    paths = [folder / name for name in (DATABASE, KEY) if (folder / name).exists()]
    manifest = {
        "format": FORMAT,
        "program": "palaver",
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": {
            path.name: {"sha256": _digest(path), "bytes": path.stat().st_size} for path in paths
        },
    }
    content = json.dumps(manifest, indent=2).encode()
    with tarfile.open(fileobj=target, mode="w") as tar:
        entry = tarfile.TarInfo(MANIFEST)
        entry.size, entry.mode = len(content), 0o600
        tar.addfile(entry, io.BytesIO(content))
        for path in paths:
            with path.open("rb") as file:
                entry = tarfile.TarInfo(path.name)
                entry.size, entry.mode = path.stat().st_size, 0o600
                tar.addfile(entry, file)


def read_bundle(path: Path, folder: Path) -> None:
    """Unpack the backup at `path` into `folder`, with every checksum compared.

    Raises:
        InvalidRequest: it is damaged, cut off, of a newer format, or no backup at all.
    """
    try:
        with tarfile.open(path, mode="r:") as tar:
            manifest = _read_manifest(tar, path)
            for name, record in manifest["files"].items():
                _unpack(tar, name, record, folder)
    except (tarfile.TarError, EOFError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InvalidRequest(
            f"{path} is no backup of Palaver, or it is damaged; nothing was changed. Take another "
            "backup, or copy this one again."
        ) from error


def _read_manifest(tar: tarfile.TarFile, path: Path) -> dict[str, Any]:
    manifest = json.loads(_open(tar, MANIFEST).read(_MAX_MANIFEST_BYTES))
    if manifest["format"] != FORMAT:
        raise InvalidRequest(
            f"{path} has the format {manifest['format']!r}; this version reads {FORMAT}. Restore "
            "it with the version that wrote it."
        )
    if not {DATABASE} <= set(manifest["files"]) <= {DATABASE, KEY}:
        raise ValueError("other files than those of a backup")
    return dict(manifest)


def _open(tar: tarfile.TarFile, name: str) -> Any:
    # By name, and plain files alone: an entry that leads elsewhere is never followed.
    member = tar.getmember(name)
    if not member.isreg():
        raise ValueError(f"{name} is no plain file")
    return tar.extractfile(member)


def _unpack(tar: tarfile.TarFile, name: str, record: Mapping[str, Any], folder: Path) -> None:
    digest = hashlib.sha256()
    with (folder / name).open("xb") as target, _open(tar, name) as source:
        while chunk := source.read(1 << 20):
            digest.update(chunk)
            target.write(chunk)
    if digest.hexdigest() != record["sha256"]:
        raise ValueError(f"{name} has another checksum")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
