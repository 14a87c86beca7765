"""A policy that is read again when its file changes."""

import logging
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

from chat.errors import PolicyError
from moderation.policy import Policy, find_policy

_log = logging.getLogger(__name__)
_EVERY_S = 1.0

# When it was changed, how long it is, and which file it is: an editor may put another in its place.
Stamp = tuple[int, int, int]


class PolicyFile:
    """The policy in a file. One that can't be used, or is being written, changes nothing."""

    def __init__(
        self,
        source: str | Path,
        categories: Collection[str] = (),
        moderators: Collection[str] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        calendar: Callable[[], float] = time.time,
    ):
        """Read the policy; see `Policy.load` for the arguments.

        `clock` says how long ago the last look was, `calendar` what time it is, as files have it.

        Raises:
            PolicyError: it isn't there, or says something that isn't allowed.
        """
        self.problem = ""
        self._source = source
        self._path = find_policy(source)
        self._categories = categories
        self._moderators = moderators
        self._clock = clock
        self._calendar = calendar
        self._lock = threading.Lock()
        self._looked_at = clock()
        # Before it is read: what is written meanwhile is seen at the next look.
        self._read = self._seen = self._stamp()
        self._policy = self._load()

    def current(self) -> Policy:
        """Return the policy as it is now; looks at the file once a second at most.

        A change counts once the file stayed the same for a second, by its time or from one look
        to the next, so that one that is half written isn't taken for a whole one. One that can't
        be used leaves the policy as it was, and `problem` says why.
        """
        with self._lock:
            if self._clock() - self._looked_at >= _EVERY_S:
                self._looked_at = self._clock()
                self._look()
            return self._policy

    def _look(self) -> None:
        stamp, before = self._stamp(), self._seen
        self._seen = stamp
        if stamp == self._read or not (stamp == before or self._is_at_rest(stamp)):
            return
        self._read = stamp
        try:
            self._policy = self._load()
            self.problem = ""
            _log.info("policy %s is now version %s", self._policy.name, self._policy.version)
        except PolicyError as error:
            gone = f"The policy {self._path.name} isn't there any more."
            self.problem = gone if stamp is None else str(error)
            _log.warning("%s Version %s goes on.", self.problem, self._policy.version)

    def _is_at_rest(self, stamp: Stamp | None) -> bool:
        """Say if the last change was a while ago: nobody may have asked for hours."""
        return stamp is not None and self._calendar() - stamp[0] / 1e9 >= _EVERY_S

    def _load(self) -> Policy:
        return Policy.load(self._source, categories=self._categories, moderators=self._moderators)

    def _stamp(self) -> Stamp | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
