"""Keeps one worker process going: starts it, ends it at its limits, starts another in its place."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from chat.errors import ModeratorError
from chat.types import Verdict
from moderation.base import Manifest
from moderation.reading import NonsenseAnswer, make_manifest, read_verdict, read_version
from moderation.workers.agenda import Agenda, Check
from moderation.workers.process import Process
from moderation.workers.wire import Garbled, read_line, write_check

State = Literal["starting", "working", "resting", "closed"]
# Why a worker was lost: it ended, sent what isn't the protocol, ...
Loss = Literal["exited", "garbled", "timeout", "memory", "start", "internal"]

_log = logging.getLogger(__name__)
_MEASURE_S = 0.25
_FIRST_REST_S = 0.25
_LONGEST_REST_S = 30.0
_PATIENCE_S = 1.0  # checks wait for the end of a rest up to this long, and fail in a longer one
_CLOSE_S = 10.0


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What one worker may take.

    Attributes:
        num_checks: checks at a time; the others wait in the parent.
        memory_mb: resident memory in MiB; 0 is no limit. It is measured, for a limit on address
            space (RLIMIT_AS) would hit honest workers: onnxruntime, CUDA and the arenas of eight
            threads map many times of what they use.
        start_s: how long it may take to load.
        begin_s: how long it may take to begin a check that it was sent, and how long a check
            waits for a worker that is starting again.
        stuck_s: how long one call may keep the interpreter from all others.
    """

    num_checks: int = 8
    memory_mb: int = 2048
    start_s: float = 120.0
    begin_s: float = 30.0
    stuck_s: float = 60.0


