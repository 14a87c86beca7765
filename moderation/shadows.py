"""Moderators on trial: they judge beside the others, are recorded, and hold up nobody."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

from chat.types import Stage, Verdict
from moderation.base import ModerationContext
from moderation.decision import Decision, Pending
from moderation.member import Member
from moderation.policy import Policy

# So many checks may be under way; those beyond aren't made, and the record says so.
_MOST = 64


class Shadows:
    """The checks in shadow that are under way, of all chains that share the moderators."""

    def __init__(self) -> None:
        self._running: set[asyncio.Future[Verdict]] = set()

    def begin(
        self, members: Iterable[Member], context: ModerationContext, policy: Policy
    ) -> list[Pending]:
        """Begin to judge; those that can't are done, and say that they were too busy."""
        stage = context.stage
        return [
            Pending(self._check(member, context, policy), _missing(member, stage, policy, "late"))
            for member in members
            if stage in member.manifest.stages
        ]

    def _check(
        self, member: Member, context: ModerationContext, policy: Policy
    ) -> asyncio.Future[Verdict]:
        if len(self._running) >= _MOST:
            given_up: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
            given_up.set_result(_missing(member, context.stage, policy, "busy"))
            return given_up
        task = asyncio.create_task(_judge(member, context, policy))
        self._running.add(task)  # or else it may vanish before it is done
        task.add_done_callback(self._running.discard)
        return task


async def _judge(member: Member, context: ModerationContext, policy: Policy) -> Verdict:
    return _mark(await member.judge(context, in_shadow=True), policy)


def _missing(member: Member, stage: Stage, policy: Policy, reason: str) -> Verdict:
    manifest = member.manifest
    verdict = Verdict(manifest.name, manifest.version, stage, outcome="abstained", reason=reason)
    return _mark(verdict, policy)


def _mark(verdict: Verdict, policy: Policy) -> Verdict:
    [marked] = policy.decide(verdict.stage, [verdict]).verdicts
    return marked


def with_shadows(decision: Decision, shadows: Sequence[Pending]) -> Decision:
    """Return `decision` with what came in shadow meanwhile, and what is still to come."""
    if not shadows:
        return decision
    done = tuple(one.verdict for one in shadows if one.checking.done())
    pending = tuple(one for one in shadows if not one.checking.done())
    return replace(decision, verdicts=(*decision.verdicts, *done), pending=pending)
