"""One moderator in a chain: asked with a deadline, left alone while it keeps failing."""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from chat.types import Verdict
from moderation.base import (
    NEVER_OPEN,
    TOO_LONG,
    Manifest,
    ModerationContext,
    Moderator,
    StreamModerator,
)
from moderation.breaker import Breaker
from moderation.crew import Call, Crew, Outcome, Overdue
from moderation.reading import read_batch, read_manifest, read_verdict, read_version
from moderation.workers.remote import RemoteModerator

_log = logging.getLogger(__name__)
# For calls that wait for the network: they take no processor.
_NUM_WAITING = 32
_NUM_SHADOW = 2
# Texts in one call, or calls side by side, of one moderator for one `check_many`.
_MOST_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Limits:
    """What every member of a chain is allowed."""

    timeout_s: float
    max_failures: int
    cool_down_s: float
    clock: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Crews:
    """The threads in which a chain's members are asked: those that compute, those that wait."""

    computing: Crew
    waiting: Crew = field(default_factory=lambda: Crew(_NUM_WAITING))
    shadow: Crew = field(default_factory=lambda: Crew(_NUM_SHADOW, 2 * _NUM_SHADOW))

    @classmethod
    def of(cls, max_threads: int) -> "Crews":
        """Return crews for this machine, of at most so many threads for what computes."""
        return cls(Crew(min(max_threads, max(2, os.cpu_count() or 1)), max_threads))


