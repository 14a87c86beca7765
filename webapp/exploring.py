"""What would have been done last week under another threshold?"""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Protocol, get_args

from chat.errors import InvalidRequest
from chat.review import ListedVerdict, Scored, VerdictFilter, VerdictPage
from chat.types import Action, Stage

ACTIONS: tuple[Action, ...] = get_args(Action)  # mildest first
STAGES: tuple[Stage, ...] = get_args(Stage)
NUM_BINS = 20
MOST_VERDICTS = 200_000
MOST_SHOWN = 10
MOST_DAYS = 90
# How long what was read is good enough: the slider asks again and again.
FRESH_S = 60.0


class ScoreStore(Protocol):
    """Where verdicts are: `storage.store.Store`."""

    def iterate_scores(self, since: datetime) -> Iterator[Scored]:
        """Yield the scores of what was judged since then, the newest first."""

    def list_verdicts(
        self, wanted: VerdictFilter | None = None, *, cursor: str = "", limit: int = 50
    ) -> VerdictPage:
        """Return a page of verdicts."""


class Rules(Protocol):
    """What follows from a score: `moderation.policy.Policy`."""

    def action_for(self, stage: Stage, category: str, score: float) -> Action:
        """Return the action that a score leads to."""


@dataclass(frozen=True, slots=True)
class Question:
    """What if, at this stage, a score of `threshold` in `category` had led to `action`?

    Raises:
        InvalidRequest: something in it lies outside what is allowed.
    """

    category: str
    stage: Stage = "input"
    threshold: float = 0.5
    action: Action = "block"
    num_days: int = 7

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise InvalidRequest(f"threshold is {self.threshold}; allowed is 0 to 1.")
        if not 1 <= self.num_days <= MOST_DAYS:
            raise InvalidRequest(f"days is {self.num_days}; allowed is 1 to {MOST_DAYS}.")
        for name, value, allowed in (
            ("stage", self.stage, STAGES),
            ("action", self.action, ACTIONS),
        ):
            if value not in allowed:
                raise InvalidRequest(f"{name} is {value!r}; allowed are {', '.join(allowed)}.")


@dataclass(frozen=True, slots=True)
class Change:
    """A text with which something else would have been done."""

    verdict: ListedVerdict
    score: float
    before: Action
    after: Action


@dataclass(frozen=True, slots=True)
class Exploration:
    """What would have been.

    ``bins`` counts the scored texts by score, in `NUM_BINS` equal steps from 0 to 1 (1 is in the
    last). ``num_stricter`` and ``num_milder`` count the texts with which something else would
    have been done; `stricter` and `milder` are the first few of them. ``is_cut`` says that there
    are more verdicts than were looked at.
    """

    question: Question
    num_texts: int
    num_scored: int
    num_caught: int
    num_acted: int
    bins: tuple[int, ...]
    num_stricter: int
    num_milder: int
    stricter: tuple[Change, ...]
    milder: tuple[Change, ...]
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class _Sample:
    """One text: the score in the category, what was done, and what others alone would lead to."""

    verdict_id: str
    score: float
    before: int
    others: int


@dataclass(frozen=True, slots=True)
class _Reading:
    samples: Sequence[_Sample]
    num_texts: int
    num_acted: int
    is_cut: bool


class Explorer:
    """Answers such questions, and remembers for a minute what it has read."""

    def __init__(
        self,
        store: ScoreStore,
        read_policy: Callable[[], Rules],
        clock: Callable[[], float] = time.monotonic,
    ):
        """Ask `store`; `read_policy` returns today's policy, which decides what isn't recorded."""
        self._store = store
        self._read_policy = read_policy
        self._clock = clock
        self._last: tuple[tuple[object, ...], float, _Reading] | None = None

    async def explore(self, question: Question) -> Exploration:
        """Answer one question."""
        return await asyncio.to_thread(self._explore, question)

    def _explore(self, question: Question) -> Exploration:
        reading = self._read(question)
        asked = ACTIONS.index(question.action)
        num_caught = 0
        bins = [0] * NUM_BINS
        stricter: list[tuple[_Sample, int]] = []
        milder: list[tuple[_Sample, int]] = []
        for sample in reading.samples:
            bins[min(int(sample.score * NUM_BINS), NUM_BINS - 1)] += 1
            is_caught = sample.score >= question.threshold
            num_caught += is_caught
            after = max(sample.others, asked if is_caught else 0)
            if after != sample.before:
                (stricter if after > sample.before else milder).append((sample, after))
        return Exploration(
            question,
            reading.num_texts,
            len(reading.samples),
            num_caught,
            reading.num_acted,
            tuple(bins),
            len(stricter),
            len(milder),
            self._show(stricter),
            self._show(milder),
            reading.is_cut,
        )

    def _show(self, changes: Sequence[tuple[_Sample, int]]) -> tuple[Change, ...]:
        shown = changes[:MOST_SHOWN]
        if not shown:
            return ()
        wanted = VerdictFilter(ids=tuple(sample.verdict_id for sample, _ in shown))
        found = {v.id: v for v in self._store.list_verdicts(wanted, limit=len(shown)).verdicts}
        return tuple(
            Change(found[s.verdict_id], s.score, ACTIONS[s.before], ACTIONS[after])
            for s, after in shown
            if s.verdict_id in found
        )

    def _read(self, question: Question) -> _Reading:
        policy = self._read_policy()
        key = (question.category, question.stage, question.num_days, getattr(policy, "version", ""))
        if self._last and self._last[0] == key and self._clock() - self._last[1] < FRESH_S:
            return self._last[2]
        since = datetime.now(UTC) - timedelta(days=question.num_days)
        reading = _read_scores(self._store.iterate_scores(since), question, policy)
        self._last = (key, self._clock(), reading)
        return reading


def _read_scores(scored: Iterable[Scored], question: Question, policy: Rules) -> _Reading:
    """Sum up the verdicts on each text; those on one text follow one another."""
    samples: list[_Sample] = []
    num_texts = num_acted = num_read = 0
    for _, group in itertools.groupby(scored, key=attrgetter("message_id", "stage")):
        verdicts = list(group)
        num_read += len(verdicts)
        if num_read > MOST_VERDICTS:
            return _Reading(samples, num_texts, num_acted, True)
        if verdicts[0].stage != question.stage:
            continue
        deciding = [verdict for verdict in verdicts if not verdict.is_shadow]
        before = max((ACTIONS.index(verdict.action) for verdict in deciding), default=0)
        num_texts += 1
        num_acted += before > 0
        scorers = [verdict for verdict in deciding if question.category in verdict.scores]
        if scorers:
            best = max(scorers, key=lambda verdict: verdict.scores[question.category])
            others = max(_others(verdict, question, policy) for verdict in deciding)
            score = best.scores[question.category]
            samples.append(_Sample(best.verdict_id, score, before, others))
    return _Reading(samples, num_texts, num_acted, False)


def _others(verdict: Scored, question: Question, policy: Rules) -> int:
    """Return what a verdict leads to without the category that is asked about."""
    if verdict.category != question.category:
        return ACTIONS.index(verdict.action)
    # It decided, so what comes second isn't recorded: today's policy has to say.
    rest = (item for item in verdict.scores.items() if item[0] != question.category)
    actions = (policy.action_for(question.stage, name, score) for name, score in rest)
    return max(map(ACTIONS.index, actions), default=0)
