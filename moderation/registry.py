"""Which moderators there are, and how one gets from a name to a moderator.

Those that come with Palaver run in its own process; all others in a worker process each.
"""

import sys
import tomllib
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from chat.errors import ModeratorError
from moderation.base import Manifest, Moderator
from moderation.loading import describe, load, load_manifest
from moderation.reading import read_manifest
from moderation.workers.keeper import WorkerLimits
from moderation.workers.remote import RemoteModerator, ask_manifest

GROUP = "palaver.moderators"

# Declared here and not in package metadata, because Palaver runs from its folder uninstalled.
BUILT_IN = tuple(
    EntryPoint(name, value, GROUP)
    for name, value in (
        ("limits", "moderation.limits:LimitsModerator"),
        ("rules", "moderation.rules:RulesModerator"),
        ("pii", "moderation.pii:PiiModerator"),
        ("secrets", "moderation.secrets:SecretsModerator"),
        ("fast", "moderation.fast:FastModerator"),
        ("jailbreak", "moderation.jailbreak:JailbreakModerator"),
        ("mini", "moderation.mini:MiniModerator"),
        ("guard-llm", "moderation.guards.llm:GuardLlmModerator"),
        ("openai", "moderation.guards.openai:OpenAiModerator"),
        ("perspective", "moderation.guards.perspective:PerspectiveModerator"),
        ("presidio", "moderation.guards.presidio:PresidioModerator"),
        ("webhook", "moderation.guards.webhook:WebhookModerator"),
    )
)


def load_moderators(
    names: Sequence[str],
    config: Mapping[str, Mapping[str, object]] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    limits: WorkerLimits | None = None,
) -> tuple[Moderator, ...]:
    """Load the moderators named, and nothing else; whoever gets them closes them.

    Args:
        names: a built-in, a plugin of an installed package, or ``module:Class`` for a file.
        config: keyword arguments for each moderator's constructor, by its name in `names`.
        environment: variables for the worker processes, which get of it what is no secret: see
            `moderation.workers.process.ENVIRONMENT`. Without it they get none.
        limits: what each worker process may take.

    Raises:
        ModeratorError: a name is unknown, taken twice, or what it stands for cannot be used.
    """
    loaded: list[Moderator] = []
    try:
        for name in names:
            if list(names).count(name) > 1:
                raise ModeratorError(f"The moderator {name!r} is named twice; name it once.")
            point = _find(name)
            settings = (config or {}).get(name, {})
            if point in BUILT_IN:
                loaded.append(_load_here(name, point, settings))
            else:
                loaded.append(_load_apart(name, point, settings, environment or {}, limits))
            _check_title(names, loaded)
    except BaseException:
        close_moderators(loaded)
        raise
    return tuple(loaded)


def load_in_process(name: str, config: Mapping[str, object] | None = None) -> Moderator:
    """Load any moderator into this process, for whoever develops it: see moderation.conformance.

    Raises:
        ModeratorError: the name is unknown, or what it stands for cannot be used.
    """
    return _load_here(name, _find(name), config or {})


def find_manifest(
    name: str,
    config: Mapping[str, object] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    limits: WorkerLimits | None = None,
) -> Manifest:
    """Return what a moderator says about itself.

    Where its class has a `manifest`, nothing is constructed, so no model is loaded. What isn't
    built in is asked in a worker process; see `load_moderators` for the arguments.

    Raises:
        ModeratorError: the name is unknown, or what it stands for cannot be used.
    """
    point = _find(name)
    try:
        if point in BUILT_IN:
            return load_manifest(*_target(point), config or {})
        return ask_manifest(
            name,
            *_target(point),
            config or {},
            environment=environment or {},
            path=_search_path(),
            limits=limits,
        )
    except ModeratorError as error:
        if point in BUILT_IN and repr(name) in str(error):  # a sentence of its own
            raise
        raise _cannot_load(name, point, str(error)) from error
    except (Exception, SystemExit) as error:
        raise _cannot_load(name, point, describe(error)) from error


def close_moderators(moderators: Sequence[Moderator]) -> None:
    """End the worker processes of those that have one."""
    for moderator in moderators:
        if isinstance(moderator, RemoteModerator):
            moderator.close()


def _check_title(names: Sequence[str], loaded: Sequence[Moderator]) -> None:
    """Complain if the last one loaded has the name of an earlier one in its manifest."""
    title = read_manifest(loaded[-1]).name
    for name, moderator in zip(names, loaded[:-1], strict=False):
        if read_manifest(moderator).name == title:
            raise ModeratorError(
                f"The moderators {name!r} and {names[len(loaded) - 1]!r} are both named {title!r} "
                "in their manifests; use one of them."
            )


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
        module, _, inside = name.partition(":")
        if not all(part.isidentifier() for part in (*module.split("."), *inside.split("."))):
            raise ModeratorError(
                f"{name!r} names no class; a moderator in a file is module:Class, as in "
                "my_rules:NoSpoilers for the class NoSpoilers in my_rules.py."
            )
        return EntryPoint(name, name, GROUP)
    found = [point for point in _points() if point.name == name]
    if not found:
        raise ModeratorError(
            f"There is no moderator {name!r}; there are {', '.join(available())}, and "
            "module:Class for a file beside app.py. If a package has it, install that package "
            "into the environment that Palaver runs in."
        )
    if len(found) > 1:
        origins = " and ".join(_origin(point) for point in found)
        raise ModeratorError(
            f"The name {name!r} is claimed by {origins}; uninstall or rename one of them."
        )
    return found[0]


def _load_here(name: str, point: EntryPoint, config: Mapping[str, object]) -> Moderator:
    try:
        moderator = load(*_target(point), config)
    except ModeratorError as error:
        if repr(name) in str(error):  # a sentence of its own
            raise
        raise _cannot_load(name, point, str(error)) from error
    except (Exception, SystemExit) as error:
        raise _cannot_load(name, point, describe(error)) from error
    read_manifest(moderator)
    return moderator


def _load_apart(
    name: str,
    point: EntryPoint,
    config: Mapping[str, object],
    environment: Mapping[str, str],
    limits: WorkerLimits | None,
) -> Moderator:
    try:
        return RemoteModerator(
            name,
            *_target(point),
            config,
            environment=environment,
            path=_search_path(),
            limits=limits,
        )
    except ModeratorError as error:
        raise _cannot_load(name, point, str(error)) from error


def _search_path() -> tuple[str, ...]:
    return tuple(str(Path(folder).absolute()) for folder in sys.path)


def _target(point: EntryPoint) -> tuple[str, str]:
    module, _, attribute = point.value.partition(":")
    return module.strip(), attribute.partition("[")[0].strip()


def _cannot_load(name: str, point: EntryPoint, cause: str) -> ModeratorError:
    origin = f" (from {_origin(point)})" if point.dist is not None else ""
    return ModeratorError(f"The moderator {name!r}{origin} cannot be loaded: {cause}")
