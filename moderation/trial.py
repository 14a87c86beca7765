"""One moderator on trial: asked with a deadline, and complained about in sentences."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from chat.types import Message, Span, Stage, Verdict
from moderation.base import Manifest, ModerationContext, Moderator
from moderation.crew import Crew, Outcome, Overdue
from moderation.reading import NonsenseAnswer, read_verdict

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Problem:
    """One way in which a moderator breaks the contract.

    Attributes:
        about: what was tried, such as "manifest" or "an empty text".
        message: one sentence on what is wrong, and what is right.
    """

    about: str
    message: str

    def __str__(self) -> str:
        """Return it as a line to print."""
        return f"{self.about}: {self.message}"


class Hung(Exception):
    """A check took too long; its thread can't be stopped, so nothing more is tried."""


class Trial:
    """What is wrong with a moderator, as far as it was tried."""

    def __init__(self, moderator: Moderator, manifest: Manifest, timeout_s: float):
        """Try `moderator`; each call may take `timeout_s`."""
        self.found: list[Problem] = []
        self.moderator = moderator
        self.manifest = manifest
        self.timeout_s = timeout_s

    def complain(self, about: str, message: str) -> None:
        """Note a problem."""
        self.found.append(Problem(about, message))

    def judge(self, about: str, context: ModerationContext) -> Verdict | None:
        """Return the verdict on `context`; complain if there is none."""
        outcome = self.ask(about, context)
        if isinstance(outcome, Verdict) and outcome.outcome == "error":
            self.complain(about, f"It says that it has failed ({outcome.reason}).")
        elif isinstance(outcome, NonsenseAnswer):
            self.complain(about, f"The answer cannot be used: {outcome}.")
        elif isinstance(outcome, BaseException):
            self._complain_about_error(about, outcome)
        return outcome if isinstance(outcome, Verdict) else None

    def ask(self, about: str, context: ModerationContext) -> Verdict | BaseException | None:
        """Return the verdict on `context`, or the exception in its place.

        Raises:
            Hung: it takes too long.
        """
        outcome = self._call(
            about, lambda: read_verdict(self.moderator.check(context), self.manifest, context)
        )
        return outcome.value if outcome.error is None else outcome.error

    def make(self, about: str, function: Callable[[], T]) -> T | None:
        """Return what `function` returns; complain if it raises.

        Raises:
            Hung: it takes too long.
        """
        outcome = self._call(about, function)
        if outcome.error is not None:
            self._complain_about_error(about, outcome.error)
        return outcome.value

    def _call(self, about: str, function: Callable[[], T]) -> Outcome[T]:
        async def call() -> Outcome[T]:
            return await Crew(1).run(function, self.timeout_s)

        try:
            return asyncio.run(call())
        except Overdue:
            raise Hung(about) from None

    def _complain_about_error(self, about: str, error: BaseException) -> None:
        self.complain(about, f"It raises {type(error).__name__}: {error}"[:300])


def thread_of(text: str, stage: Stage) -> tuple[Message, ...]:
    """Return a conversation that ends with `text`: a question, or the answer to one."""
    question = Message("user", "Tell me something.")
    return (Message("user", text),) if stage == "input" else (question, Message("assistant", text))


def is_same(one: object, other: object) -> bool:
    """Say if two verdicts say the same, or two exceptions are of one kind."""
    if isinstance(one, Verdict) and isinstance(other, Verdict):
        return (one.scores, one.spans, one.outcome) == (other.scores, other.spans, other.outcome)
    return type(one) is type(other)


def findings_of(verdict: Verdict) -> tuple[frozenset[str], tuple[Span, ...]]:
    """Return what a verdict says is there, but for how sure it is."""
    return frozenset(name for name, score in verdict.scores.items() if score >= 0.5), verdict.spans


def shorten(text: str) -> str:
    """Return `text` to be named in a sentence."""
    return repr(text if len(text) <= 40 else text[:37] + "...")
