"""One worker process, as its parent sees it: lines go in, lines come out, and it can be ended."""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from moderation.workers.wire import MAX_LINE_BYTES

_ROOT = Path(__file__).parents[2]  # the folder of app.py
_REAP_S = 5.0
# All that a worker gets of the environment: where things are, never a key, a token or a password.
ENVIRONMENT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "XDG_CACHE_HOME",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_HUB_OFFLINE",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    # Windows
    "SYSTEMROOT",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "TEMP",
    "TMP",
)


class Process:
    """A running worker. Two threads carry its lines, so that no pipe can block anybody else."""

    def __init__(
        self,
        task: bytes,
        environment: Mapping[str, str],
        take_line: Callable[["Process", bytes], None],
    ):
        """Start a worker.

        Args:
            task: its first line.
            environment: variables, of which it gets those in `ENVIRONMENT`.
            take_line: called in a thread with each of its lines; with b"" at last, when it has
                closed its pipe, or said more in one line than it may.

        Raises:
            OSError: the machine starts no more processes.
        """
        # What it prints is dropped: a moderator could print the conversation.
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "moderation.workers.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=_ROOT,
            env={name: environment[name] for name in ENVIRONMENT if name in environment},
            start_new_session=True,
        )
        self.pid = self._popen.pid
        self._take_line = take_line
        self._outgoing: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.send(task)
        for carry in (self._write, self._read):
            threading.Thread(target=carry, name=f"worker-{self.pid}", daemon=True).start()

    def send(self, line: bytes) -> None:
        """Send a line, soon."""
        self._outgoing.put(line)

    def end(self) -> int:
        """Kill it and everything that it started; return its exit status. Can be called twice.

        The status is negative for a signal; that of a worker which had ended by itself is its own.
        """
        if self._popen.returncode is None:
            # Not reaped yet, so the number is still its own, even if it is dead.
            with suppress(OSError):
                _kill_group(self._popen)
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(_REAP_S)
            self.send(b"")
        return self._popen.returncode or 0

    def has_ended(self) -> bool:
        """Say if it ended by itself; its pipe can outlive it, in the hands of what it started."""
        if self._popen.returncode is not None:
            return True
        if not hasattr(os, "waitid"):
            return self._popen.poll() is not None
        # Looked at, but not reaped: its number stays its own until `end` has killed its group.
        look = os.WEXITED | os.WNOHANG | os.WNOWAIT
        with suppress(ChildProcessError):
            return os.waitid(os.P_PID, self.pid, look) is not None
        return True

    def measure_mb(self) -> float:
        """Return how much memory it holds, in MiB; 0 where that can't be told (not on Linux)."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, ValueError, IndexError):
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def _write(self) -> None:
        pipe = self._popen.stdin
        assert pipe is not None
        with suppress(OSError), pipe:  # it is gone: whoever reads will notice
            while line := self._outgoing.get():
                pipe.write(line)
                pipe.flush()

    def _read(self) -> None:
        pipe = self._popen.stdout
        assert pipe is not None
        with pipe:
            while line := pipe.readline(MAX_LINE_BYTES + 1):
                self._take_line(self, line)
                if not line.endswith(b"\n"):
                    break
        self._take_line(self, b"")


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
