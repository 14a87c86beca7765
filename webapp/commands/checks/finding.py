"""What a check found."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report; `advice` says what to do, where something is to be done."""

    check: str
    level: Level
    message: str
    advice: str = ""


def ok(check: str, message: str) -> Finding:
    """Return that all is well with `check`."""
    return Finding(check, "ok", message)


def warning(check: str, message: str, advice: str) -> Finding:
    """Return something to know about `check`."""
    return Finding(check, "warning", message, advice)


def problem(check: str, message: str, advice: str = "") -> Finding:
    """Return what keeps Palaver from working."""
    return Finding(check, "problem", message, advice)
