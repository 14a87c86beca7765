"""A few threads that make calls for an event loop, each with a deadline.

To start a thread for each call would stop the loop until that thread gets the interpreter: on a
busy machine longer than the call takes. And many that compute at once make each of them slow, so
that it misses its deadline: what waits here for a thread has time, because its clock doesn't run.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_IDLE_S = 5.0  # a thread that nobody needed for so long ends
# Calls that neither compute nor end, but wait for something, keep others waiting for so long.
_PATIENCE_S = 0.1


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What a call came to: a value, or the exception it raised; and how long it ran."""

    value: T | None
    error: BaseException | None
    latency_ms: float


class Overdue(Exception):
    """A call is still running at its deadline; ``call`` says for how much longer it does."""

    def __init__(self, call: "Call"):
        super().__init__("overdue")
        self.call = call


class Call:
    """One call, from when it is asked for. Its state belongs to the lock of the crew."""

    def __init__(self, function: Callable[[], Any], timeout_s: float):
        self.function = function
        self.timeout_s = timeout_s
        self.loop = asyncio.get_running_loop()
        self.outcome: asyncio.Future[Outcome[Any]] = self.loop.create_future()
        self.started_at: float | None = None
        self.is_wanted = True
        self.is_finished = False
        self.is_lost = False  # its thread hangs, and was replaced

    def tell(self, outcome: Outcome[Any]) -> None:
        """Hand the outcome to whoever waits, if they still do."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)


class Crew:
    """Makes up to so many calls at a time; the others wait in line.

    A thread cannot be stopped. One that is past the deadline of its call is left behind, and
    another takes its place; being a daemon it doesn't keep the interpreter from leaving.
    """

    def __init__(self, num_threads: int, max_threads: int = 0):
        """Prepare a crew; threads come when there is work.

        Args:
            num_threads: how many calls run at a time: for those that compute, as many as there
                are processors.
            max_threads: how many when none of them gets done for a while.
        """
        self._num_threads = num_threads
        self._max_threads = max(num_threads, max_threads)
        self._lock = threading.Lock()
        self._line: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._num_here = 0  # threads that aren't lost
        self._num_open = 0  # calls that wait or run
        self._num_done = 0
        self._watcher: asyncio.AbstractEventLoop | None = None

    @property
    def num_open(self) -> int:
        """How many calls wait or run."""
        return self._num_open

    async def run(self, function: Callable[[], T], timeout_s: float) -> Outcome[T]:
        """Call `function` in a thread; the clock starts when it begins to run.

        Raises:
            Overdue: the deadline is over.
        """
        call = Call(function, timeout_s)
        self._enter(call)
        timer = call.loop.call_later(timeout_s, self._look, call)
        try:
            return await call.outcome
        finally:
            call.is_wanted = False
            # One that nobody waits for is still watched while it runs.
            if call.is_finished or call.started_at is None:
                timer.cancel()

    def _enter(self, call: Call) -> None:
        with self._lock:
            self._num_open += 1
            self._line.put(call)
            is_short = self._num_here < min(self._num_threads, self._num_open)
            self._num_here += is_short
            is_long_line = self._num_open > self._num_here
        if is_short:
            self._start()
        if is_long_line and self._watcher is not call.loop and self._can_grow():
            self._watch(call.loop)

    def _start(self) -> None:
        threading.Thread(target=self._work, name="moderation", daemon=True).start()

    def _can_grow(self) -> bool:
        return self._num_here < self._max_threads

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watcher = loop
        loop.call_later(_PATIENCE_S, self._grow, loop, self._num_done)

    def _grow(self, loop: asyncio.AbstractEventLoop, num_done: int) -> None:
        """Add a thread if no call got done for a while, and others wait."""
        self._watcher = None
        with self._lock:
            is_waited_for = self._num_open > self._num_here
            is_stuck = is_waited_for and self._num_done == num_done and self._can_grow()
            self._num_here += is_stuck
        if is_stuck:
            self._start()
        if is_waited_for and self._can_grow():
            self._watch(loop)

    def _look(self, call: Call) -> None:
        """Give a call up if it is past its deadline, or look again when it will be."""
        with self._lock:
            if call.is_finished:
                return
            started_at = time.monotonic() if call.started_at is None else call.started_at
            left_s = started_at + call.timeout_s - time.monotonic()
            call.is_lost = left_s <= 0
            if call.is_lost:
                self._num_open -= 1
                self._num_here -= 1
                is_short = self._num_here < min(self._num_threads, self._num_open)
                self._num_here += is_short
        if not call.is_lost:
            call.loop.call_later(left_s, self._look, call)
            return
        if is_short:
            self._start()
        if not call.outcome.done():
            call.outcome.set_exception(Overdue(call))

    def _work(self) -> None:
        while True:
            try:
                call = self._line.get(timeout=_IDLE_S)
            except queue.Empty:
                with self._lock:
                    if self._line.empty():
                        self._num_here -= 1
                        return
                continue
            if not self._make(call):
                return

    def _make(self, call: Call) -> bool:
        """Make a call, if anybody still wants it; say if this thread is still one of the crew."""
        call.started_at = time.monotonic()
        outcome = _call(call.function) if call.is_wanted else None
        with self._lock:
            call.is_finished = True
            if not call.is_lost:
                self._num_open -= 1
                self._num_done += 1
        if outcome is not None and not call.is_lost:
            _tell(call, outcome)
        return not call.is_lost


def _call(function: Callable[[], T]) -> Outcome[T]:
    start = time.perf_counter()
    value, problem = None, None
    try:
        value = function()
    except BaseException as error:  # even SystemExit: the thread is not the plugin's to end
        problem = error
    return Outcome(value, problem, (time.perf_counter() - start) * 1000)


def _tell(call: Call, outcome: Outcome[Any]) -> None:
    if call.is_wanted and not call.loop.is_closed():
        try:
            call.loop.call_soon_threadsafe(call.tell, outcome)
        except RuntimeError:  # closed meanwhile: nobody is waiting any more
            return
