"""Publish this folder as a Hugging Face Space, new or there already.

Exactly the files that git tracks go there; where a key, a database or the like is among them,
nothing does. The token is the one of `hf auth login`, or HF_TOKEN. The disk of a Space is wiped at
each restart: with --dataset the chats are kept in a private dataset, which is made if it isn't
there. See docs/hosting.md.
"""

import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chat.errors import InvalidRequest
from webapp.commands.flags import add_action
from webapp.commands.paper import naming, tell

if TYPE_CHECKING:
    from webapp.settings import Settings

EXAMPLES: tuple[str, ...] = (
    "deploy space ann/palaver --private --dry-run",
    "deploy space ann/palaver --dataset ann/palaver-chats --secrets space.env",
)
_ROOT = Path(__file__).parents[2]
_LINE = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare where to, and what the Space gets."""
    targets = parser.add_subparsers(dest="target", metavar="WHERE", required=True)
    space = add_action(targets, "space", "publish a Space on the Hugging Face Hub")
    space.add_argument("name", metavar="NAME", help="its name, as in ann/palaver")
    space.add_argument("--private", action="store_true", help="make a new Space private")
    space.add_argument(
        "--hardware", metavar="KIND", default="", help="such as cpu-basic or t4-small"
    )
    space.add_argument(
        "--dataset", metavar="NAME", default="", help="private dataset that keeps the chats"
    )
    space.add_argument(
        "--secrets",
        metavar="FILE",
        type=Path,
        help="lines of NAME=VALUE that only the Space may see, such as PALAVER_API_KEY and, for "
        "--dataset, an HF_TOKEN that may write that dataset",
    )
    space.add_argument(
        "--variable",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a setting of the Space that everybody may see; may be given several times",
    )
    space.add_argument(
        "--dry-run", action="store_true", help="show what would be done, and do nothing"
    )


def run(arguments: Namespace, settings: "Settings") -> int:
    """Publish, and say what was done."""
    from webapp.hub.deploy import Space, deploy_space, make_api
    from webapp.settings import read_platform

    secrets = read_secrets(arguments.secrets) if arguments.secrets else {}
    hub_token = secrets.pop("HF_TOKEN", "")
    space = Space(
        arguments.name,
        is_private=arguments.private,
        hardware=arguments.hardware,
        dataset=arguments.dataset,
        hub_token=hub_token,
        secrets=secrets,
        variables=read_pairs(arguments.variable, "--variable"),
    )
    platform = read_platform()
    api = make_api(platform.hub_token, platform.hub_endpoint)
    done = deploy_space(
        space,
        _ROOT,
        api=api,
        private=[arguments.secrets] if arguments.secrets else [],
        is_rehearsal=arguments.dry_run,
        progress=_show_progress,
    )
    print(done.describe())
    if arguments.dataset and not hub_token:
        tell(
            "The Space keeps chats only with a token that may write the dataset: unless it has the "
            "secret HF_TOKEN already, give it one by --secrets."
        )
    return 0


def read_secrets(path: Path) -> dict[str, str]:
    """Read lines of NAME=VALUE; empty ones and those that begin with # don't count.

    Raises:
        InvalidRequest: the file can't be read, or a line is of another kind.
    """
    with naming(path):
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    lines = [line.strip() for line in text.splitlines()]
    return read_pairs([line for line in lines if line and not line.startswith("#")], str(path))


def read_pairs(lines: Sequence[str], source: str) -> dict[str, str]:
    """Return NAME=VALUE as a mapping; quotes around a value aren't part of it.

    Raises:
        InvalidRequest: a line is of another kind. (The message leaves out what may be a secret.)
    """
    pairs = {}
    for number, line in enumerate(lines, 1):
        found = _LINE.fullmatch(line)
        if not found:
            raise InvalidRequest(
                f"Setting {number} of {source} isn't of the kind NAME=VALUE, as in PALAVER_PORT=80."
            )
        name, value = found.groups()
        is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        pairs[name] = value[1:-1] if is_quoted else value
    return pairs


def _show_progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if done >= total else ""
        print(f"\r{done / 1e6:.1f} of {total / 1e6:.1f} MB", end=end, file=sys.stderr, flush=True)
