"""The file that says whose chats are in a place, and of which tables."""

import json

from chat.errors import SettingsError
from webapp.hub.remote import HARMLESS, MANIFEST

FORMAT = "palaver-chats"
VERSION = 1


def write_manifest(revision: str) -> bytes:
    """Return the manifest of chats whose tables have this revision."""
    return json.dumps({"format": FORMAT, "version": VERSION, "schema": revision}).encode()


def read_manifest(content: bytes, target: str, *, newest: str) -> str:
    """Return the revision of the tables in `target`; `newest` is the one that is known here.

    Raises:
        SettingsError: it is another program's, or of a newer Palaver.
    """
    try:
        manifest = json.loads(content)
        is_ours = manifest["format"] == FORMAT and manifest["version"] == VERSION
        revision = str(manifest["schema"])
    except (ValueError, KeyError, TypeError):
        is_ours, revision = False, ""
    if not is_ours:
        raise SettingsError(
            f"PALAVER_SYNC names {target}, whose {MANIFEST} isn't this Palaver's; name another "
            "place, or update Palaver."
        )
    if revision > newest:
        raise SettingsError(
            f"The chats in {target} were written by a newer Palaver (revision {revision}, this "
            f"one knows {newest}); update this one, or name another place."
        )
    return revision


def check_empty(names: frozenset[str], target: str) -> None:
    """See that nothing of anybody else lies in a place that has no manifest yet.

    Raises:
        SettingsError: something does.
    """
    strangers = sorted(names - HARMLESS)
    if strangers:
        raise SettingsError(
            f"PALAVER_SYNC names {target}, which holds other files than Palaver's "
            f"({strangers[0]}, ...); name an empty or a new one."
        )
