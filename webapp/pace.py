"""How long answers take here lately, to tell those in line how long they will wait."""

WEIGHT = 0.2


class Pace:
    """A moving average over the seconds that answers took (exponential, newest weigh most)."""

    def __init__(self) -> None:
        self._mean_s = 0.0

    def record(self, seconds: float) -> None:
        """Take in how long the newest answer took."""
        if self._mean_s:
            self._mean_s += WEIGHT * (seconds - self._mean_s)
        else:
            self._mean_s = seconds

    def wait_s(self, position: int, max_running: int) -> float:
        """Return the expected seconds until `position` in line begins; 0 if nothing is known.

        With `max_running` answers at a time one of them ends every mean/max_running seconds.
        """
        return position * self._mean_s / max(max_running, 1)
