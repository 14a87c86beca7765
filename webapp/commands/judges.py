"""Moderators as commands need them: the chain of the settings, or one member alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from webapp.commands.paper import tell

if TYPE_CHECKING:
    from chat.review import OperatorRule
    from chat.types import Stage
    from moderation.base import Moderator
    from moderation.chain import Chain
    from webapp.settings import Settings


@contextmanager
def open_chain(settings: "Settings", names: Sequence[str] = ()) -> Iterator["Chain"]:
    """Load the moderators of the settings, or only those named, under the settings' policy.

    The operator's rules are those of the database, where there is one.

    Raises:
        ModeratorError: one of them isn't there or can't be used.
        PolicyError: the policy can't be understood.
    """
    from webapp.loading import load_chain
    from webapp.stored_rules import load_with_rules

    if rules := _read_rules(settings):
        chain = load_with_rules(settings, rules, names)[0].chain()
    else:
        chain = load_chain(settings, names)
    try:
        yield chain
    finally:
        chain.close()


def _read_rules(settings: "Settings") -> "Sequence[OperatorRule]":
    from chat.errors import NotFound, PalaverError
    from webapp.commands.database import Outdated, open_for_reading

    try:
        with open_for_reading(settings.database_url) as store:
            return store.list_rules()
    except (NotFound, Outdated):  # nothing is stored yet, or nothing that could be read here
        return ()
    except PalaverError as error:
        tell(f"The operator's rules are left out: {error}")
        return ()


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
