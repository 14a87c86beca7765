"""A circuit breaker: what keeps failing is left alone for a while."""

import time
from collections.abc import Callable
from typing import Literal

State = Literal["working", "out", "probing"]


class Breaker:
    """Takes something out after failures in a row, and lets one call try it after a rest."""

    def __init__(
        self,
        max_failures: int = 5,
        cool_down_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._max_failures = max_failures
        self._cool_down_s = cool_down_s
        self._clock = clock
        self._num_failures = 0
        self._out_since = 0.0
        self._is_probing = False

    @property
    def state(self) -> State:
        """What a look at it says: working, out, or probing (one call tries it)."""
        if self._num_failures < self._max_failures:
            return "working"
        return "probing" if self._is_probing else "out"

    def admit(self) -> bool:
        """Say if a call may go through; whoever is admitted must report back."""
        if self._num_failures < self._max_failures:
            return True
        is_rested = self._clock() - self._out_since >= self._cool_down_s
        if self._is_probing or not is_rested:
            return False
        self._is_probing = True
        return True

    def record_success(self) -> None:
        """The call worked: everything is fine again."""
        self._num_failures = 0
        self._is_probing = False

    def record_failure(self) -> None:
        """The call failed; enough of them in a row, and the rest begins."""
        self._num_failures += 1
        self._is_probing = False
        if self._num_failures >= self._max_failures:
            self._out_since = self._clock()

    def record_nothing(self) -> None:
        """The call was given up before it could show anything."""
        self._is_probing = False
