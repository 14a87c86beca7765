"""Which files of the other place are applied to this disk's database: noted beside it."""

import json
import logging
from collections.abc import Iterable
from pathlib import Path

log = logging.getLogger(__name__)


class Seen:
    """A set of names that outlives the process; losing it costs time and nothing else."""

    def __init__(self, path: Path, target: str):
        """`target` names the other place: what was seen of another one doesn't count."""
        self._path = path
        self._target = target
        self.names: frozenset[str] = frozenset()

    def load(self) -> None:
        """Read what was noted."""
        try:
            state = json.loads(self._path.read_bytes())
            is_ours = state["target"] == self._target
            self.names = frozenset(state["seen"]) if is_ours else frozenset()
        except (OSError, ValueError, KeyError, TypeError):
            self.names = frozenset()  # then everything is applied again, which changes nothing

    def add(self, names: Iterable[str]) -> None:
        """Note more names."""
        self.replace(self.names | set(names))

    def replace(self, names: Iterable[str]) -> None:
        """Note these names, and no others."""
        self.names = frozenset(names)
        draft = self._path.with_suffix(".draft")
        try:
            draft.write_text(json.dumps({"target": self._target, "seen": sorted(self.names)}))
            draft.replace(self._path)
        except OSError as error:
            log.warning("What was synced can't be noted on this disk (%s)", error.strerror)
