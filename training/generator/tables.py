"""The hand-written tables beside this file: one record a line, fields parted by `|`."""

from functools import cache
from importlib import resources


@cache
def read_lines(name: str) -> tuple[str, ...]:
    """Return the lines of tables/<name>.txt without blank lines and `#` comments."""
    text = (resources.files("training.generator") / "tables" / f"{name}.txt").read_text("utf-8")
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


@cache
def read_records(name: str) -> tuple[tuple[str, ...], ...]:
    """Return the records of tables/<name>.txt, each a tuple of stripped fields."""
    return tuple(tuple(part.strip() for part in line.split("|")) for line in read_lines(name))


@cache
def read_groups(name: str) -> dict[str, tuple[str, ...]]:
    """Return `key: a, b, c` lines of tables/<name>.txt as a dictionary of tuples."""
    groups: dict[str, tuple[str, ...]] = {}
    for line in read_lines(name):
        key, _, rest = line.partition(":")
        groups[key.strip()] = tuple(item.strip() for item in rest.split(",") if item.strip())
    return groups
