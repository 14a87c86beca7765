"""The wordings of patterns.toml, compiled: they label requests whose pack says too little."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

Categories: TypeAlias = tuple[str, ...]
Wording: TypeAlias = tuple[Categories, re.Pattern[str]]


@dataclass(frozen=True, slots=True)
class Patterns:
    """Of `hazards` each has a name; of `deeds` and `plain` requests the first that matches counts.

    ``helping`` and ``not_meant`` say that no harm is asked for, ``asking`` that anything is.
    """

    hazards: Mapping[str, Wording]
    deeds: tuple[Wording, ...]
    plain: tuple[Wording, ...]
    helping: re.Pattern[str]
    asking: re.Pattern[str]
    not_meant: re.Pattern[str]
    crooked: re.Pattern[str]


@cache
def load_patterns() -> Patterns:
    """Return the patterns, read once."""
    table = tomllib.loads(Path(__file__).with_name("patterns.toml").read_text("utf-8"))
    whom = _join(table["whom"])
    return Patterns(
        {name: _wording(given, whom) for name, given in table["hazards"].items()},
        tuple(_wording(given, whom) for given in table["deeds"]),
        tuple(_wording(given, whom) for given in table["plain"]),
        *(_compile(table[name], whom) for name in ("helping", "asking", "not_meant", "crooked")),
    )


def _wording(given: Mapping[str, Any], whom: str) -> Wording:
    return tuple(given["categories"]), _compile(given, whom)


def _compile(given: Mapping[str, Any], whom: str) -> re.Pattern[str]:
    return re.compile(_join(given).replace("{whom}", whom), re.IGNORECASE | re.DOTALL)


def _join(given: Mapping[str, Any]) -> str:
    start = r"\b" if given.get("starts") else ""
    end = r"\b" if given.get("ends") else ""
    # A long expression is a list of parts, a short one a string: both join to one.
    either = "|".join("".join(parts) for parts in given["words"])
    return f"{start}(?:{either}){end}"
