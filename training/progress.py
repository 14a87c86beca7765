"""How far a stage has come: a bar in a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TypeVar

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")
_LINE_EVERY_S = 20.0


def track(items: Iterable[T], title: str) -> Iterator[T]:
    """Yield `items` while showing how many there were."""
    with ProgressReport(title, total=None) as report:
        for count, item in enumerate(items, 1):
            if count % 1000 == 0:
                report.show(count, "")
            yield item


class ProgressReport:
    """Shows steps done, a line of figures and the time left; use it in a ``with``."""

    def __init__(self, title: str, total: int | None, line_every_s: float = _LINE_EVERY_S) -> None:
        self._title = title
        self._total = total
        self._line_every_s = line_every_s
        self._started = self._said = time.monotonic()
        self._first: int | None = None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            disable=not sys.stdout.isatty(),
        )
        self._task = self._bar.add_task(title, total=total, figures="")

    def __enter__(self) -> "ProgressReport":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def show(self, done: int, figures: str) -> None:
        """Update the bar; in a log, print a line if the last one is some time ago."""
        self._first = done if self._first is None else self._first
        self._bar.update(self._task, completed=done, figures=figures)
        now = time.monotonic()
        if not self._bar.disable or now - self._said < self._line_every_s:
            return
        self._said = now
        print(f"{self._title} {done}{self._of_total()} {figures} {self._left(done)}", flush=True)

    def say(self, text: str) -> None:
        """Print a line of its own, above the bar."""
        if self._bar.disable:
            print(text, flush=True)
        else:
            self._bar.console.print(text, highlight=False, markup=False)

    def _of_total(self) -> str:
        return f"/{self._total}" if self._total else ""

    def _left(self, done: int) -> str:
        steps = done - (self._first or 0)
        if not self._total or not steps:
            return ""
        seconds = (time.monotonic() - self._started) / steps * (self._total - done)
        return f"{seconds / 60:.1f} min left"
