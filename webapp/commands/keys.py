"""Make, list and revoke the keys that programs send to /v1.

A key is shown once, when it is made; only its hash is stored. Programs send it as
'Authorization: Bearer KEY'. As soon as there is one, /v1 asks for a key on this machine too. The
server needs no restart: keys made or revoked here count from the next request on.
"""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from webapp.commands.flags import add_action, add_settings
from webapp.commands.paper import print_table, tell

if TYPE_CHECKING:
    from datetime import datetime

    from webapp.settings import Settings

EXAMPLES: tuple[str, ...] = (
    'keys create "the school\'s website"',
    "keys list",
    "keys revoke 0f3a5b2c9d8e47f1a6b0c4d2e8f91a35",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare create, list and revoke."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = add_action(actions, "create", "make a key and show it, this once")
    create.add_argument("name", metavar="NAME", help="what the key is for, so that you know later")
    listing = add_action(actions, "list", "every key ever made, those revoked too")
    revoke = add_action(actions, "revoke", "make a key void")
    revoke.add_argument("id", metavar="ID", help="the key's id, as `list` shows it")
    for action in (create, listing, revoke):
        add_settings(action, "database_url")


def run(arguments: Namespace, settings: "Settings") -> int:
    """Do what was asked."""
    if arguments.action == "list":
        return _list(settings)
    from storage.store import Store
    from webapp.keys import Keys

    with Store.open(settings.database_url) as store:
        if arguments.action == "revoke":
            Keys(store).revoke(arguments.id)
            tell(f"The key {arguments.id} is void.")
        else:
            key, secret = Keys(store).create(arguments.name)
            tell(f"The key {key.id} for {key.name!r}; it won't be shown again:")
            print(secret)
    return 0


def _list(settings: "Settings") -> int:
    from webapp.commands.database import open_for_reading
    from webapp.keys import Keys

    with open_for_reading(settings.database_url) as store:
        keys = Keys(store).list()
    rows = [(k.id, k.name, _time(k.created_at), _time(k.revoked_at)) for k in keys]
    if rows:
        print_table([("id", "name", "made", "revoked"), *rows])
    else:
        tell("There are no keys yet; keys create NAME makes one.")
    return 0


def _time(moment: "datetime | None") -> str:
    return moment.isoformat(sep=" ", timespec="seconds") if moment else ""
