"""The packages: there, of versions that were tested, and not over one another."""

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from webapp.commands.checks.finding import Finding, ok, problem, warning

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from webapp.settings import Settings

REQUIREMENTS = Path(__file__).parents[3] / "requirements.txt"
_INSTALL = "Install them: make run, or .venv/bin/python -m pip install -r requirements.txt."


def check_packages(settings: "Settings", requirements: Path = REQUIREMENTS) -> Iterator[Finding]:
    """Compare what is installed with requirements.txt."""
    try:
        wanted = read_requirements(requirements)
    except ImportError:
        yield problem("packages", "the package packaging is missing", _INSTALL)
        return
    complaints = [complaint for one in wanted if (complaint := _complain(one))]
    missing = [text for is_missing, text in complaints if is_missing]
    odd = [text for is_missing, text in complaints if not is_missing]
    if missing:
        yield problem("packages", f"missing: {', '.join(missing)}", _INSTALL)
    if odd:
        yield warning("packages", f"untested versions: {', '.join(odd)}", _INSTALL)
    if not complaints:
        yield ok("packages", f"all {len(wanted)} of {requirements.name}, in tested versions")


def read_requirements(path: Path) -> "list[Requirement]":
    """Return the requirements of `path` that are meant for this machine."""
    from packaging.requirements import Requirement

    lines = [
        line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").split("\n")
    ]
    every = [Requirement(line) for line in lines if line]
    return [one for one in every if one.marker is None or one.marker.evaluate()]


def _complain(wanted: "Requirement") -> tuple[bool, str] | None:
    """Return whether it is missing, and how to say what is wrong; None if nothing is."""
    version = _installed(wanted.name)
    # The processor's build is as good, where somebody chose it.
    if version is None and wanted.name == "onnxruntime-gpu":
        version = _installed("onnxruntime")
    if version is None:
        return True, wanted.name
    if not wanted.specifier.contains(version, prereleases=True):
        return False, f"{wanted.name} {version} ({wanted.specifier})"
    return None


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def check_onnxruntime(settings: "Settings") -> Iterator[Finding]:
    """See that there is exactly one onnxruntime."""
    names = ("onnxruntime", "onnxruntime-gpu")
    found = [f"{name} {version}" for name in names if (version := _installed(name))]
    if len(found) == 1:
        yield ok("onnxruntime", found[0])
    elif found:
        yield problem(
            "onnxruntime",
            f"{' and '.join(found)} are both installed, and overwrite each other's files",
            "Uninstall both, then install the requirements again.",
        )
    else:
        yield problem("onnxruntime", "not installed", _INSTALL)