class Keeper:
    """Owns a worker. One thread changes everything; others leave it messages, kept in order."""

    def __init__(
        self, name: str, task: bytes, environment: Mapping[str, str], limits: WorkerLimits
    ):
        """Start a worker for `task`.

        Args:
            name: for the log.
            task: see `moderation.workers.wire.write_task`.
            environment: see `moderation.workers.process.ENVIRONMENT`.
            limits: what the worker may take.
        """
        self.state: State = "starting"
        self.pid: int | None = None
        self.num_restarts = 0
        self._name = name
        self._task = task
        self._environment = environment
        self._limits = limits
        self._agenda = Agenda(limits.num_checks, limits.begin_s)
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._door = threading.Lock()
        self._is_closed = False
        self._process: Process | None = None
        self._num_deaths = 0  # since it last judged anything
        self._wake_at: float | None = None  # when a start takes too long, or a rest is over
        self._measure_at = 0.0
        self._loaded: Future[Manifest] = Future()
        self._thread = threading.Thread(target=self._run, name=f"keeper-{name}", daemon=True)
        self._inbox.put(self._start)
        self._thread.start()

    def wait(self) -> Manifest:
        """Return the manifest when the worker has loaded.

        Raises:
            ModeratorError: it can't; the message is the cause.
        """
        return self._loaded.result()

    def ask(self, check: Check) -> None:
        """Have a check done."""
        check.verdict.add_done_callback(partial(self._forget, check))
        if not self._post(partial(self._admit, check)):
            check.settle(self.wait().failure(check.context.stage, "closed"))

    def close(self) -> None:
        """End the worker; what waits or is asked from now on fails. Twice does no harm."""
        with self._door:
            if not self._is_closed:
                self._is_closed = True
                self._inbox.put(self._stop)
        self._thread.join(_CLOSE_S)

    def _post(self, message: Callable[[], None]) -> bool:
        """Leave a message for the thread that owns everything; say if it will be heard."""
        with self._door:
            if not self._is_closed:
                self._inbox.put(message)
            return not self._is_closed

    def _forget(self, check: Check, verdict: "Future[Verdict]") -> None:
        if verdict.cancelled():
            self._post(lambda: self._agenda.drop(check))

    def _take_line(self, process: Process, line: bytes) -> None:
        self._post(partial(self._hear, process, line))

    # From here on everything runs in the keeper's thread.

    def _run(self) -> None:
        while self.state != "closed":
            try:
                message = self._inbox.get(timeout=self._time_left())
            except queue.Empty:
                message = self._look_around
            try:
                message()
            except Exception as error:  # a fault of ours; its text might quote a conversation
                _log.error("moderator %s: %s in its keeper", self._name, type(error).__name__)
                self._lose("internal")

    def _start(self) -> None:
        self.state = "starting"
        self._wake_at = time.monotonic() + self._limits.start_s
        try:
            self._process = Process(self._task, self._environment, self._take_line)
            self.pid = self._process.pid
        except OSError as error:
            self._lose("start", f"its process can't be started: {error.strerror}")

    def _stop(self) -> None:
        self._end_process()
        self.state = "closed"
        if not self._loaded.done():
            self._loaded.set_exception(ModeratorError("it was closed before it had loaded"))
            return
        self._agenda.return_running(self.wait(), "closed", None)
        self._agenda.fail_waiting(self.wait(), "closed")

    def _end_process(self) -> int:
        process, self._process, self.pid = self._process, None, None
        return process.end() if process else 0

    def _admit(self, check: Check) -> None:
        self._agenda.add(check)
        if self.state == "resting" and not self._wakes_soon():
            self._agenda.fail_waiting(self.wait(), "down")
        self._send()

    def _wakes_soon(self) -> bool:
        return self._wake_at is not None and self._wake_at - time.monotonic() <= _PATIENCE_S

    def _send(self) -> None:
        while self._process and self.state == "working" and (next_one := self._agenda.take()):
            number, check = next_one
            self._process.send(write_check(number, check.context))

    def _hear(self, process: Process, line: bytes) -> None:
        if process is not self._process:
            return  # the last words of one that was replaced
        if not line:
            self._lose("exited", _describe_end(process.end()))
            return
        try:
            message = read_line(line)
            if self.state == "starting":
                self._hear_first(message)
            elif "began" in message:
                self._agenda.begin(message["began"])
            else:
                self._hear_verdict(message["done"], message)
        except (Garbled, NonsenseAnswer, KeyError, TypeError):
            self._lose("garbled", "what its process says makes no sense")

    def _hear_first(self, message: Mapping[str, Any]) -> None:
        if "manifest" not in message:
            self._lose("start", str(message["cause"]))
            return
        try:
            manifest = make_manifest(message["manifest"], self._name)
        except ModeratorError as error:
            raise Garbled("no manifest") from error
        if self._loaded.done() and replace(manifest, version=self.wait().version) != self.wait():
            raise Garbled("another manifest than before")
        self.state = "working"
        self._wake_at = None
        if not self._loaded.done():
            self._loaded.set_result(manifest)
        self._send()

    def _hear_verdict(self, number: int, message: Mapping[str, Any]) -> None:
        stage = self._agenda.begun(number).context.stage
        if "error" in message:
            verdict = self.wait().failure(stage, _read_kind(message["error"]))
        else:
            context = self._agenda.begun(number).context
            verdict = read_verdict(message["verdict"], self.wait(), context)
            version = read_version({"manifest": message}, verdict.version)
            verdict = replace(verdict, version=version)
        self._agenda.finish(number, verdict)
        self._num_deaths = 0
        self._send()

    def _look_around(self) -> None:
        """See to what is due: the end of a rest or of a start, a deadline, the process itself."""
        if self._wake_at is not None and time.monotonic() >= self._wake_at:
            self._wake()
        if self.state == "starting" and self._loaded.done():
            self._agenda.fail_waiting(self.wait(), "down", self._limits.begin_s)
        if late := self._agenda.overdue():
            self._lose("timeout", guilty=[check for check in late if check.began_at is not None])
        if self._process and time.monotonic() >= self._measure_at:
            self._measure(self._process)

    def _wake(self) -> None:
        if self.state == "resting":
            self.num_restarts += 1
            self._start()
        else:
            self._lose("start", f"it took longer than {self._limits.start_s:g} s")

    def _measure(self, process: Process) -> None:
        self._measure_at = time.monotonic() + _MEASURE_S
        limit = self._limits.memory_mb
        if process.has_ended():
            self._lose("exited", _describe_end(process.end()))
        elif process.measure_mb() > limit > 0:
            self._lose("memory", f"it took more than {limit} MB of memory")

    def _time_left(self) -> float | None:
        """Return the seconds until `_look_around` is due, None if there is nothing to wait for."""
        due = [self._agenda.next_deadline(), self._wake_at]
        if self._process:
            due.append(self._measure_at)
        known = [at for at in due if at is not None]
        return max(0.0, min(known) - time.monotonic()) if known else None

    def _lose(self, reason: Loss, cause: str = "", *, guilty: list[Check] | None = None) -> None:
        """End the worker and see to another; `guilty` are the checks known to have cost it."""
        self._end_process()
        if not self._loaded.done():
            self.state = "closed"
            self._loaded.set_exception(ModeratorError(cause))
            return
        self._num_deaths += 1
        rest_s = _rest(self._num_deaths)
        self.state = "resting"
        self._wake_at = time.monotonic() + rest_s
        _log.warning("moderator %s: worker lost (%s), next in %g s", self._name, reason, rest_s)
        self._agenda.return_running(self.wait(), reason, guilty)
        if not self._wakes_soon():
            self._agenda.fail_waiting(self.wait(), "down")


def _rest(num_deaths: int) -> float:
    """Return how long to rest in seconds: nothing after the first death, then longer each time."""
    if num_deaths == 1:
        return 0.0
    return min(_LONGEST_REST_S, _FIRST_REST_S * 2.0 ** min(num_deaths - 2, 20))


def _read_kind(kind: object) -> str:
    """Return the kind of an error, if it is a name; a text might quote the conversation."""
    is_name = isinstance(kind, str) and kind.isidentifier() and len(kind) <= 64
    return str(kind) if is_name else "Exception"


def _describe_end(status: int) -> str:
    how = f"by signal {-status}" if status < 0 else f"with exit status {status}"
    return f"its process ended {how} while it was loading"
