"""Which moderators there are, and how one gets from a name to a moderator."""

import tomllib
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import cast

from chat.errors import ModeratorError
from moderation.base import Moderator
from moderation.reading import read_manifest

GROUP = "palaver.moderators"

# Declared here and not in package metadata, because Palaver runs from its folder uninstalled.
BUILT_IN = tuple(
    EntryPoint(name, value, GROUP)
    for name, value in (
        ("limits", "moderation.limits:LimitsModerator"),
        ("rules", "moderation.rules:RulesModerator"),
        ("pii", "moderation.pii:PiiModerator"),
    )
)


def load_moderators(
    names: Sequence[str], config: Mapping[str, Mapping[str, object]] | None = None
) -> tuple[Moderator, ...]:
    """Load the moderators named, and nothing else.

    Args:
        names: a built-in, a plugin of an installed package, or ``module:Class`` for a file.
        config: keyword arguments for each moderator's constructor, by its name in `names`.

    Raises:
        ModeratorError: a name is unknown, taken twice, or what it stands for cannot be used.
    """
    config = config or {}
    loaded: list[Moderator] = []
    titles: dict[str, str] = {}
    for name in names:
        if list(names).count(name) > 1:
            raise ModeratorError(f"The moderator {name!r} is named twice; name it once.")
        moderator = _make(name, _find(name), config.get(name, {}))
        title = read_manifest(moderator).name
        if title in titles:
            raise ModeratorError(
                f"The moderators {titles[title]!r} and {name!r} are both named {title!r} in their "
                "manifests; use one of them."
            )
        titles[title] = name
        loaded.append(moderator)
    return tuple(loaded)


def read_config(path: Path) -> Mapping[str, Mapping[str, object]]:
    """Read the moderators' own settings from TOML: a table for each, by its name.

    Raises:
        ModeratorError: the file can't be read, or isn't a list of tables.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModeratorError(
            f"The moderators' settings {path.name} can't be read: {reason}."
        ) from error
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ModeratorError(
                f"{path.name}: {name} is {table!r}; allowed is a table for each moderator, "
                "as in [limits]."
            )
    return tables


def available() -> dict[str, str]:
    """Return the name of every moderator there is, and where it comes from; loads none."""
    found: dict[str, list[str]] = {}
    for point in _points():
        found.setdefault(point.name, []).append(_origin(point))
    return {name: " and ".join(origins) for name, origins in sorted(found.items())}


def _points() -> tuple[EntryPoint, ...]:
    return (*BUILT_IN, *entry_points(group=GROUP))


def _origin(point: EntryPoint) -> str:
    return f"the package {point.dist.name}" if point.dist is not None else "Palaver itself"


def _find(name: str) -> EntryPoint:
    if ":" in name:
        return EntryPoint(name, name, GROUP)
    found = [point for point in _points() if point.name == name]
    if not found:
        raise ModeratorError(
            f"There is no moderator {name!r}; there are {', '.join(available())}, "
            "and module:Class for a file beside app.py."
        )
    if len(found) > 1:
        origins = " and ".join(_origin(point) for point in found)
        raise ModeratorError(
            f"The name {name!r} is claimed by {origins}; uninstall or rename one of them."
        )
    return found[0]


def _make(name: str, point: EntryPoint, config: Mapping[str, object]) -> Moderator:
    try:
        target = point.load()
        is_factory = isinstance(target, type) or not hasattr(target, "check")
        return cast(Moderator, target(**config) if is_factory else target)
    except ModeratorError:
        raise
    except (Exception, SystemExit) as error:
        cause = f"{type(error).__name__}: {error}".splitlines()[0]
        origin = f" (from {_origin(point)})" if point.dist is not None else ""
        raise ModeratorError(f"The moderator {name!r}{origin} cannot be loaded: {cause}") from error
