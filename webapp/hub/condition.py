"""How a copy of the chats is doing, in words for everybody; the log has the rest."""

import logging
from datetime import datetime

log = logging.getLogger(__name__)

FAILING = "The copy of the chats can't be used now; the log says why."
DAMAGED = "Some files of the copy are damaged, left out and left alone; the log names them."


class Condition:
    """What went well and what didn't."""

    def __init__(self, kind: str, target: str):
        """`target` names the place, in the log alone."""
        self._kind = kind
        self._target = target
        self.num_failures = 0
        self.is_connected = False
        self.damaged: frozenset[str] = frozenset()
        self.pushed_at: datetime | None = None

    def note_failure(self, reason: str) -> None:
        """Note that it didn't work, and log why."""
        self.num_failures += 1
        log.warning("Chats aren't in step with %s: %s", self._target, reason)

    def note_success(self) -> None:
        """Note that all of it worked."""
        if self.num_failures:
            log.info("Chats are in step with %s again", self._target)
        self.num_failures = 0

    def note_damage(self, name: str, reason: str) -> None:
        """Note that a file isn't what was written: somebody has to look at it."""
        self.damaged |= {name}
        log.warning("%s It is left out and left alone.", reason)

    def status(self, *, is_pending: bool) -> dict[str, object]:
        """Return kind, state (ok, behind or failing), last_push, pending and note.

        Everybody may see it, so the place isn't named, nor what exactly went wrong.
        """
        is_failing = self.num_failures > 0 or bool(self.damaged)
        return {
            "kind": self._kind,
            "state": "failing" if is_failing else "behind" if is_pending else "ok",
            "last_push": self.pushed_at.isoformat() if self.pushed_at else None,
            "pending": is_pending,
            "note": FAILING if self.num_failures else DAMAGED if self.damaged else "",
        }

    @property
    def banner(self) -> str:
        """One sentence for the page, or nothing when all is well."""
        if not self.is_connected:
            return "Earlier chats couldn't be fetched yet; they appear once that works."
        if self.damaged:
            return "Some earlier chats couldn't be read; the log names the files."
        # One failure may be a hiccup, and the next round is soon.
        if self.num_failures > 1:
            return "New chats can't be kept safe right now: a restart would lose the latest ones."
        return ""

    @property
    def damage(self) -> str:
        """What is damaged, for the log."""
        if not self.damaged:
            return ""
        return f"Damaged, left out and left alone: {', '.join(sorted(self.damaged))}."
