"""Time that never stands still, so that newest-first has one meaning."""

import threading
from datetime import UTC, datetime, timedelta

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
