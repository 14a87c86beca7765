"""Which files of a folder are published: what git tracks, and never a secret."""

import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from chat.errors import InvalidRequest

MAX_FILE_BYTES = 10_000_000
# Never published, not even when git tracks them.
SECRET = (".env", ".env.*", "*.key", "*.pem", "*.db", "*.db-*", "*.sqlite*", "id_rsa*", ".netrc")
# Left out where there is no git to say what belongs to the project.
UNTRACKED = (
    ".*",
    "__pycache__",
    "*.pyc",
    "data",
    "dist",
    "build",
    "node_modules",
    "venv",
    "*.egg-info",
)
KEPT = (".gitignore", ".gitattributes")


def list_files(folder: Path) -> list[str]:
    """Return the names of the files to publish, in order.

    Raises:
        InvalidRequest: there are none, app.py isn't among them, or one is too large for a Space.
    """
    names = sorted(name for name in _candidates(folder) if not is_secret(name))
    if "app.py" not in names or "README.md" not in names:
        raise InvalidRequest(
            f"There is no app.py and README.md in {folder.name or folder}; name Palaver's folder."
        )
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
    parts = Path(name).parts
    return parts[0] == "data" or any(fnmatch(part, rule) for part in parts for rule in SECRET)


def _candidates(folder: Path) -> Iterator[str]:
    command = ["git", "-C", str(folder), "ls-files", "-z"]
    try:
        done = subprocess.run(command, capture_output=True, check=True)
        names = [name for name in done.stdout.decode().split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        names = []
    if not names:
        yield from _walk(folder, folder)
    # A file that was deleted and not yet committed is tracked, and not there.
    yield from (name for name in names if (folder / name).is_file())


def _walk(root: Path, folder: Path) -> Iterator[str]:
    for path in sorted(folder.iterdir()):
        is_left_out = any(fnmatch(path.name, rule) for rule in UNTRACKED)
        if (is_left_out and path.name not in KEPT) or path.is_symlink():
            continue
        if path.is_dir():
            yield from _walk(root, path)
        else:
            yield path.relative_to(root).as_posix()
