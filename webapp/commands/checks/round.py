"""The doctor's round: every check in turn, none of them able to end it."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from chat.errors import PalaverError
from webapp.commands.checks import (
    access,
    environment,
    machine,
    model,
    moderation,
    packages,
    storage,
)
from webapp.commands.checks.finding import Finding, problem

if TYPE_CHECKING:
    from webapp.settings import Settings

Check = Callable[["Settings"], Iterator[Finding]]
CHECKS: tuple[tuple[str, Check], ...] = (
    ("python", machine.check_python),
    ("packages", packages.check_packages),
    ("onnxruntime", packages.check_onnxruntime),
    ("settings", environment.check_environment),
    ("processors", machine.check_processors),
    ("memory", machine.check_memory),
    ("model", model.check_model),
    ("moderators", moderation.check_moderators),
    ("data folder", storage.check_data_dir),
    ("disk", storage.check_disk),
    ("cookie key", storage.check_key),
    ("database", storage.check_database),
    ("port", access.check_port),
    ("api", access.check_api),
    ("administrator", access.check_admin),
    ("proxy", access.check_proxies),
    ("space", access.check_space),
)


def examine(settings: "Settings") -> Iterator[Finding]:
    """Run every check on this machine and these settings; changes nothing."""
    for name, check in CHECKS:
        try:
            yield from check(settings)
        except PalaverError as error:
            yield problem(name, str(error))
        except Exception as error:
            # What breaks a check is a finding itself, and the others still have to be made.
            kind = f"{type(error).__name__}: {error}".splitlines()[0]
            yield problem(name, f"This could not be examined: {kind}", "Report this.")
