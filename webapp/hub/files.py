"""Which files of a folder are published: what git tracks, and nothing at all with a secret."""

import subprocess
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from chat.errors import InvalidRequest
from webapp.hub.changes import FOLDER
from webapp.hub.remote import MANIFEST

MAX_FILE_BYTES = 10_000_000
# In lower case. Not even git may track files or folders of these names.
SECRET = (
    ".env*",
    "*.env",
    "*.env.*",
    "*.key",
    "*.key.*",
    "*.pem",
    "*.p12",
    "*.pfx",
    "*.db",
    "*.db.*",
    "*.db-*",
    "*.sqlite*",
    "*.tar",
    "*.tar.*",
    "*.tgz",
    "*.jsonl",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "*credentials*",
    ".netrc",
    ".pgpass",
    "backups",
)
# Ours, in which nobody has said anything.
KNOWN = ("tests/assets/databases/v*.db",)


def list_files(folder: Path, private: Collection[Path] = ()) -> list[str]:
    """Return the names of the files to publish, in order; `private` ones may not be among them.

    Raises:
        InvalidRequest: git doesn't say which they are, app.py isn't among them, one may hold what
            is nobody else's business, or one is too large for a Space.
    """
    names = sorted(_list_tracked(folder))
    if "app.py" not in names or "README.md" not in names:
        raise InvalidRequest(
            f"There is no app.py and README.md in {folder.name or folder} that git tracks; name "
            "Palaver's folder."
        )
    _check_private(folder, names, private)
    large = [name for name in names if (folder / name).stat().st_size > MAX_FILE_BYTES]
    if large:
        raise InvalidRequest(
            f"Larger than {MAX_FILE_BYTES // 1_000_000} MB, which a Space's git refuses: "
            f"{', '.join(large)}. Take them out of git; a larger model belongs in a repository of "
            "its own."
        )
    return names


def is_secret(name: str) -> bool:
    """Say whether a file's name says that it is nobody else's business."""
    if any(fnmatchcase(name, rule) for rule in KNOWN):
        return False
    parts = PurePosixPath(name.lower()).parts
    return parts[0] == "data" or any(fnmatchcase(part, rule) for part in parts for rule in SECRET)


def _list_tracked(folder: Path) -> list[str]:
    command = ["git", "-C", str(folder), "ls-files", "-z"]
    try:
        done = subprocess.run(command, capture_output=True, check=True)
    except FileNotFoundError:
        raise InvalidRequest(
            "Only what git tracks is published, and git isn't installed here; install it."
        ) from None
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.decode(errors="replace").strip().splitlines() or ["no reason"])[0]
        raise InvalidRequest(
            f"Only what git tracks is published, and in {folder.name or folder} git says: {reason}"
        ) from None
    names = [name for name in done.stdout.decode(errors="surrogateescape").split("\0") if name]
    if not names:
        raise InvalidRequest(
            f"Only what git tracks is published, and in {folder.name or folder} it tracks nothing; "
            "add Palaver's files with git add."
        )
    # A file that was deleted and not yet committed is tracked, and not there.
    return [name for name in names if (folder / name).is_file()]


def _check_private(folder: Path, names: Sequence[str], private: Collection[Path]) -> None:
    secret = [name for name in names if is_secret(name)]
    copies = {parent for name in names for parent in PurePosixPath(name).parents}
    copies = {parent for parent in copies if _is_copy(folder / parent)}
    secret += [name for name in names if copies & set(PurePosixPath(name).parents)]
    hidden = {path.resolve() for path in private}
    secret += [name for name in names if (folder / name).resolve() in hidden]
    if secret:
        raise InvalidRequest(
            "Git tracks files that may hold chats, keys or passwords, so nothing is published: "
            f"{', '.join(dict.fromkeys(secret))}. Take them out of git (git rm --cached NAME), or "
            "rename them if there is nothing secret in them."
        )
    real = {folder.resolve() / name for name in names}
    links = [name for name in names if (folder / name).resolve() not in real]
    if links:
        raise InvalidRequest(
            f"Links to what git doesn't track aren't published: {', '.join(links)}. Put the files "
            "themselves there, or take the links out of git."
        )


def _is_copy(folder: Path) -> bool:
    """Say whether a folder is one that PALAVER_SYNC writes to."""
    return (folder / MANIFEST).exists() or (folder / FOLDER).is_dir()
