"""The composition root: settings, then the application, then serving it. A Space runs this file."""

import sys

from chat.errors import SettingsError
from webapp.settings import read_settings


def main() -> int:
    """Start Palaver with the command line's flags; see --help."""
    try:
        settings = read_settings(sys.argv[1:])
    except SettingsError as error:
        print(f"Palaver cannot start. {error}", file=sys.stderr)  # noqa: T201
        return 2
    # Imported late, so that --help and a wrong flag are answered at once.
    from webapp.server import serve

    return serve(settings)


if __name__ == "__main__":
    sys.exit(main())
