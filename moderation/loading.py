"""From ``module:Class`` to a moderator: the one place that runs somebody else's code to get one."""

import importlib
from collections.abc import Mapping
from functools import reduce
from typing import Any, cast

from moderation.base import Moderator


def load(module: str, attribute: str, config: Mapping[str, object]) -> Moderator:
    """Import ``module:attribute``; a class, or a function that makes one, is called with `config`.

    It may raise anything, and do anything.
    """
    names = [name for name in attribute.split(".") if name]
    target: Any = reduce(getattr, names, importlib.import_module(module))
    is_factory = isinstance(target, type) or not hasattr(target, "check")
    return cast(Moderator, target(**config) if is_factory else target)


def describe(error: BaseException) -> str:
    """Return in one line what went wrong while loading."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:1000]
