"""Ends an answer at a stop string, even if it comes in pieces."""

from collections.abc import Sequence


class StopStrings:
    """Passes an answer's text through up to the first stop string, which is left out.

    Text that could be the beginning of a stop string is held back until it's known not to be
    one. Where the text is cut into pieces makes no difference to what comes out.
    """

    def __init__(self, stop: Sequence[str]):
        """Look for any of `stop`, none of them empty."""
        self._stop = tuple(stop)
        self._held = ""
        self.is_found = False

    def push(self, text: str) -> str:
        """Return what may be shown now that `text` has come; after the end, nothing more."""
        if self.is_found:
            return ""
        text = self._held + text
        ends = [
            (start + len(stop), start) for stop in self._stop if (start := text.find(stop)) >= 0
        ]
        if ends:
            # The one that was complete first, as if the text had come letter by letter.
            self.is_found = True
            self._held = ""
            return text[: min(ends)[1]]
        split = len(text) - self._count_held(text)
        self._held = text[split:]
        return text[:split]

    def flush(self) -> str:
        """Return what is held back: no more text will come."""
        held, self._held = self._held, ""
        return held

    def _count_held(self, text: str) -> int:
        """Return the length of the longest end of `text` that begins a stop string."""
        longest = max((len(stop) for stop in self._stop), default=0)
        for length in range(min(longest - 1, len(text)), 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self._stop):
                return length
        return 0
