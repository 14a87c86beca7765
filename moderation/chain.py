"""Moderators in a row: side by side where they can, each with a deadline, none trusted to work."""

import asyncio
import copy
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from chat.errors import ModeratorError
from chat.types import Stage, Verdict
from moderation.base import ModerationContext, Moderator
from moderation.breaker import Breaker
from moderation.deadline import Overdue, call_in_thread
from moderation.policy import Decision, Policy
from moderation.reading import read_manifest, read_verdict
from moderation.remote import RemoteModerator

_log = logging.getLogger(__name__)
_INLINE_CHARS = 4_000


class Chain:
    """Judges texts by several moderators and one policy. Belongs to one event loop."""

    def __init__(
        self,
        moderators: Sequence[Moderator],
        policy: Policy,
        *,
        groups: Sequence[Sequence[str]] = (),
        timeout_s: float = 2.0,
        max_failures: int = 5,
        cool_down_s: float = 30.0,
        max_threads: int = 16,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Prepare a chain.

        Args:
            moderators: see `moderation.registry.load_moderators`.
            policy: what follows from what they find.
            groups: names of moderators; one group runs after the other and only if nothing was
                refused yet. Moderators in no group make up the last one.
            timeout_s: how long one check may run, from when it really begins.
            max_failures: so many failures in a row take a moderator out.
            cool_down_s: so long it then stays out, before one check tries it again.
            max_threads: so many checks run at a time in this process; the others wait, and their
                clocks too. Each worker process has seats of its own.
            clock: seconds, for the cool-down.

        Raises:
            ModeratorError: a moderator doesn't fit the contract, two have the same name, or a
                group names one that isn't there.
        """
        self.policy = policy
        seats = asyncio.Semaphore(max_threads)
        members: dict[str, _Member] = {}
        for moderator in moderators:
            breaker = Breaker(max_failures, cool_down_s, clock)
            member = _Member(moderator, breaker, seats, timeout_s, max_failures)
            if member.manifest.name in members:
                raise ModeratorError(
                    f"Two moderators are named {member.manifest.name!r}; each needs its own name."
                )
            members[member.manifest.name] = member
        self._members = tuple(members.values())
        self._groups = _make_groups(members, groups)

    async def check(self, context: ModerationContext) -> Decision:
        """Judge the last message of `context`; never raises for what a moderator does."""
        if len(context.text) > _INLINE_CHARS:  # once for all moderators, off the loop if long
            await asyncio.to_thread(lambda: context.views)
        verdicts: list[Verdict] = []
        decision = Decision()
        for group in self._groups:
            watching = [m for m in group if context.stage in m.manifest.stages]
            verdicts += await asyncio.gather(*(member.judge(context) for member in watching))
            decision = self.policy.decide(context.stage, verdicts)
            if decision.is_refused:
                break
        return decision

    def watches(self, stage: Stage) -> bool:
        """Say if any moderator judges texts of this stage."""
        return any(stage in member.manifest.stages for member in self._members)

    def under(self, policy: Policy) -> "Chain":
        """Return a chain of the very same members (their health, their workers), by `policy`."""
        other = copy.copy(self)
        other.policy = policy
        return other

    def categories(self, stage: Stage) -> frozenset[str]:
        """Return the categories that the moderators of this stage say they look for."""
        watching = (m.manifest for m in self._members if stage in m.manifest.stages)
        return frozenset(category for manifest in watching for category in manifest.categories)

    def hold_back(self, stage: Stage) -> int:
        """Return how many normalised characters at the end of a growing text are still open."""
        lengths = (m.manifest.hold_back for m in self._members if stage in m.manifest.stages)
        return max(lengths, default=0)

    def health(self) -> list[dict[str, object]]:
        """Return for each moderator how it is doing; nothing in it quotes a conversation."""
        return [member.health() for member in self._members]

    def close(self) -> None:
        """End the worker processes, for every chain that shares them; a second call does nothing.

        Checks that still run, or come later, count as errors.
        """
        for member in self._members:
            member.close()


def _make_groups(
    members: dict[str, "_Member"], groups: Sequence[Sequence[str]]
) -> list[list["_Member"]]:
    named = [name for group in groups for name in group]
    for name in named:
        if name not in members:
            raise ModeratorError(
                f"A group names the moderator {name!r}; there are {', '.join(members) or 'none'}."
            )
    rest = [name for name in members if name not in named]
    return [[members[name] for name in group] for group in (*groups, rest) if group]


class _Member:
    """One moderator in a chain, with what is known of its reliability."""

    def __init__(
        self,
        moderator: Moderator,
        breaker: Breaker,
        seats: asyncio.Semaphore,
        timeout_s: float,
        max_hanging: int,
    ):
        self.manifest = read_manifest(moderator)
        self._moderator = moderator
        self._breaker = breaker
        self._seats = seats
        self._timeout_s = timeout_s
        self._max_hanging = max_hanging
        self._hanging: list[threading.Thread] = []
        self._num_checks = 0
        self._num_errors = 0
        self._last_error = ""
        self._total_ms = 0.0

    def close(self) -> None:
        """End the moderator's process, if it has one."""
        if isinstance(self._moderator, RemoteModerator):
            self._moderator.close()

    async def judge(self, context: ModerationContext) -> Verdict:
        """Return the moderator's verdict, or one that says that it failed."""
        self._hanging = [thread for thread in self._hanging if thread.is_alive()]
        if len(self._hanging) >= self._max_hanging or not self._breaker.admit():
            return self.manifest.failure(context.stage, "out")
        has_reported = False
        try:
            verdict = await self._call(context)
            has_reported = True
        finally:
            if not has_reported:  # cancelled: the reader left
                self._breaker.record_nothing()
        self._record(verdict)
        return verdict

    async def _call(self, context: ModerationContext) -> Verdict:
        if isinstance(self._moderator, RemoteModerator):  # it has seats of its own
            return await self._moderator.judge(context, self._timeout_s)
        async with self._seats:
            return await self._call_here(context)

    async def _call_here(self, context: ModerationContext) -> Verdict:
        check = self._moderator.check
        name = f"moderator-{self.manifest.name}"
        try:
            outcome = await call_in_thread(
                lambda: read_verdict(check(context), self.manifest, context), self._timeout_s, name
            )
        except Overdue as overdue:
            self._hanging.append(overdue.thread)
            return self.manifest.failure(context.stage, "timeout", self._timeout_s * 1000)
        if outcome.value is None:
            # Only the kind of the error: its text may quote the conversation.
            kind = type(outcome.error).__name__
            return self.manifest.failure(context.stage, kind, outcome.latency_ms)
        return replace(outcome.value, latency_ms=outcome.latency_ms)

    def _record(self, verdict: Verdict) -> None:
        self._num_checks += 1
        self._total_ms += verdict.latency_ms
        if verdict.outcome != "error":
            self._breaker.record_success()
            return
        self._num_errors += 1
        self._last_error = verdict.reason
        self._breaker.record_failure()
        _log.warning("moderator %s failed: %s", self.manifest.name, verdict.reason)

    def health(self) -> dict[str, object]:
        health: dict[str, object] = {
            "name": self.manifest.name,
            "version": self.manifest.version,
            "state": self._breaker.state,
            "checks": self._num_checks,
            "errors": self._num_errors,
            "last_error": self._last_error,
            "mean_ms": round(self._total_ms / max(self._num_checks, 1), 3),
        }
        if isinstance(self._moderator, RemoteModerator):
            health["worker"] = self._moderator.health()
        return health
