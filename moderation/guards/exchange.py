"""One JSON exchange with a service: what may go wrong has a name, and nothing takes too long."""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpcore

from moderation.guards.address import RefusedAddress
from moderation.guards.network import Backend, Deadline

_MAX_ERROR_BYTES = 1 << 16
_MAX_CONNECTIONS = 32
_KEPT_S = 20.0
_PAUSE_S = 0.1
# A service that asks for patience gets it, up to a limit.
_MAX_PATIENCE_S = 60.0
_REASONS = {401: "unauthorised", 402: "unauthorised", 403: "unauthorised", 404: "misconfigured",
            405: "misconfigured", 408: "timeout", 410: "misconfigured", 421: "misconfigured",
            429: "rate-limited"}  # fmt: skip


class ExchangeFailed(Exception):
    """An exchange came to nothing; `reason` is one word, `body` what the service said, if JSON."""

    def __init__(self, reason: str, body: object = None):
        super().__init__(reason)
        self.reason = reason
        self.body = body


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    retry_after_s: float | None


class Exchange:
    """Calls one service. Any number of threads may use it at a time.

    Redirects are never followed and proxies of the environment never used, so a call goes where
    the setting says, or nowhere.
    """

    def __init__(
        self,
        url: str,
        *,
        allow_private: bool = False,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = 1 << 20,
        is_repeatable: bool = True,
    ):
        """Prepare; nothing is called yet.

        Args:
            url: where the service is.
            allow_private: whether it may be somewhere else than on the public internet.
            headers: sent with each call.
            max_bytes: the longest answer that is read.
            is_repeatable: whether the same call may be made twice; otherwise a second try is
                made only if the first never left.
        """
        self._url = url.rstrip("/")
        self._max_bytes = max_bytes
        self._is_repeatable = is_repeatable
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "User-Agent": "palaver",
            **(headers or {}),
        }
        self._deadline = Deadline()
        self._quiet_until = 0.0
        self._pool = httpcore.ConnectionPool(
            max_connections=_MAX_CONNECTIONS,
            max_keepalive_connections=_MAX_CONNECTIONS,
            keepalive_expiry=_KEPT_S,
            network_backend=Backend(self._deadline, allow_private=allow_private),
        )

    def close(self) -> None:
        """Close the connections that are kept."""
        self._pool.close()

    def post(
        self, path: str, body: bytes, end: float, headers: Mapping[str, str] | None = None
    ) -> object:
        """Send `body`, which is JSON, and return the JSON that comes back.

        Args:
            path: after the service's address.
            body: what to send.
            end: until when, by the monotonic clock, with looking up, connecting and a second try.
            headers: of this call alone.

        Raises:
            ExchangeFailed: something else came back, or nothing.
        """
        self._deadline.set(end)
        if time.monotonic() < self._quiet_until:
            raise ExchangeFailed("rate-limited")
        for is_last in (False, True):
            try:
                answer = self._send(path, body, headers or {})
            except ExchangeFailed:
                raise
            except Exception as error:
                reason, may_repeat = self._explain(error)
                if is_last or not may_repeat or not self._pause(_PAUSE_S):
                    raise ExchangeFailed(reason) from None
                continue
            if 200 <= answer.status < 300:
                return _read_json(answer.body)
            if is_last or not self._may_repeat(answer):
                raise _refusal(answer)
        raise AssertionError("the last try returns or raises")

    def _send(self, path: str, body: bytes, headers: Mapping[str, str]) -> _Answer:
        pairs = list({**self._headers, **headers}.items())
        timeouts = {"timeout": {"pool": max(self._deadline.left(), 0.001)}}
        with self._pool.stream(
            "POST", f"{self._url}{path}", headers=pairs, content=body, extensions=timeouts
        ) as response:
            is_good = 200 <= response.status < 300
            limit = self._max_bytes if is_good else _MAX_ERROR_BYTES
            chunks: list[bytes] = []
            num_bytes = 0
            for chunk in response.iter_stream():
                chunks.append(chunk)
                num_bytes += len(chunk)
                if num_bytes > limit:
                    if is_good:
                        raise ExchangeFailed("too-large")
                    break
            given = {name.lower(): value for name, value in response.headers}
            return _Answer(response.status, b"".join(chunks), _read_wait(given))

    def _explain(self, error: Exception) -> tuple[str, bool]:
        """Return the reason of a failure, and whether a second try is allowed."""
        if isinstance(error, RefusedAddress):
            return "misconfigured", False
        if isinstance(error, httpcore.ConnectError):
            return "unreachable", True
        if isinstance(error, httpcore.TimeoutException):
            return "timeout", False
        if isinstance(error, httpcore.NetworkError | httpcore.ProtocolError):
            return "unreachable", self._is_repeatable
        if isinstance(error, httpcore.UnsupportedProtocol | ValueError):
            return "misconfigured", False
        return "unreachable", False  # the operating system, TLS

    def _may_repeat(self, answer: _Answer) -> bool:
        if answer.status == 429:
            wait_s = answer.retry_after_s
            if wait_s is None:
                return False
            self._quiet_until = time.monotonic() + min(wait_s, _MAX_PATIENCE_S)
            return self._is_repeatable and self._pause(wait_s)
        return answer.status >= 500 and self._is_repeatable and self._pause(_PAUSE_S)

    def _pause(self, wait_s: float) -> bool:
        """Wait, if there is time for that and another try; say if there was."""
        if self._deadline.left() < wait_s + _PAUSE_S:
            return False
        time.sleep(wait_s)
        return True


def dump(value: object) -> bytes:
    """Return `value` as JSON; characters that no text should have are replaced."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _refusal(answer: _Answer) -> ExchangeFailed:
    status = answer.status
    if status < 400:
        return ExchangeFailed("misconfigured")  # a redirect
    reason = _REASONS.get(status, "unavailable" if status >= 500 else "rejected")
    try:
        return ExchangeFailed(reason, _read_json(answer.body))
    except ExchangeFailed:
        return ExchangeFailed(reason)


def _read_json(body: bytes) -> object:
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        raise ExchangeFailed("garbage") from None
    return value


def _read_wait(headers: Mapping[bytes, bytes]) -> float | None:
    """Return the seconds of Retry-After; its other form, a date, is taken for a long time."""
    value = headers.get(b"retry-after")
    if value is None:
        return None
    try:
        wait_s = float(value)
    except ValueError:
        return _MAX_PATIENCE_S
    return max(wait_s, 0.0) if math.isfinite(wait_s) else _MAX_PATIENCE_S
