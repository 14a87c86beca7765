"""The process in which one third-party moderator runs: ``python -m moderation.workers.worker``.

It ends when its parent does, whatever the moderator is at: the pipe from the parent then ends.
"""

import faulthandler
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from chat.errors import ModeratorError
from chat.types import Verdict
from moderation.base import Manifest, Moderator
from moderation.loading import describe, load, load_manifest
from moderation.reading import read_batch, read_manifest, read_verdict, read_version
from moderation.workers.wire import (
    MAX_LINE_BYTES,
    Task,
    pack_verdict,
    read_check,
    read_line,
    read_task,
    write_line,
)

_OOM_SCORE = Path("/proc/self/oom_score_adj")


class Pipes:
    """The way to the parent and back; the moderator's own prints don't get into it."""

    def __init__(self) -> None:
        self._source: BinaryIO = os.fdopen(os.dup(0), "rb")
        self._sink = os.dup(1)
        self._lock = threading.Lock()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)

    def receive(self) -> bytes:
        """Return the next line, or end this process if there is none."""
        return self._source.readline() or leave()

    def send(self, message: Mapping[str, object]) -> None:
        """Send one message."""
        line = write_line(message)
        if len(line) > MAX_LINE_BYTES and "done" in message:
            line = write_line({"done": message["done"], "error": "TooLong"})
        rest = memoryview(line)
        with self._lock:
            try:
                while rest:
                    rest = rest[os.write(self._sink, rest) :]
            except OSError:
                leave()


def main() -> None:
    """Load the moderator that the first line names; then judge, until the lines end."""
    pipes = Pipes()
    task = read_task(pipes.receive())
    _be_first_to_go()
    # The main thread loads, because some libraries insist on it; so another one listens.
    checks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    _start(_listen, pipes, checks)
    _start(_stay_alert, task.stuck_s)
    moderator, manifest = _introduce(pipes, task)
    can_batch = callable(getattr(moderator, "check_batch", None))
    # With batches, what comes while these two are at it waits to be the next batch.
    for _ in range(min(2, task.num_threads) if can_batch else task.num_threads):
        _start(_judge_all, pipes, checks, moderator, manifest)
    threading.Event().wait()


def leave() -> NoReturn:
    """End this process at once, and what it started, even with threads that hang."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _introduce(pipes: Pipes, task: Task) -> tuple[Any, Manifest]:
    target = task.module, task.attribute, task.config
    sys.path[:] = task.path
    try:
        moderator = None if task.is_manifest_only else load(*target)
        manifest = load_manifest(*target) if moderator is None else read_manifest(moderator)
    except ModeratorError as error:
        pipes.send({"cause": str(error)})  # a whole sentence
    except BaseException as error:  # SystemExit too
        pipes.send({"cause": describe(error)})
    else:
        pipes.send({"manifest": asdict(manifest)})
        return moderator, manifest
    leave()


def _listen(pipes: Pipes, checks: "queue.SimpleQueue[bytes]") -> None:
    while True:
        checks.put(pipes.receive())


def _judge_all(
    pipes: Pipes, checks: "queue.SimpleQueue[bytes]", moderator: Moderator, manifest: Manifest
) -> None:
    can_batch = callable(getattr(moderator, "check_batch", None))
    while True:
        lines = [checks.get(), *(_take_waiting(checks) if can_batch else ())]
        asked = [read_line(line, len(line)) for line in lines]  # as long as the conversation is
        for message in asked:
            pipes.send({"began": message["check"]})
        answers = _judge_batch(asked, moderator, manifest) if len(asked) > 1 else None
        for number, message in enumerate(asked):
            answer = answers[number] if answers else _judge(message, moderator, manifest)
            pipes.send({"done": message["check"], **answer})


def _take_waiting(checks: "queue.SimpleQueue[bytes]") -> Iterator[bytes]:
    with suppress(queue.Empty):
        while True:
            yield checks.get_nowait()


def _judge(
    message: Mapping[str, Any], moderator: Moderator, manifest: Manifest
) -> Mapping[str, object]:
    try:
        context = read_check(message)
        verdict = read_verdict(moderator.check(context), manifest, context)
        return _pack(verdict, moderator, manifest)
    except BaseException as error:  # even SystemExit: the process is not the plugin's to end
        return {"error": type(error).__name__}


def _judge_batch(
    messages: Sequence[Mapping[str, Any]], moderator: Any, manifest: Manifest
) -> list[Mapping[str, object]] | None:
    """Return the answers from one call; None if it fails, for then each is asked alone."""
    try:
        contexts = [read_check(message) for message in messages]
        verdicts = read_batch(moderator.check_batch(contexts), manifest, contexts)
        return [_pack(verdict, moderator, manifest) for verdict in verdicts]
    except BaseException:
        return None


def _pack(verdict: Verdict, moderator: Moderator, manifest: Manifest) -> Mapping[str, object]:
    version = read_version(moderator, manifest.version)
    return {"verdict": pack_verdict(verdict), "version": version}


def _be_first_to_go() -> None:
    """Ask the kernel to take this process, never the chat, when the machine is out of memory."""
    with suppress(OSError):  # not on Linux, or not allowed
        _OOM_SCORE.write_text("1000")


def _stay_alert(stuck_s: float) -> None:
    """End this process when a call keeps the interpreter to itself, so that nothing else runs.

    Nobody could hear that the parent is gone, then. The alarm is a thread that doesn't need the
    interpreter.
    """
    with Path(os.devnull).open("w") as nowhere:
        while True:
            faulthandler.dump_traceback_later(stuck_s, exit=True, file=nowhere)
            time.sleep(stuck_s / 4)


def _start(function: Any, *arguments: object) -> None:
    threading.Thread(target=function, args=arguments, daemon=True).start()


if __name__ == "__main__":
    main()
