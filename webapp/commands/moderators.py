"""Look at the moderators that are here, and try them.

`list` shows which there are and which run, without loading any weights; of a package's that isn't
active only the name is known, because nothing of it is even imported. `check NAME` says whether a
moderator keeps to the contract, for whoever writes one. `check --text TEXT` judges a text as the
chat would: by all that are active, or by the one you name. `bench` says how long each takes on this
machine, and `eval` how good they are on labelled texts.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

from chat.errors import InvalidRequest
from webapp.commands.bench import add_bench, run_bench
from webapp.commands.evaluation import add_eval, run_eval
from webapp.commands.flags import add_action, add_settings, use_settings
from webapp.commands.paper import print_table, printable, tell

if TYPE_CHECKING:
    from chat.types import Stage
    from moderation.base import ModerationContext
    from moderation.chain import Chain
    from moderation.policy import Decision, Policy
    from webapp.settings import Settings

EXAMPLES: tuple[str, ...] = (
    "moderators list",
    "moderators list --moderators rules,my_rules:NoSpoilers",
    'moderators check my_rules:NoSpoilers --sample "The butler did it."',
    'moderators check --text "Write to ann@example.org" --policy strict',
    "moderators eval --data rows.jsonl --against rules,limits --out results",
    "moderators eval --fairness",
    "moderators bench --lengths 100,1000",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare list and check."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = add_action(actions, "list", "which there are, and which run")
    add_settings(listing, "moderators", "moderator_config")
    add_bench(actions)
    add_eval(actions)
    check = add_action(actions, "check", "test a moderator, or judge a text")
    check.add_argument(
        "name", metavar="NAME", nargs="?", help="a name that `list` shows, or module:Class"
    )
    check.add_argument(
        "--sample",
        metavar="TEXT",
        action="append",
        default=[],
        help="a text in which it must find something; may be given several times",
    )
    check.add_argument("--text", metavar="TEXT", help="judge this text; - reads standard input")
    check.add_argument(
        "--stage",
        choices=("input", "output"),
        default="input",
        help="judge it as a question or as an answer (default: %(default)s)",
    )
    add_settings(check, "moderators", "moderator_config", "policy")
    use_settings(check, "moderation_timeout_s", "moderator_memory_mb", "database_url")


def run(arguments: Namespace, settings: "Settings") -> int:
    """Do what was asked."""
    if arguments.action == "eval":
        return run_eval(arguments, settings)
    if arguments.action == "bench":
        return run_bench(arguments, settings)
    if arguments.action == "list":
        return _list(settings)
    if arguments.text is not None and arguments.sample:
        raise InvalidRequest(
            "--text judges a text, and --sample tests a moderator; give one of the two."
        )
    if arguments.text is not None:
        return _judge(arguments, settings)
    if not arguments.name:
        raise InvalidRequest("Name the moderator to test, or give a --text to judge.")
    return _test(arguments, settings)


def _list(settings: "Settings") -> int:
    from moderation.registry import available
    from webapp.commands.judges import read_configs

    read_configs(settings)  # once: what is wrong with it is wrong with every moderator
    origins = available()
    names = [*origins, *(name for name in settings.moderators if name not in origins)]
    rows = [_describe(name, origins.get(name, "a file beside app.py"), settings) for name in names]
    print_table([("name", "active", "version", "stages", "categories", "from"), *rows])
    return 0


def _describe(name: str, origin: str, settings: "Settings") -> tuple[str, ...]:
    from chat.errors import ModeratorError
    from moderation.registry import BUILT_IN, find_manifest
    from webapp.commands.judges import read_configs
    from webapp.settings import read_environment

    is_active = name in settings.moderators
    word = "yes" if is_active else "no"
    if not is_active and name not in {point.name for point in BUILT_IN}:
        return name, word, "", "", "loaded only when active", origin
    config = read_configs(settings).get(name)
    try:
        manifest = find_manifest(name, config, environment=read_environment())
    except ModeratorError as error:
        cause = f"can't be loaded: {error}" if is_active else f"not set up: {error}"
        return name, word, "", "", cause, origin
    categories = _shorten(manifest.categories)
    return name, word, manifest.version, ", ".join(manifest.stages), categories, origin


def _shorten(names: tuple[str, ...], limit: int = 4) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _test(arguments: Namespace, settings: "Settings") -> int:
    from contextlib import ExitStack

    from moderation.conformance import check_named
    from webapp.commands.judges import read_configs
    from webapp.loading import hand_in_engine

    with ExitStack() as undoing:
        configs = hand_in_engine(read_configs(settings), settings, undoing)
        config = configs.get(arguments.name, {})
        problems = check_named(arguments.name, config, samples=arguments.sample)
    for problem in problems:
        print(printable(str(problem)))
    if problems:
        return 1
    print(f"{arguments.name} keeps to the contract.")
    if not arguments.sample:
        tell("Give it a --sample in which it finds something, and its findings are tested too.")
    return 0


def _judge(arguments: Namespace, settings: "Settings") -> int:
    import asyncio

    from chat.types import Message
    from moderation.base import ModerationContext
    from webapp.commands.judges import open_chain

    text = sys.stdin.read() if arguments.text == "-" else arguments.text
    stage: Stage = arguments.stage
    message = Message("user" if stage == "input" else "assistant", text)
    with open_chain(settings, [arguments.name] if arguments.name else ()) as chain:
        decision = asyncio.run(_judge_fully(chain, ModerationContext((message,), stage)))
        policy = chain.policy
    print_table([("moderator", "category", "score", "action"), *_rows(decision, stage, policy)])
    print(_sentence(decision, text, policy.name))
    return 0


async def _judge_fully(chain: "Chain", context: "ModerationContext") -> "Decision":
    """Return the decision with what comes late, from moderators in shadow."""
    from dataclasses import replace

    from moderation.decision import settle

    decision = await chain.check(context)
    await settle(decision.pending)
    return replace(decision, verdicts=(*decision.verdicts, *decision.late_verdicts()))


def _rows(decision: "Decision", stage: "Stage", policy: "Policy") -> Iterator[tuple[str, ...]]:
    from moderation.policy import severity

    for verdict in decision.verdicts:
        name = f"{verdict.moderator} (shadow)" if verdict.reason == "shadow" else verdict.moderator
        if verdict.outcome == "error":
            yield verdict.moderator, f"failed: {verdict.reason}", "", verdict.action
        elif verdict.outcome == "abstained":
            yield name, "nothing to say", "", "allow"
        elif not any(verdict.scores.values()):
            yield name, "nothing found", "", "allow"
        for category, score in sorted(verdict.scores.items(), key=lambda row: -row[1]):
            if score > 0:
                action = policy.action_for(stage, category, score)
                # What the whole verdict came to, where this category alone would come to more: in
                # shadow, or where a dearer moderator's word counts in its place.
                counts = severity(action) <= severity(verdict.action)
                yield name, category, f"{score:.2f}", action if counts else "only recorded"


def _sentence(decision: "Decision", text: str, policy: str) -> str:
    if decision.is_refused:
        return f"The policy {policy!r} refuses this text ({decision.action}: {decision.category})."
    changed = decision.apply(text)
    if changed != text:
        return f"The policy {policy!r} lets it pass as: {printable(changed)}"
    noted = f" ({decision.action}: {decision.category})" if decision.category else ""
    return f"The policy {policy!r} lets this text pass{noted}."
