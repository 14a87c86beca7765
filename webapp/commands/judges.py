"""Moderators as commands need them: the chain of the settings, or one member alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chat.types import Stage
    from moderation.base import Moderator
    from moderation.chain import Chain
    from webapp.settings import Settings


@contextmanager
def open_chain(settings: "Settings", names: Sequence[str] = ()) -> Iterator["Chain"]:
    """Load the moderators of the settings, or only those named, under the settings' policy.

    Raises:
        ModeratorError: one of them isn't there or can't be used.
        PolicyError: the policy can't be understood.
    """
    from webapp.loading import load_chain

    chain = load_chain(settings, names)
    try:
        yield chain
    finally:
        chain.close()


@contextmanager
def open_moderators(
    settings: "Settings", names: Sequence[str], stage: "Stage"
) -> Iterator[tuple[list["Moderator"], "Chain"]]:
    """Load moderators as `open_chain` does; also each alone, if it watches `stage`."""
    with open_chain(settings, names) as chain:
        yield chain.moderators(stage), chain


def read_configs(settings: "Settings") -> dict[str, dict[str, object]]:
    """Return the moderators' own settings by their names; empty where no file is named."""
    from moderation.registry import read_config

    tables = read_config(settings.moderator_config) if settings.moderator_config else {}
    return {name: dict(table) for name, table in tables.items()}
