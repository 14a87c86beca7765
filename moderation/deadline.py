"""One call in a thread of its own, with a deadline."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What a call came to: a value, or the exception it raised; and how long it ran."""

    value: T | None
    error: BaseException | None
    latency_ms: float


class Overdue(Exception):
    """A call is still running at its deadline; ``thread`` is where."""

    def __init__(self, thread: threading.Thread):
        super().__init__("overdue")
        self.thread = thread


async def call_in_thread(function: Callable[[], T], timeout_s: float, name: str) -> Outcome[T]:
    """Run `function` in a new daemon thread; the clock starts when it begins to run.

    A thread cannot be stopped. One that hangs is left behind: it takes no place that others
    need, and being a daemon it doesn't keep the interpreter from leaving.

    Raises:
        Overdue: the deadline is over.
    """
    loop = asyncio.get_running_loop()
    started: asyncio.Future[None] = loop.create_future()
    finished: asyncio.Future[Outcome[T]] = loop.create_future()

    def work() -> None:
        _tell(loop, started, None)
        _tell(loop, finished, _call(function))

    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    await started
    try:
        return await asyncio.wait_for(finished, timeout_s)
    except TimeoutError:
        raise Overdue(thread) from None


def _call(function: Callable[[], T]) -> Outcome[T]:
    start = time.perf_counter()
    value, problem = None, None
    try:
        value = function()
    except BaseException as error:  # even SystemExit: the thread is not the plugin's to end
        problem = error
    return Outcome(value, problem, (time.perf_counter() - start) * 1000)


def _tell(loop: asyncio.AbstractEventLoop, future: asyncio.Future[T], value: T) -> None:
    def settle() -> None:
        if not future.done():
            future.set_result(value)

    if not loop.is_closed():
        try:
            loop.call_soon_threadsafe(settle)
        except RuntimeError:  # closed meanwhile: nobody is waiting any more
            return
