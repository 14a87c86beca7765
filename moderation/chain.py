"""Moderators in a row: side by side where they can, each with a deadline, none trusted to work."""

import asyncio
import copy
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace

from chat.errors import ModeratorError
from chat.types import Stage
from moderation.base import ModerationContext, Moderator
from moderation.crew import Overdue
from moderation.listening import Listener
from moderation.member import Crews, Limits, Member
from moderation.policy import Decision, Policy
from moderation.redaction import ask_redactors
from moderation.shadows import Shadows, with_shadows
from moderation.steps import Round, ask, make_steps

_INLINE_CHARS = 4_000


class Chain:
    """Judges texts by several moderators and one policy. Belongs to one event loop."""

    def __init__(
        self,
        moderators: Sequence[Moderator],
        policy: Policy,
        *,
        timeout_s: float = 2.0,
        max_failures: int = 5,
        cool_down_s: float = 30.0,
        max_threads: int = 16,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Prepare a chain.

        Args:
            moderators: see `moderation.registry.load_moderators`.
            policy: what follows from what they find, and in which groups they are asked: one
                after the other, and only if nothing was refused yet. Those in no group make up
                the last one.
            timeout_s: how long one check may run, from when it really begins.
            max_failures: so many failures in a row take a moderator out.
            cool_down_s: so long it then stays out, before one check tries it again.
            max_threads: so many checks run at a time in this process; the others wait, and their
                clocks too. It begins with a thread for each processor. Each worker process has
                seats of its own.
            clock: seconds, for the cool-down.

        Raises:
            ModeratorError: a moderator doesn't fit the contract, or two have the same name.
        """
        self._limits = Limits(timeout_s, max_failures, cool_down_s, clock)
        self._crews = Crews.of(max_threads)
        self._shadows = Shadows()
        members: dict[str, Member] = {}
        for moderator in moderators:
            member = Member(moderator, self._crews, self._limits)
            if member.manifest.name in members:
                raise ModeratorError(
                    f"Two moderators are named {member.manifest.name!r}; each needs its own name."
                )
            members[member.manifest.name] = member
        self._put_together(members, policy)

    def _put_together(self, members: dict[str, Member], policy: Policy) -> None:
        covers = {name: member.manifest.categories for name, member in members.items()}
        self._members = members
        self.policy = replace(policy, covers=covers)
        self._steps = make_steps(members, policy)

    async def check(self, context: ModerationContext) -> Decision:
        """Judge the last message of `context`; never raises for what a moderator does."""
        [decision] = await self.check_many((context,))
        return decision

    async def check_many(self, contexts: Sequence[ModerationContext]) -> list[Decision]:
        """Judge the last message of each context; moderators that can take them as one batch."""
        rounds = [Round(context) for context in contexts]
        on_trial = [self._members[name] for name in sorted(self.policy.shadow & {*self._members})]
        shadows = [self._shadows.begin(on_trial, context, self.policy) for context in contexts]
        try:
            for number, step in enumerate(self._steps):
                asked = [r for r in rounds if not r.is_over and step.asks(r, self.policy)]
                if len(step.members) > 1:
                    await _normalise([one.context for one in asked])
                await ask(step, asked)
                later = self._steps[number + 1 :]
                for one in asked if later else rounds:
                    one.decide(self.policy, later)
        except BaseException:
            for pending in (pending for some in shadows for pending in some):
                pending.checking.cancel()
            raise
        return [with_shadows(one.decision, some) for one, some in zip(rounds, shadows, strict=True)]

    async def redact_refused(self, context: ModerationContext, decision: Decision) -> Decision:
        """Return a refusal with all that is to be redacted in the text, which may be kept: some
        who redact may not have been asked any more. See `moderation.redaction`."""
        return await ask_redactors(self._members.values(), self.policy, context, decision)

    def may_redact(self, stage: Stage, names: Collection[str]) -> bool:
        """Say if what one of these moderators finds may have to be redacted."""
        known = (self._members[name].manifest for name in {*names} - self.policy.shadow)
        return any(self.policy.may_redact(stage, manifest.categories) for manifest in known)

    def watches(self, stage: Stage) -> bool:
        """Say if any moderator judges texts of this stage."""
        return any(stage in member.manifest.stages for member in self._members.values())

    def under(self, policy: Policy) -> "Chain":
        """Return a chain of the very same members (their health, their workers), by `policy`."""
        other = copy.copy(self)
        other._put_together(self._members, policy)
        return other

    def replacing(self, moderator: Moderator) -> "Chain":
        """Return a chain of the same members but one, in whose place `moderator` is.

        The one that it replaces isn't closed: checks under way still use it.

        Raises:
            ModeratorError: it doesn't fit the contract, or there is none of its name.
        """
        member = Member(moderator, self._crews, self._limits)
        name = member.manifest.name
        if name not in self._members:
            raise ModeratorError(
                f"There is no moderator {name!r} to replace; active are "
                f"{', '.join(self._members) or 'none'}."
            )
        other = copy.copy(self)
        other._put_together({**self._members, name: member}, self.policy)
        return other

    def moderators(self, stage: Stage) -> list[Moderator]:
        """Return the moderators of this stage, to be asked without deadlines or a policy."""
        members = self._members.values()
        return [member.moderator for member in members if stage in member.manifest.stages]

    def categories(self, stage: Stage) -> frozenset[str]:
        """Return the categories that the moderators of this stage say they look for.

        What is only looked for in shadow isn't among them.
        """
        return frozenset(
            category
            for name, member in self._members.items()
            if stage in member.manifest.stages and name not in self.policy.shadow
            for category in member.manifest.categories
        )

    def hold_back(self, stage: Stage, known: Collection[str] = ()) -> int:
        """Return how many normalised characters at the end of a growing text are still open.

        Args:
            stage: who is meant: the moderators of this stage.
            known: names of moderators that have said themselves what is open.
        """
        deciding = self._members.keys() - self.policy.shadow - set(known)
        manifests = (self._members[name].manifest for name in deciding)
        return max((m.hold_back for m in manifests if stage in m.stages), default=0)

    def listen(self, context: ModerationContext) -> dict[str, Listener]:
        """Return who follows an answer to the end of `context`, which is still empty, by name."""
        return {
            name: Listener(stream, member.manifest, context)
            for name, member in self._members.items()
            if name not in self.policy.shadow and context.stage in member.manifest.stages
            if (stream := member.stream_moderator) is not None
        }

    async def leave(self, listener: Listener) -> None:
        """End what a listener has begun, on every path; it may not take longer than a check."""
        with suppress(Overdue):
            await self._crews.computing.run(listener.close, self._limits.timeout_s)

    def health(self) -> list[dict[str, object]]:
        """Return for each moderator how it is doing; nothing in it quotes a conversation."""
        return [
            {**member.health(), "in_shadow": name in self.policy.shadow}
            for name, member in self._members.items()
        ]

    def close(self) -> None:
        """End the worker processes, for every chain that shares them; a second call does nothing.

        Checks that still run, or come later, count as errors.
        """
        for member in self._members.values():
            member.close()


async def _normalise(contexts: Sequence[ModerationContext]) -> None:
    """Read long texts once for all moderators of a group, off the loop and off their clocks."""
    for context in contexts:
        if len(context.text) > _INLINE_CHARS:
            await asyncio.to_thread(getattr, context, "views")
