"""Time that never stands still, so that newest-first has one meaning."""

import secrets
import threading
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


class Clock:
    """The time in UTC, strictly later at each call even when the machine's clock steps back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """Return the time, at least a microsecond after the time returned before."""
        with self._lock:
            self._last = max(datetime.now(UTC), self._last + _TICK)
            return self._last


def make_row_id(at: datetime, position: int = 0) -> str:
    """Return an id that no other process gives, and that sorts by time and then by `position`."""
    return f"{(at - EPOCH) // _TICK:016x}{position:04x}{secrets.token_hex(8)}"


def follow(now: datetime, earlier: datetime | None) -> datetime:
    """Return `now`, or just after `earlier` if a restarted machine's clock lags behind that."""
    return now if earlier is None else max(now, earlier + _TICK)