class Member:
    """One moderator in a chain, with what is known of its reliability."""

    def __init__(self, moderator: Moderator, crews: Crews, limits: Limits):
        self.manifest: Manifest = read_manifest(moderator)
        self.moderator = moderator
        self._crews = crews
        self._limits = limits
        self._breaker = Breaker(limits.max_failures, limits.cool_down_s, limits.clock)
        self._version = self.manifest.version
        self._hanging: list[Call] = []
        self._num_checks = 0
        self._num_errors = 0
        self._last_error = ""
        self._to_mend = ""
        self._total_ms = 0.0

    @property
    def stream_moderator(self) -> StreamModerator | None:
        """The moderator, if it can follow a growing answer; one in another process can't."""
        can_stream = callable(getattr(self.moderator, "open_stream", None))
        return cast(StreamModerator, self.moderator) if can_stream else None

    def close(self) -> None:
        """End the moderator's process, or close its connections, if it has any."""
        close = getattr(self.moderator, "close", None)
        if callable(close):
            close()

    def _out(self, context: ModerationContext) -> Verdict:
        """Return the verdict of one that isn't asked; a key that was refused stays refused."""
        reason = self._last_error if self._last_error in NEVER_OPEN else "out"
        return self.manifest.failure(context.stage, reason)

    async def judge(self, context: ModerationContext, *, in_shadow: bool = False) -> Verdict:
        """Return the moderator's verdict, or one that says that it failed."""
        if not self._may_ask():
            return self._out(context)
        has_reported = False
        try:
            verdict = await self._call(context, in_shadow)
            has_reported = True
        finally:
            if not has_reported:  # cancelled: the reader left
                self._breaker.record_nothing()
        verdict = replace(verdict, version=self._version)
        self._record(verdict)
        return verdict

    async def judge_many(self, contexts: Sequence[ModerationContext]) -> list[Verdict]:
        """Return a verdict for each context, from one call if the moderator offers that."""
        can_batch = callable(getattr(self.moderator, "check_batch", None))
        verdicts: list[Verdict] = []
        for start in range(0, len(contexts), _MOST_AT_ONCE):
            some = contexts[start : start + _MOST_AT_ONCE]
            batch = await self._judge_batch(some) if can_batch and len(some) > 1 else None
            verdicts += batch or await asyncio.gather(*(self.judge(one) for one in some))
        return verdicts

    async def _judge_batch(self, contexts: Sequence[ModerationContext]) -> list[Verdict] | None:
        """Return the verdicts, or None if each text is to be judged alone.

        One text on which a moderator fails must not take its neighbours along.
        """
        if not self._may_ask():
            return [self._out(context) for context in contexts]
        check_batch = self.moderator.check_batch  # type: ignore[attr-defined]
        try:
            outcome = await self._crew(in_shadow=False).run(
                lambda: read_batch(check_batch(list(contexts)), self.manifest, contexts),
                self._limits.timeout_s,
            )
        except Overdue as overdue:
            self._hanging.append(overdue.call)
            self._breaker.record_nothing()
            return None
        except BaseException:
            self._breaker.record_nothing()
            raise
        if outcome.value is None:
            self._breaker.record_nothing()
            _log.warning(
                "moderator %s failed with %d texts: %s",
                self.manifest.name,
                len(contexts),
                type(outcome.error).__name__,
            )
            return None
        latency_ms = outcome.latency_ms / len(contexts)
        return [self._finish(verdict, latency_ms) for verdict in outcome.value]

    def _finish(self, verdict: Verdict, latency_ms: float) -> Verdict:
        self._read_version()
        verdict = replace(verdict, latency_ms=latency_ms, version=self._version)
        self._record(verdict)
        return verdict

    def _may_ask(self) -> bool:
        """Say if the moderator may be asked; if so, something has to be recorded."""
        self._hanging = [call for call in self._hanging if not call.is_finished]
        return len(self._hanging) < self._limits.max_failures and self._breaker.admit()

    def _crew(self, *, in_shadow: bool) -> Crew:
        if in_shadow:
            return self._crews.shadow
        return self._crews.waiting if self.manifest.needs_network else self._crews.computing

    async def _call(self, context: ModerationContext, in_shadow: bool) -> Verdict:
        if isinstance(self.moderator, RemoteModerator):  # it has seats of its own
            verdict = await self.moderator.judge(context, self._limits.timeout_s)
            if verdict.outcome != "error":
                self._note_version(verdict.version)
            return verdict
        check = context.listeners.get(self.manifest.name, self.moderator).check
        try:
            outcome = await self._crew(in_shadow=in_shadow).run(
                lambda: read_verdict(check(context), self.manifest, context),
                self._limits.timeout_s,
            )
        except Overdue as overdue:
            self._hanging.append(overdue.call)
            return self.manifest.failure(context.stage, "timeout", self._limits.timeout_s * 1000)
        return self._read(outcome, context)

    def _read(self, outcome: Outcome[Verdict], context: ModerationContext) -> Verdict:
        if outcome.value is None:
            # Only the kind of the error: its text may quote the conversation.
            kind = type(outcome.error).__name__
            return self.manifest.failure(context.stage, kind, outcome.latency_ms)
        self._read_version()
        return replace(outcome.value, latency_ms=outcome.latency_ms)

    def _read_version(self) -> None:
        """Look which version judged: a moderator may replace its weights while it runs."""
        self._note_version(read_version(self.moderator, self._version))

    def _note_version(self, version: str) -> None:
        if version != self._version:
            _log.info("moderator %s is now version %s", self.manifest.name, version)
            self._version = version

    def _record(self, verdict: Verdict) -> None:
        self._num_checks += 1
        self._total_ms += verdict.latency_ms
        if verdict.outcome != "error":
            self._to_mend = ""
            self._breaker.record_success()
            return
        self._num_errors += 1
        if verdict.reason == TOO_LONG:
            self._breaker.record_nothing()
            return
        self._last_error = verdict.reason
        self._to_mend = verdict.reason if verdict.reason in NEVER_OPEN else ""
        self._breaker.record_failure()
        _log.warning("moderator %s failed: %s", self.manifest.name, verdict.reason)

    def health(self) -> dict[str, object]:
        """Return how the moderator is doing; nothing in it quotes a conversation."""
        health: dict[str, object] = {
            "name": self.manifest.name,
            "version": self._version,
            "state": self._breaker.state,
            "checks": self._num_checks,
            "errors": self._num_errors,
            "last_error": self._last_error,
            # Why it can't work before the operator has seen to it.
            "to_mend": self._to_mend,
            "mean_ms": round(self._total_ms / max(self._num_checks, 1), 3),
        }
        if isinstance(self.moderator, RemoteModerator):
            health["worker"] = self.moderator.health()
        return health
