"""The composition root: settings, then the application, then serving it. A Space runs this file."""

import os
import signal
import sys

INTERRUPTED = 130


def main() -> int:
    """Start Palaver with the command line's flags; see --help."""
    # Python can lose an interruption, or print its trace, in the middle of an import. There is
    # nothing to put in order yet, so the process just ends.
    if is_listening := signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(INTERRUPTED))
    try:
        return _start(is_listening=is_listening)
    except KeyboardInterrupt:
        return INTERRUPTED
    except ModuleNotFoundError as error:
        return _refuse(
            f"The package {error.name} is missing; install what it needs and start it by `make "
            "run`, or call this with .venv/bin/python after that."
        )


def _start(*, is_listening: bool) -> int:
    from chat.errors import PalaverError
    from webapp.preflight import check_names
    from webapp.settings import read_settings

    try:
        settings = read_settings(sys.argv[1:])
        check_names(settings)
    except PalaverError as error:
        return _refuse(str(error))
    # Imported late, so that --help, a wrong flag and a wrong name are answered at once.
    from webapp.server import serve

    if is_listening:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return serve(settings)


def _refuse(reason: str) -> int:
    print(f"Palaver cannot start. {reason}", file=sys.stderr)  # noqa: T201
    return 2


if __name__ == "__main__":
    sys.exit(main())
