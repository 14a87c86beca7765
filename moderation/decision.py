"""What is to be done with a text, and the words for it."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import get_args

from chat.types import Action, Span, Verdict

ERROR = "error"  # the category of a moderator that failed
SHADOW = "shadow"  # the reason of a verdict that was only recorded
ACTIONS: tuple[Action, ...] = get_args(Action)  # mildest first
_SEVERITIES = {action: place for place, action in enumerate(ACTIONS)}
REFUSALS: tuple[Action, ...] = ("template", "block", "escalate")


@dataclass(frozen=True, slots=True)
class Pending:
    """A check in shadow; ``late`` is what the record says if it isn't done when that is written."""

    checking: asyncio.Future[Verdict]
    late: Verdict

    @property
    def verdict(self) -> Verdict:
        """What it came to, as far as it is known."""
        task = self.checking
        is_known = task.done() and not task.cancelled() and task.exception() is None
        return task.result() if is_known else self.late


async def settle(pending: Iterable[Pending], wait_s: float | None = None) -> None:
    """Wait for checks in shadow, so long at most, or as long as they take."""
    if tasks := [one.checking for one in pending]:
        await asyncio.wait(tasks, timeout=wait_s)


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done with a text, and the verdicts that led to it.

    ``pending`` are moderators in shadow that were still at it when the others had decided.
    """

    action: Action = "allow"
    category: str = ""
    verdicts: tuple[Verdict, ...] = ()
    redactions: tuple[Span, ...] = ()
    pending: tuple[Pending, ...] = field(default=(), compare=False, repr=False)

    @property
    def is_refused(self) -> bool:
        """Say if the text must not be used or shown."""
        return self.action in REFUSALS

    def apply(self, text: str) -> str:
        """Return `text` with what is to be redacted replaced, as in "write to [EMAIL]"."""
        parts: list[str] = []
        last = 0
        for span in self.redactions:
            parts += (text[last : span.start], placeholder(span.category))
            last = span.end
        return "".join(parts) + text[last:]

    def late_verdicts(self) -> tuple[Verdict, ...]:
        """Return for the record what came from moderators in shadow since the decision, or that
        it has not come yet."""
        return tuple(one.verdict for one in self.pending)


def placeholder(category: str) -> str:
    """Return what a reader sees in place of a finding: "[EMAIL]" for pii/email."""
    return f"[{category.rpartition('/')[2].upper()}]"


def severity(action: Action) -> int:
    """Return the place of `action` in the order from allow to escalate."""
    return _SEVERITIES[action]


def merge_spans(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return `spans` in order, those that overlap as one; the longest gives the category."""
    merged: list[Span] = []
    longest = 0
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        length = span.end - span.start
        if not merged or span.start >= merged[-1].end:
            merged.append(span)
            longest = length
            continue
        last = merged[-1]
        category = span.category if length > longest else last.category
        longest = max(longest, length)
        merged[-1] = replace(last, end=max(last.end, span.end), category=category)
    return tuple(merged)
