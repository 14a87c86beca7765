"""The operator's rules as they are stored, in force from the start: for the server and commands."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from chat.errors import ModeratorError
from chat.review import OperatorRule
from webapp.guard import Guard
from webapp.loading import load_guard
from webapp.rules import find_sound
from webapp.settings import Settings

log = logging.getLogger(__name__)


def load_with_rules(
    settings: Settings, rules: Sequence[OperatorRule], names: Sequence[str] = ()
) -> tuple[Guard, str]:
    """Load the moderators with the operator's rules, or (they can't stop the start) without.

    Those that can't be used rest, so that the policy may still name what they look for. With
    `names` only those moderators are loaded.

    Returns:
        The moderators, and why no rule is in force, if that is so.

    Raises:
        ModeratorError, PolicyError: see `load_guard`.
    """
    sound = find_sound(rules)
    resting = [replace(rule, is_active=False).to_table() for rule in rules]
    usable = [
        rule.to_table() if rule in sound else rest
        for rule, rest in zip(rules, resting, strict=True)
    ]
    try:
        return load_guard(settings, usable, names), ""
    except ModeratorError as error:
        if not rules:
            raise
        guard = load_guard(settings, resting, names)
        problem = f"The operator's rules aren't in force. {error}"
        log.error("%s", problem)
        return guard, problem
