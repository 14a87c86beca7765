"""Start the chat: the same as `python app.py`, with the same flags.

The flags are the settings; all of them are in docs/settings.md.
"""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webapp.settings import Settings

EXAMPLES: tuple[str, ...] = ("serve", "serve --port 8000 --model ./my-model")


def add_arguments(parser: ArgumentParser) -> None:
    """Every flag is a setting, which the settings read themselves."""
    parser.set_defaults(takes_settings=True)


def run(arguments: Namespace, settings: "Settings") -> int:
    """Serve until stopped."""
    from webapp.preflight import check_names

    check_names(settings)  # before what takes seconds to load
    from webapp.server import serve

    return serve(settings)
