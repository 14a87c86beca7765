"""The hand-written phrases (phrases/*.toml): topics of requests, families of templates, slots."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

_FOLDER = "phrases"


@dataclass(frozen=True, slots=True)
class Topic:
    """What people ask for in one field: acts that harm and look-alike acts that don't.

    Acts are verb phrases in the base form ("repair a lock"); `*_says` are whole sentences.
    `defuse` names the frames that make a harmless question of a harmful act.
    """

    name: str
    positive: tuple[str, ...]
    unknown: tuple[str, ...]
    harmful: tuple[str, ...]
    benign: tuple[str, ...]
    harmful_says: tuple[str, ...]
    benign_says: tuple[str, ...]
    defuse: str


@dataclass(frozen=True, slots=True)
class Family:
    """Templates that share their labels; families of one name stay on one side of a split.

    `weight` is how many rows each template gives, where it has so many readings. `frame` names
    a list of wrappers around the template's text; a neutral family may name a bad act and
    keeps its own labels.
    """

    kind: str
    name: str
    positive: tuple[str, ...]
    unknown: tuple[str, ...]
    templates: tuple[str, ...]
    weight: int
    frame: str
    is_neutral: bool
    tags: tuple[str, ...]


def split_lines(text: str) -> tuple[str, ...]:
    """Return the lines of a block that aren't blank, stripped."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


@cache
def read_topics() -> tuple[Topic, ...]:
    """Return the topics of all phrases/requests_*.toml files."""
    return tuple(
        Topic(
            name=record["id"],
            positive=tuple(record["positive"]),
            unknown=tuple(record.get("unknown", ())),
            harmful=split_lines(record.get("harmful", "")),
            benign=split_lines(record.get("benign", "")),
            harmful_says=split_lines(record.get("harmful_says", "")),
            benign_says=split_lines(record.get("benign_says", "")),
            defuse=record.get("defuse", "crime"),
        )
        for name in _names("requests_")
        for record in _read(name)["topic"]
    )


@cache
def read_families() -> tuple[Family, ...]:
    """Return the families of all phrases/says_*.toml files; the kind is the file's name."""
    return tuple(
        _to_family(record, name.removeprefix("says_").removesuffix(".toml"))
        for name in _names("says_")
        for record in _read(name)["family"]
    )


def name_family(family: Family, number: int) -> str:
    """Return what rows of one template, and of its counterparts, share.

    Templates of one number are written as counterparts where a name occurs with both labels.
    """
    return f"{family.kind}/{family.name}.{number}"


@cache
def read_group_families() -> tuple[Family, ...]:
    """Return the families of phrases/groups.toml: templates with `{people}`, `{adjective}`."""
    return tuple(_to_family(record, "groups") for record in _read("groups.toml")["family"])


@cache
def read_blocks(name: str) -> Mapping[str, tuple[str, ...]]:
    """Return the named lists of phrases/<name>.toml (blocks of lines, or arrays)."""
    table = _read(f"{name}.toml")
    return MappingProxyType(
        {
            key: split_lines(value) if isinstance(value, str) else tuple(value)
            for key, value in table.items()
        }
    )


def _to_family(record: Mapping[str, Any], kind: str) -> Family:
    return Family(
        kind=kind,
        name=record["id"],
        positive=tuple(record.get("positive", ())),
        unknown=tuple(record.get("unknown", ())),
        templates=split_lines(record["templates"]),
        weight=record.get("weight", 4),
        frame=record.get("frame", ""),
        is_neutral=record.get("is_neutral", False),
        tags=tuple(record.get("tags", ())),
    )


@cache
def _names(start: str) -> tuple[str, ...]:
    folder = resources.files("training.moderators") / _FOLDER
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(n for n in names if n.startswith(start) and n.endswith(".toml")))


@cache
def _read(name: str) -> Mapping[str, Any]:
    path = resources.files("training.moderators") / _FOLDER / name
    return tomllib.loads(path.read_text("utf-8"))
