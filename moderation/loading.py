"""From ``module:Class`` to a moderator: the one place that runs somebody else's code to get one."""

import importlib
import inspect
from collections.abc import Mapping
from functools import reduce
from typing import Any, cast

from chat.errors import ModeratorError
from moderation.base import Manifest, Moderator
from moderation.reading import make_manifest, read_manifest


def load(module: str, attribute: str, config: Mapping[str, object]) -> Moderator:
    """Import ``module:attribute``; a class, or a function that makes one, is called with `config`.

    It may raise anything, and do anything.

    Raises:
        ModeratorError: it doesn't take such settings, or needs others.
    """
    target = _find(module, attribute)
    if not isinstance(target, type) and hasattr(target, "check"):
        return cast(Moderator, target)
    _check_settings(target, config)
    return cast(Moderator, target(**config))


def load_manifest(module: str, attribute: str, config: Mapping[str, object]) -> Manifest:
    """Return what a moderator says about itself, from its class if that has a `manifest`: then
    nothing is constructed, and so no model loaded. It may raise anything, as `load` may.
    """
    target = _find(module, attribute)
    source = getattr(target, "manifest", None)
    if isinstance(target, type) and isinstance(source, Manifest | Mapping):
        return make_manifest(source, target.__name__)
    return read_manifest(load(module, attribute, config))


def _check_settings(factory: Any, config: Mapping[str, object]) -> None:
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # nothing to call, or nothing that says how
        return
    try:
        signature.bind(**config)
    except TypeError as error:
        raise ModeratorError(f"its settings don't fit: {error}") from error


def _find(module: str, attribute: str) -> Any:
    names = [name for name in attribute.split(".") if name]
    return reduce(getattr, names, importlib.import_module(module))


def describe(error: BaseException) -> str:
    """Return in one line what went wrong while loading."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:1000]
