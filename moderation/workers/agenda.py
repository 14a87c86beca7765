"""The checks that one worker has to do: who waits, who is being judged, who is overdue."""

import time
from collections import deque
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field, replace

from chat.types import Verdict
from moderation.base import Manifest, ModerationContext

_MAX_SENT = 2


@dataclass(slots=True, eq=False)
class Check:
    """One check, from when it is asked for until there is a verdict. Times are monotonic."""

    context: ModerationContext
    timeout_s: float
    asked_at: float = field(default_factory=time.monotonic)
    verdict: "Future[Verdict]" = field(default_factory=Future)
    sent_at: float = 0.0
    began_at: float | None = None
    num_sent: int = 0
    is_suspect: bool = False  # a worker died over it, or over one beside it

    def deadline(self, begin_s: float) -> float:
        """Return until when it has to be done or, until it is begun, to be begun."""
        if self.began_at is None:
            return self.sent_at + begin_s
        return self.began_at + self.timeout_s

    def settle(self, verdict: Verdict) -> None:
        """Tell whoever asked, if they still wait."""
        latency_ms = 0.0 if self.began_at is None else (time.monotonic() - self.began_at) * 1000
        with suppress(InvalidStateError):  # cancelled
            self.verdict.set_result(replace(verdict, latency_ms=latency_ms))


class Agenda:
    """Checks in order, so many at a time. Belongs to one thread."""

    def __init__(self, max_running: int, begin_s: float):
        """Begin with nothing to do.

        Args:
            max_running: checks at a time.
            begin_s: how long one that was sent may take to begin.
        """
        self._max_running = max_running
        self._begin_s = begin_s
        self._waiting: deque[Check] = deque()
        self._running: dict[int, Check] = {}
        self._number = 0

    def add(self, check: Check) -> None:
        """Put a check at the end of the line."""
        self._waiting.append(check)

    def drop(self, check: Check) -> None:
        """Forget a check that nobody waits for; if it runs, it stays until it is done."""
        with suppress(ValueError):
            self._waiting.remove(check)

    def take(self) -> tuple[int, Check] | None:
        """Return the next check to send, with a number of its own, or None if there is no room."""
        while self._has_room():
            check = self._waiting.popleft()
            if check.num_sent == 0 and not check.verdict.set_running_or_notify_cancel():
                continue
            self._number += 1
            check.num_sent += 1
            check.sent_at, check.began_at = time.monotonic(), None
            self._running[self._number] = check
            return self._number, check
        return None

    def _has_room(self) -> bool:
        """Say if the next check may go. A suspect goes alone, so that it harms no other."""
        if not self._waiting or len(self._running) >= self._max_running:
            return False
        if self._running and self._waiting[0].is_suspect:
            return False
        return not any(check.is_suspect for check in self._running.values())

    def begin(self, number: int) -> None:
        """Start the clock of a check.

        Raises:
            KeyError: there is no such check, or it began before.
        """
        check = self._running[number]
        if check.began_at is not None:
            raise KeyError(number)
        check.began_at = time.monotonic()

    def begun(self, number: int) -> Check:
        """Return a check that has begun.

        Raises:
            KeyError: there is none with this number.
        """
        check = self._running[number]
        if check.began_at is None:
            raise KeyError(number)
        return check

    def finish(self, number: int, verdict: Verdict) -> None:
        """Tell the verdict on a check."""
        self._running.pop(number).settle(verdict)

    def overdue(self) -> list[Check]:
        """Return the checks that are past their deadline."""
        now = time.monotonic()
        return [c for c in self._running.values() if now >= c.deadline(self._begin_s)]

    def next_deadline(self) -> float | None:
        """Return when the next check will be overdue."""
        return min((c.deadline(self._begin_s) for c in self._running.values()), default=None)

    def return_running(self, manifest: Manifest, reason: str, guilty: list[Check] | None) -> None:
        """Put what was running back in line, once; a second time it has failed.

        Args:
            manifest: whose checks they are.
            reason: why the worker was lost; the verdict on those that have failed.
            guilty: those known to have cost it fail at once, and the others are clear of it.
                None if nobody knows: then each of them goes alone next time.
        """
        again = []
        for check in self._running.values():
            if check in (guilty or ()) or check.num_sent >= _MAX_SENT:
                check.settle(manifest.failure(check.context.stage, reason))
            else:
                check.is_suspect = guilty is None
                again.append(check)
        self._running.clear()
        self._waiting.extendleft(reversed(again))

    def fail_waiting(self, manifest: Manifest, reason: str, waited_s: float = 0.0) -> None:
        """Let all fail that have waited for so long."""
        latest = time.monotonic() - waited_s
        for check in [check for check in self._waiting if check.asked_at <= latest]:
            self._waiting.remove(check)
            check.settle(manifest.failure(check.context.stage, reason))
