"""Lets an answer out while it is being written, and nothing that must not be seen."""

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from chat.types import Message, Span, Verdict
from moderation.base import ModerationContext, keep_spans
from moderation.chain import Chain
from moderation.decision import SHADOW, Pending, settle
from moderation.policy import Decision, placeholder, severity
from moderation.text.prefixes import WORD_END
from moderation.text.view import View

Mode = Literal["window", "buffer_all"]

# A partial text is judged after so many new characters, or at the end of a sentence.
_STEP_CHARS = 48
_MAX_STEP_CHARS = 96
_MIN_SENTENCE_CHARS = 16
# How much of what was released is judged again, as context of what follows.
_CONTEXT_CHARS = 2_000
_SENTENCE_END = re.compile(r"(?:[.!?:;…][\"')\]]*\s|[\n。！？])$")


@dataclass(frozen=True, slots=True)
class _Shadows:
    """What is still to come for the text from ``start``, of which ``part`` is new and settled."""

    pending: tuple[Pending, ...]
    start: int
    part: tuple[int, int]


class OutputGate:
    """Judges one growing answer and releases what no later text can turn bad.

    Where the text is judged depends on the text alone, so the same answer in other chunks gives
    the same outcome. A finding that reaches into the part held back waits until it is settled;
    nothing of it is released before. Once refused, nothing is released any more.
    """

    def __init__(
        self,
        chain: Chain,
        history: tuple[Message, ...],
        *,
        mode: Mode = "window",
        locale: str = "",
    ):
        """Open a gate for the answer to the last message of `history`.

        Args:
            chain: who judges.
            history: the conversation so far.
            mode: "window" releases while judging; "buffer_all" nothing before all is judged.
            locale: what the reader's browser prefers, such as "de-CH".
        """
        self.decision = Decision()
        self._chain = chain
        self._history = history
        self._mode = mode
        self._locale = locale
        self._text = ""
        self._judged = 0  # up to where the text was judged
        self._passed = 0  # up to where it was released, in characters of the raw text
        self._scanned = 0  # up to where it was searched for ends of words
        self._shown: list[str] = []
        self._worst: dict[str, Verdict] = {}
        self._shadows: list[_Shadows] = []
        empty = Message("assistant", "")
        self._listeners = chain.listen(ModerationContext((*history, empty), "output", True, locale))

    @property
    def released(self) -> str:
        """All that was released: what the reader saw."""
        return "".join(self._shown)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """For each moderator one verdict on the whole answer, as bad as the worst on a part.

        Those in shadow are all among them once the gate has settled.
        """
        return tuple(self._worst.values())

    async def feed(self, text: str) -> str:
        """Take more of the answer; return what may be shown now."""
        if self.decision.is_refused:
            return ""
        self._text += text
        if self._mode == "buffer_all":
            return ""
        if not self._chain.watches("output"):
            return self._release(len(self._text), ())
        parts = []
        while (end := self._next_stop()) is not None and not self.decision.is_refused:
            parts.append(await self._advance(end))
        return "".join(parts)

    async def finish(self) -> str:
        """Judge the end of the answer; return the rest of it."""
        if self.decision.is_refused:
            return ""
        text, start = self._window(len(self._text))
        found = await self._chain.check(self._context(text, is_partial=False))
        decision = self._decide(found, start, len(text))
        if decision.is_refused:
            return ""
        return self._release(len(self._text), _shift(decision.redactions, start))

    async def settle(self, wait_s: float) -> None:
        """Take on record what moderators in shadow found; waits for them so long at most."""
        await settle([one for shadows in self._shadows for one in shadows.pending], wait_s)
        for shadows in self._shadows:
            found = (keep_spans(one.verdict, *shadows.part) for one in shadows.pending)
            self._record(found, shadows.start)
        self._shadows.clear()

    async def close(self) -> None:
        """End what the moderators have begun for this answer; to be called on every path."""
        for listener in self._listeners.values():
            await self._chain.leave(listener)

    async def _advance(self, end: int) -> str:
        text, start = self._window(end)
        context = self._context(text, is_partial=True)
        found = await self._chain.check(context)
        limit = self._limit(context, found)
        decision = self._decide(found, start, limit)
        self._judged = end
        if decision.is_refused:
            return ""
        unsettled = [s.start for v in found.verdicts for s in v.spans if s.end > limit]
        limit = _end_of_word(text, min([limit, *unsettled]))
        return self._release(start + limit, _shift(decision.redactions, start))

    def _decide(self, found: Decision, start: int, limit: int) -> Decision:
        """Decide by what is settled and new: what was released has been judged before."""
        passed = self._passed - start
        verdicts = [keep_spans(verdict, passed, limit) for verdict in found.verdicts]
        decision = self._chain.policy.decide("output", verdicts)
        if severity(decision.action) >= severity(self.decision.action):
            self.decision = decision
        self._record(decision.verdicts, start)
        if found.pending:
            self._shadows.append(_Shadows(found.pending, start, (passed, limit)))
        return decision

    def _next_stop(self) -> int | None:
        """Return where to judge next: at the end of a word, or None if that is not yet known."""
        # Short steps first, that something shows soon. The longer what is held back, the longer
        # until it is read again: together it stays linear.
        step = min(max(_STEP_CHARS, self._judged // 2), _MAX_STEP_CHARS)
        step = max(step, (self._judged - self._passed) // 2)
        shortest = max(_MIN_SENTENCE_CHARS, step // 3)
        for match in WORD_END.finditer(self._text, max(self._scanned, self._judged)):
            end = self._scanned = match.end()
            length = end - self._judged
            tail = self._text[max(self._judged, end - 8) : end]
            is_sentence = length >= shortest and _SENTENCE_END.search(tail)
            if length >= step or is_sentence:
                return end
        self._scanned = len(self._text)
        return None

    def _window(self, end: int) -> tuple[str, int]:
        """Return the text to judge and where it starts: some context, then all that is open."""
        start = 0
        if self._mode == "window" and self._passed > _CONTEXT_CHARS:
            first = WORD_END.search(self._text, self._passed - _CONTEXT_CHARS, self._passed)
            start = first.end() if first else self._passed
        for listener in self._listeners.values():
            listener.hear(self._text[:end], start)
        return self._text[start:end], start

    def _context(self, text: str, *, is_partial: bool) -> ModerationContext:
        messages = (*self._history, Message("assistant", text))
        return ModerationContext(messages, "output", is_partial, self._locale, self._listeners)

    def _limit(self, context: ModerationContext, found: Decision) -> int:
        """Return up to where findings in this partial text cannot change any more."""
        settled = {v.moderator: v.settled for v in found.verdicts if v.settled is not None}
        limit = min(settled.values(), default=len(context.text))
        open_chars = self._chain.hold_back("output", known=settled)
        if open_chars:
            views = (view for view in context.views if view.piece is None)
            limit = min([limit, *(_back(view, context.open_from, open_chars) for view in views)])
        return limit

    def _release(self, end: int, redactions: tuple[Span, ...]) -> str:
        end = min([end, *(span.start for span in redactions if span.start < end < span.end)])
        parts = []
        for span in redactions:
            if self._passed < span.end <= end:
                parts.append(self._text[self._passed : max(span.start, self._passed)])
                parts.append(placeholder(span.category))
                self._passed = span.end
        if end > self._passed:
            parts.append(self._text[self._passed : end])
            self._passed = end
        shown = "".join(parts)
        self._shown.append(shown)
        return shown

    def _record(self, verdicts: Iterable[Verdict], start: int) -> None:
        for verdict in verdicts:
            verdict = replace(verdict, spans=_shift(verdict.spans, start), settled=None)
            before = self._worst.get(verdict.moderator)
            self._worst[verdict.moderator] = _merge(before, verdict) if before else verdict


def _back(view: View, place: int, num_chars: int) -> int:
    """Return where in the original so many characters of the view before `place` begin."""
    return view.offsets[max(0, bisect_left(view.offsets, place) - num_chars)]


def _end_of_word(text: str, limit: int) -> int:
    """Return the last place before `limit` where a word ends, if there is one nearby."""
    ends = [match.end() for match in WORD_END.finditer(text, max(0, limit - 32), limit)]
    return ends[-1] if ends else limit


def _shift(spans: tuple[Span, ...], by: int) -> tuple[Span, ...]:
    return tuple(replace(span, start=span.start + by, end=span.end + by) for span in spans)


def _merge(before: Verdict, after: Verdict) -> Verdict:
    """Return one verdict for two parts of a text: the worse one, with what either found."""
    worse = max(after, before, key=_badness)
    names = {**before.scores, **after.scores}
    return replace(
        worse,
        scores={n: max(before.scores.get(n, 0.0), after.scores.get(n, 0.0)) for n in names},
        spans=tuple(sorted({*before.spans, *after.spans}, key=lambda span: span.start)),
        latency_ms=before.latency_ms + after.latency_ms,
        settled=None,
    )


def _badness(verdict: Verdict) -> tuple[int, bool, float, bool]:
    is_error = verdict.outcome == "error"
    is_missing = verdict.reason.startswith(f"{SHADOW}:")
    score = max(verdict.scores.values(), default=0.0)
    return severity(verdict.action), is_error, score, is_missing
