"""The machine: Python, processors, memory."""

import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from webapp.commands.checks.finding import Finding, ok, problem, warning

if TYPE_CHECKING:
    from webapp.settings import Settings

_OLDEST, _NEWEST = (3, 11), (3, 14)
_GIB = 2**30
# What the server with the bundled model takes, its page and its packages, with room to breathe.
_NEEDED_BYTES = _GIB


def check_python(settings: "Settings") -> Iterator[Finding]:
    """Look at the version of Python."""
    shown = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    if _OLDEST <= sys.version_info[:2] <= _NEWEST:
        yield ok("python", shown)
    else:
        yield problem(
            "python", shown, "Use Python 3.11 to 3.14: make run PYTHON=/path/to/one of these."
        )


def check_processors(settings: "Settings") -> Iterator[Finding]:
    """Look at how many processors there are for the model."""
    from inference.model_runner import count_processors

    count = count_processors()
    shown = f"{count} for this process"
    if settings.threads > count:
        yield warning(
            "processors",
            f"{shown}, but PALAVER_THREADS is {settings.threads}",
            "Set it to 0: more threads than processors make the model slower.",
        )
    else:
        yield ok("processors", shown)


def check_memory(settings: "Settings") -> Iterator[Finding]:
    """Look at how much memory is free, within the limit of a container."""
    free = read_free_memory()
    if free is None:
        yield ok("memory", "this system doesn't tell how much is free")
    elif free < _NEEDED_BYTES:
        yield warning(
            "memory",
            f"{free / _GIB:.1f} GiB free",
            "Close other programs, or lower PALAVER_MAX_RUNNING; the server may be killed.",
        )
    else:
        yield ok("memory", f"{free / _GIB:.1f} GiB free")


def read_free_memory(root: Path = Path("/")) -> int | None:
    """Return the bytes that a new program can take; None where it isn't told (Linux alone does)."""
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", _read(root / "proc/meminfo"), re.MULTILINE)
        free = int(found[1]) * 1024 if found else None
    except OSError:
        return None
    try:
        group = root / "sys/fs/cgroup"
        limit = int(_read(group / "memory.max"))  # "max" where there is none
        left = max(0, limit - int(_read(group / "memory.current")))
    except (OSError, ValueError):
        return free
    return left if free is None else min(free, left)


def _read(path: Path) -> str:
    return path.read_text(encoding="ascii")
