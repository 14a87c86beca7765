"""The command line: ``python -m webapp COMMAND``. See docs/commands.md."""

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from chat.errors import PalaverError
from webapp.commands import (
    backup,
    deploy,
    doctor,
    export,
    importing,
    keys,
    model,
    moderators,
    restore,
    serve,
)
from webapp.commands.flags import given_settings, needed_settings
from webapp.commands.paper import tell
from webapp.usage import PROGRAM, Parser

if TYPE_CHECKING:
    from webapp.settings import Settings

INTERRUPTED = 130
PIPE_CLOSED = 141  # What a shell says of a program that wrote to nobody.


class Command(Protocol):
    """A module of `webapp.commands`; its docstring is what --help says."""

    @property
    def EXAMPLES(self) -> tuple[str, ...]:  # noqa: N802 (a constant of a module)
        """Command lines to learn from, without the program's name."""
        ...

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's flags."""

    def run(self, arguments: argparse.Namespace, settings: "Settings") -> int:
        """Do it; return the exit status."""
        ...


COMMANDS: Mapping[str, Command] = {
    "serve": serve,
    "model": model,
    "moderators": moderators,
    "export": export,
    "import": importing,
    "deploy": deploy,
    "backup": backup,
    "restore": restore,
    "keys": keys,
    "doctor": doctor,
}


def make_parser() -> Parser:
    """Return the parser of the whole command line."""
    parser = Parser(
        prog=PROGRAM,
        description="Everything about Palaver that isn't done in the browser.",
        epilog=f"{PROGRAM} COMMAND --help tells more about one of them. The settings come from "
        "the environment (PALAVER_PORT, ...), as for app.py.",
    )
    rows = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        title, _, rest = (command.__doc__ or "").partition("\n")
        child = rows.add_parser(
            name,
            help=title[0].lower() + title[1:].rstrip("."),
            description=f"{title}\n{rest}".strip(),
            examples=command.EXAMPLES,
            # The settings answer it themselves where every flag is one of theirs.
            add_help=name != "serve",
        )
        command.add_arguments(child)
        child.set_defaults(run=command.run)
    return parser


def main(given: Sequence[str] | None = None) -> int:
    """Run the command line; errors are one sentence, an interruption is no error."""
    try:
        status = _run(given)
        sys.stdout.flush()
    except PalaverError as error:
        tell(str(error))
        return 2
    except ModuleNotFoundError as error:
        tell(
            f"The package {error.name} is missing; call this with the Python that serves, such as "
            ".venv/bin/python after `make run`."
        )
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read has gone
        _drop_output()
        return PIPE_CLOSED
    except OSError as error:
        _drop_output()
        about = f" ({error.filename})" if error.filename else ""
        tell(f"The system refused it: {error.strerror}{about}.")
        return 2
    return status


def _drop_output() -> None:
    """What is left in the buffer must not complain on the way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(given: Sequence[str] | None) -> int:
    arguments, rest = make_parser().parse_known_args(given)
    if getattr(arguments, "takes_settings", False):
        return _serve(arguments, rest)
    if rest:
        arguments.parser.refuse(rest)
    # What goes wrong is said in a sentence of ours; the server keeps its log.
    logging.getLogger().addHandler(logging.NullHandler())
    from webapp.settings import read_settings

    flags = given_settings(arguments)
    # The doctor says itself what is wrong with the environment, and goes on.
    needed = [] if arguments.command == "doctor" else needed_settings(arguments)
    status: int = arguments.run(arguments, read_settings(flags, needed=needed))
    return status


def _serve(arguments: argparse.Namespace, flags: Sequence[str]) -> int:
    from webapp.settings import read_settings

    status: int = arguments.run(arguments, read_settings(flags, program=arguments.parser.prog))
    return status


if __name__ == "__main__":
    sys.exit(main())
