"""Sockets as the moderators' calls need them: to allowed addresses alone, and never for too long.

A timeout for each read is not enough: a server that sends a byte a second would hold a check for
ever. So every read and write gets what is left of the time for the whole call.
"""

import threading
import time
from collections.abc import Iterable
from typing import Any

import httpcore

from moderation.guards.address import UnknownHost, resolve

_WRITE_BYTES = 1 << 16


class Deadline:
    """Until when the call that this thread makes has to be done."""

    def __init__(self) -> None:
        self._local = threading.local()

    def set(self, end: float) -> None:
        """Say until when, by the monotonic clock, the call of this thread has to be done."""
        self._local.end = end

    def left(self) -> float:
        """Return how many seconds are left to the call of this thread; less than 0 if none."""
        return float(getattr(self._local, "end", 0.0)) - time.monotonic()

    def take(self, problem: type[Exception]) -> float:
        """Return how many seconds are left.

        Raises:
            Exception: `problem`, if none are.
        """
        left = self.left()
        if left <= 0:
            raise problem
        return left


class Backend(httpcore.NetworkBackend):
    """Connects to addresses that are allowed, within the time of the call."""

    def __init__(self, deadline: Deadline, *, allow_private: bool):
        self._deadline = deadline
        self._allow_private = allow_private
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of `host` that answers.

        Raises:
            RefusedAddress: it has only addresses that aren't allowed.
        """
        left = self._deadline.take(httpcore.ConnectTimeout)
        try:
            addresses = resolve(host, port, allow_private=self._allow_private, timeout_s=left)
        except UnknownHost as error:
            raise httpcore.ConnectError(str(error)) from error
        problem: Exception = httpcore.ConnectError(host)
        for place, address in enumerate(addresses):
            left = self._deadline.take(httpcore.ConnectTimeout)
            share = left / (len(addresses) - place)  # so that one silent address isn't the end
            try:
                stream = self._sockets.connect_tcp(address, port, share)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
            else:
                return _Stream(stream, self._deadline)
        raise problem


class _Stream(httpcore.NetworkStream):
    """A connection whose reads and writes end with the call."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline):
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.take(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _WRITE_BYTES):
            left = self._deadline.take(httpcore.WriteTimeout)
            self._inner.write(buffer[start : start + _WRITE_BYTES], left)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadline.take(httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
