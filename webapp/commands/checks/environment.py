"""The environment: its settings have values that are allowed, and names that there are."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from webapp.commands.checks.finding import Finding, ok, problem, warning

if TYPE_CHECKING:
    from webapp.settings import Settings


def check_environment(settings: "Settings") -> Iterator[Finding]:
    """Look at every PALAVER_* variable; a wrong one is examined as if it weren't there."""
    from webapp.settings import find_mistakes, find_unknown

    mistakes, unknown = find_mistakes(), find_unknown()
    for sentence in mistakes:
        yield problem("settings", sentence, "Correct it: the server refuses to start with it.")
    for sentence in unknown:
        yield warning("settings", sentence, "Correct the name, or remove it.")
    if not mistakes and not unknown:
        yield ok("settings", "those of the environment are known and allowed")
