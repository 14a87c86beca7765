"""The contract between Palaver and a moderator. A plugin needs no more than this page.

A moderator is any object with a ``manifest`` and one method, ``check(context)``, which judges the
last message of the context and says what it found. It never says what follows from that: the
operator's policy does. See docs/moderators.md for an example that imports nothing of Palaver.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import RLock
from typing import Any, Protocol

from chat.types import Message, Span, Stage, Verdict
from moderation.lazy import Lazy
from moderation.text.normalise import find_open, make_views, normalise, read_texts
from moderation.text.view import View

# The reason of a check that failed because of the text, not of the moderator: anybody can write a
# long one, so it must not make a moderator look broken, and then pass.
TOO_LONG = "too-long"
# Reasons of failed checks that are closed where the policy's on_error says open. Beside that of the
# text, those are the operator's to mend: a service that refuses the key, or a setting that can't
# work. Else a key that ran out would switch moderation off, and nobody would see it.
NEVER_OPEN = frozenset({"unauthorised", "misconfigured", TOO_LONG})


@dataclass(frozen=True)
class ModerationContext:
    """What a moderator gets to see: the bare conversation, the message to judge last.

    ``is_partial`` says that the message is still being written; it then ends where a word ends.
    ``locale`` is what the reader's browser prefers, such as "de-CH", or empty.
    """

    messages: tuple[Message, ...]
    stage: Stage
    is_partial: bool = False
    locale: str = ""
    # Who follows this answer while it grows, by the name of the moderator that they stand in for.
    listeners: Mapping[str, "Moderator"] = field(default_factory=dict, repr=False, compare=False)
    lock: Any = field(default_factory=RLock, init=False, repr=False, compare=False)

    @property
    def text(self) -> str:
        """The text to judge."""
        return self.messages[-1].content

    @Lazy
    def normalised(self) -> View:
        """The text without disguises, and the way back to the original's characters."""
        return normalise(self.text)

    @Lazy
    def views(self) -> tuple[View, ...]:
        """Every way in which the text may be meant, decoded parts among them; for word lists."""
        return make_views(self.text)

    @Lazy
    def open_from(self) -> int:
        """Where in a partial text more text may still change how it is read; else its length."""
        return find_open(self.text) if self.is_partial else len(self.text)

    @Lazy
    def readings(self) -> tuple[str, ...]:
        """The normalised texts that a classifier should score; the worst one counts."""
        return read_texts(self.text)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a moderator says about itself; known before anything is judged.

    ``hold_back`` is how many normalised characters at the end of a growing answer could become
    part of a finding when more text follows: the length of the longest match, 0 for a classifier.
    ``languages`` is empty for a moderator that doesn't care.
    """

    name: str
    version: str = "0"
    stages: tuple[Stage, ...] = ("input", "output")
    categories: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    hold_back: int = 0
    needs_network: bool = False
    description: str = ""

    def verdict(
        self,
        stage: Stage,
        spans: Iterable[Span] = (),
        scores: Mapping[str, float] | None = None,
    ) -> Verdict:
        """Return this moderator's verdict: `scores`, and for each span's category at least its."""
        spans = tuple(sorted(set(spans), key=lambda span: (span.start, span.end, span.category)))
        merged = dict(scores or {})
        for span in spans:
            merged[span.category] = max(span.score, merged.get(span.category, 0.0))
        return Verdict(self.name, self.version, stage, scores=merged, spans=spans)

    def failure(self, stage: Stage, reason: str, latency_ms: float = 0.0) -> Verdict:
        """Return the verdict that says that this moderator failed; `reason` is one word."""
        return Verdict(
            self.name, self.version, stage, outcome="error", reason=reason, latency_ms=latency_ms
        )


class Moderator(Protocol):
    """Judges texts. ``check`` runs in threads of its own, several at a time.

    It may have two methods more, if it gains by them: see `BatchModerator`, `StreamModerator`.
    """

    @property
    def manifest(self) -> Manifest:
        """What this moderator is; a plain mapping with the same keys will do."""
        ...

    def check(self, context: ModerationContext) -> Verdict | Mapping[str, object]:
        """Judge the last message of `context`.

        The answer is a Verdict, or as good: a mapping (or an object with attributes) of
        ``scores``, category to a number from 0 to 1, and optionally ``spans``, a list of
        ``(start, end, category)`` or ``(start, end, category, score)`` in ``context.text``.
        With an ``outcome`` of "abstained" it has nothing to say, with "error" it has failed; a
        ``reason`` of one word goes with either. To raise is fine, too: it counts as the policy's
        ``on_error`` says.
        """
        ...


class BatchModerator(Moderator, Protocol):
    """A moderator that judges several texts at once quicker than one after the other."""

    def check_batch(
        self, contexts: Sequence[ModerationContext]
    ) -> Sequence[Verdict | Mapping[str, object]]:
        """Return an answer for each context, in their order, each as `check` gives it.

        If it raises, each text is judged alone: one must not take the others along.
        """
        ...


class ModeratorStream(Protocol):
    """What listens to one growing answer."""

    def feed(self, text: str) -> Verdict | Mapping[str, object]:
        """Judge all of the answer so far, of which `text` is new; spans count from its begin."""
        ...

    def close(self) -> None:
        """End: nothing more is fed. A second call does nothing."""
        ...


class StreamModerator(Moderator, Protocol):
    """A moderator that follows an answer while it grows, and needn't read it from the start."""

    def open_stream(self, context: ModerationContext) -> ModeratorStream:
        """Begin to listen; the last message of `context` is the answer, still empty."""
        ...


def keep_spans(verdict: Verdict, start: int, end: int) -> Verdict:
    """Return `verdict` without the findings that end at or before `start`, or after `end`.

    A category without spans is about the text as a whole and stays; one that loses spans keeps
    the score of those that remain.
    """
    kept = tuple(span for span in verdict.spans if start < span.end <= end)
    lost = {span.category for span in verdict.spans} if len(kept) < len(verdict.spans) else set()
    scores = dict(verdict.scores)
    for category in lost:
        remaining = [span.score for span in kept if span.category == category]
        scores[category] = max(remaining, default=0.0)
    return replace(verdict, scores=scores, spans=kept)
