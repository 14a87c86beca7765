"""Write chats, preferences, reviewed texts or all of one person.

Chats, preferences and reviews are exported as far as the owners of the chats agreed to the purpose,
which is training unless you name another; how many that leaves out is said at the end. Chats that
programs had through /v1 were never agreed to by anybody, so only `--everything` exports them. It
exports everything that nobody agreed to: then it is on you what may be done with it. `preferences`
makes a data set of what people think of answers, ready to train on. `user` is for a person who asks
for their own data, so it is always complete. Their id is on the page, under "Your data"; `users`
lists all of them. Nothing is ever half written: a file takes its name at the end.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from chat.errors import InvalidRequest, NotFound
from webapp.commands import preferences
from webapp.commands.flags import add_action, add_consent, add_settings
from webapp.commands.paper import NEVER_AGREED, Progress, amount, new_file, tell, to_line

if TYPE_CHECKING:
    from storage.store import Store
    from webapp.settings import Settings

EXAMPLES: tuple[str, ...] = (
    "export chats --output chats.jsonl",
    "export preferences --format trl-preference --preview",
    "export preferences --format trl-preference --output pairs --min-votes 2 --parquet",
    "export preferences --format rankings --output -",
    "export chats --everything | gzip > all.jsonl.gz",
    "export reviews --output reviews.jsonl",
    "export users",
    "export user 3f2a9c --output mine.jsonl",
)
_NOUNS = {
    "chats": "conversation",
    "reviews": "reviewed text",
    "user": "record",
    "users": "user",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare what can be exported."""
    kinds = parser.add_subparsers(dest="kind", metavar="WHAT", required=True)
    for name, meaning in (
        ("chats", "conversations: every message, how it came about, verdicts and ratings"),
        ("reviews", "texts that reviewers of moderation marked, with labels to train by"),
    ):
        kind = add_action(kinds, name, meaning)
        add_consent(kind)
        _add_target(kind)
    meaning = "what people think of answers, as a data set to train on"
    preferences.add_arguments(add_action(kinds, "preferences", meaning))
    user = add_action(kinds, "user", "everything of one person, for that person")
    user.add_argument(
        "id", metavar="ID", help='the id that the page shows the person under "Your data"'
    )
    _add_target(user)
    users = add_action(kinds, "users", "everybody's id, first visit and number of chats")
    _add_target(users)


def _add_target(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help="file to write (default: standard output)"
    )
    parser.add_argument("--force", action="store_true", help="replace FILE if it is there")
    add_settings(parser, "database_url")


def run(arguments: Namespace, settings: "Settings") -> int:
    """Stream the records to the file or to standard output."""
    from webapp.commands.database import open_for_reading

    if getattr(arguments, "purpose", None) == "":
        raise InvalidRequest("--purpose is empty; name what people agreed to, such as training.")
    if arguments.kind == "preferences":
        return preferences.run(arguments, settings)
    noun = _NOUNS[arguments.kind]
    progress = Progress(noun)
    with (
        open_for_reading(settings.database_url) as store,
        _target(arguments.output, is_forced=arguments.force) as file,
    ):
        for record in progress.watch(_records(store, arguments)):
            file.write(to_line(record))
        file.flush()
        if arguments.kind == "user" and not progress.count:
            raise NotFound(
                f"There is nobody with the id {arguments.id!r} here; `export users` lists all."
            )
        num_all = store.stats().get(f"{noun}s", 0)
        if arguments.kind == "reviews":
            num_all = sum(1 for _ in store.export_reviews())
    tell(f"{amount(progress.count, noun)} exported.")
    if arguments.kind in ("chats", "reviews"):
        _tell_consent(arguments, max(0, num_all - progress.count))
    return 0


@contextmanager
def _target(path: Path | None, *, is_forced: bool) -> Iterator[BinaryIO]:
    if path is None or str(path) == "-":
        yield sys.stdout.buffer
    else:
        with new_file(path, is_forced=is_forced) as file:
            yield file


def _records(store: "Store", arguments: Namespace) -> Iterator[dict[str, Any]]:
    if arguments.kind == "user":
        yield from store.export_user(arguments.id)
        return
    if arguments.kind == "users":
        yield from store.export_users()
        return
    purpose = None if arguments.everything else arguments.purpose
    if arguments.kind == "chats":
        yield from store.export_chats(purpose=purpose)
    else:
        yield from map(asdict, store.export_reviews(purpose=purpose))


def _tell_consent(arguments: Namespace, num_left_out: int) -> None:
    if arguments.everything:
        tell(NEVER_AGREED)
    elif num_left_out:
        tell(f"{num_left_out:,} left out: nobody agreed to {arguments.purpose} with that.")
