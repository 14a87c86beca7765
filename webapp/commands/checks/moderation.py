"""The moderators: they load, they answer, and the policy can be read."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from webapp.commands.checks.finding import Finding, ok, problem, warning

if TYPE_CHECKING:
    from moderation.chain import Chain
    from moderation.policy import Policy
    from webapp.settings import Settings

_HARMLESS = "Good morning! How are you today?"


def check_moderators(settings: "Settings") -> Iterator[Finding]:
    """Load the moderators and the policy, and let them judge a harmless sentence."""
    import asyncio

    from moderation.categories import find_uncovered
    from webapp.commands.judges import open_chain

    with open_chain(settings) as chain:
        policy = chain.policy
        findings = asyncio.run(_try(chain))
        uncovered = find_uncovered(chain.categories("input"))
    yield from findings
    if uncovered:
        yield ok("moderators", f"nobody looks for {', '.join(uncovered)}")
    yield ok("policy", f"{policy.name} (version {policy.version})")


async def _try(chain: "Chain") -> list[Finding]:
    from chat.types import Message
    from moderation.base import ModerationContext
    from moderation.policy import ERROR

    question = ModerationContext((Message("user", _HARMLESS),), "input")
    answer = ModerationContext((*question.messages, Message("assistant", _HARMLESS)), "output")
    decisions = [await chain.check(question), await chain.check(answer)]
    verdicts = [verdict for decision in decisions for verdict in decision.verdicts]
    failed = {v.moderator: v.reason for v in verdicts if v.outcome == "error"}
    if failed:
        is_refused = any(
            decision.category == ERROR for decision in decisions if decision.is_refused
        )
        return [
            _judge_failure(name, reason, chain.policy, is_refused=is_refused)
            for name, reason in failed.items()
        ]
    if any(decision.is_refused for decision in decisions):
        return [
            warning(
                "moderators",
                "a harmless greeting is refused",
                f'See why: python -m webapp moderators check --text "{_HARMLESS}"',
            )
        ]
    names = sorted({verdict.moderator for verdict in verdicts})
    return [ok("moderators", f"{', '.join(names)} judge")]


def _judge_failure(name: str, reason: str, policy: "Policy", *, is_refused: bool) -> Finding:
    from typing import get_args

    from chat.types import Stage

    meaning = "and the policy lets that be"
    if is_refused:
        meaning = "so every message counts as refused"
    elif "degraded" in {policy.fail_mode(stage, name) for stage in get_args(Stage)}:
        meaning = "and the others judge without it"
    advice = f"Try it: python -m webapp moderators check {name}"
    if reason == "unauthorised":
        advice = "The service refuses its key: correct api_key in the moderators' settings."
    say = problem if is_refused else warning
    return say("moderators", f"{name} fails ({reason}), {meaning}", advice)
