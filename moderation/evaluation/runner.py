"""Runs chains over labelled texts and keeps the numbers: never the texts."""

import asyncio
import time
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from chat.types import Stage
from moderation.base import ModerationContext
from moderation.chain import Chain
from moderation.decision import Decision
from moderation.evaluation.dataset import HARMFUL, UNSAFE, Sample
from moderation.evaluation.metrics import Codes, Flags, Floats, Scored
from moderation.evaluation.thresholds import acting_rule, relative_score
from moderation.policy import Policy, Rule

_UNKNOWN = -1
_STAGES: tuple[Stage, ...] = ("input", "output")


@dataclass(slots=True)
class Truth:
    """What is known of the rows, column by column."""

    labels: dict[str, "array[int]"] = field(default_factory=dict)
    unsafe: "array[int]" = field(default_factory=lambda: array("b"))
    stages: "array[int]" = field(default_factory=lambda: array("b"))
    families: "array[int]" = field(default_factory=lambda: array("l"))
    slices: dict[tuple[str, str], "array[int]"] = field(default_factory=dict)
    _codes: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.unsafe)

    def add(self, sample: Sample) -> None:
        """Take in what is known of one more row."""
        number = len(self)
        for category, label in sample.labels.items():
            column = self.labels.setdefault(category, array("b"))
            column.extend([_UNKNOWN] * (number - len(column)))
            column.append(label)
        unsafe = sample.is_unsafe
        self.unsafe.append(_UNKNOWN if unsafe is None else unsafe)
        self.stages.append(_STAGES.index(sample.stage))
        self.families.append(self._codes.setdefault(sample.family, len(self._codes)))
        for each in dict.fromkeys(sample.slices):
            self.slices.setdefault(each, array("l")).append(number)

    def known(self, category: str) -> tuple[Flags, Flags]:
        """Return whether each row [n] is of `category`, and whether that is known."""
        column = self.unsafe if category == UNSAFE else self.labels.get(category, array("b"))
        labels = np.full(len(self), _UNKNOWN, dtype=np.int8)
        labels[: len(column)] = column
        return labels == 1, labels != _UNKNOWN


@dataclass(slots=True)
class Outcome:
    """What one chain made of the rows, column by column."""

    policy: Policy
    scores: dict[str, "array[float]"] = field(default_factory=dict)
    relative: "array[float]" = field(default_factory=lambda: array("f"))
    plain: "array[float]" = field(default_factory=lambda: array("f"))
    refused: "array[int]" = field(default_factory=lambda: array("b"))
    flagged: "array[int]" = field(default_factory=lambda: array("b"))
    failed: "array[int]" = field(default_factory=lambda: array("b"))
    latency_ms: "array[float]" = field(default_factory=lambda: array("f"))
    latency_of: dict[str, "array[float]"] = field(default_factory=dict)
    refused_for: dict[str, int] = field(default_factory=dict)

    def add(self, decision: Decision, stage: Stage, latency_ms: float) -> None:
        """Take in the decision on one more row."""
        number = len(self.refused)
        scores = served_scores(self.policy, decision)
        for category, score in scores.items():
            column = self.scores.setdefault(category, array("f"))
            column.extend([0.0] * (number - len(column)))
            column.append(score)
        harmful = [(name, score) for name, score in scores.items() if name in HARMFUL]
        rules = {name: acting_rule(self.policy, stage, name) for name, _ in harmful}
        stretched = (relative_score(score, rules[name]) for name, score in harmful)
        self.relative.append(max(stretched, default=0.0))
        self.plain.append(max((score for _, score in harmful), default=0.0))
        self._add_decision(decision, latency_ms)

    def _add_decision(self, decision: Decision, latency_ms: float) -> None:
        self.refused.append(decision.is_refused)
        self.flagged.append(decision.action != "allow")
        if decision.is_refused:
            known = self.refused_for.get(decision.category, 0)
            self.refused_for[decision.category] = known + 1
        self.failed.append(any(verdict.outcome == "error" for verdict in decision.verdicts))
        self.latency_ms.append(latency_ms)
        for verdict in decision.verdicts:
            if verdict.outcome != "error":
                times = self.latency_of.setdefault(verdict.moderator, array("f"))
                times.append(verdict.latency_ms)

    def score_of(self, category: str) -> Floats:
        """Return the scores [n] of a category, NaN where a moderator failed."""
        scores = np.zeros(len(self.refused))
        column = self.scores.get(category, array("f"))
        scores[: len(column)] = np.clip(column, 0.0, 1.0)
        scores[np.asarray(self.failed, dtype=bool)] = np.nan
        return scores


@dataclass(frozen=True, slots=True)
class Run:
    """Rows, and what each chain made of them, by the chains' names."""

    truth: Truth
    outcomes: Mapping[str, Outcome]

    def select(self, category: str, name: str, rows: "NDArray[np.int64] | None" = None) -> Scored:
        """Return the rows of which `category` is known, as the chain `name` scored them.

        Rows on which any chain failed are left out, so that all are measured on the same ones.
        """
        labels, known = self.truth.known(category)
        outcome = self.outcomes[name]
        scores, flags = _column(outcome, category, self.truth)
        for other in self.outcomes.values():
            known &= ~np.asarray(other.failed, dtype=bool)
        if rows is not None:
            wanted = np.zeros(len(self.truth), dtype=bool)
            wanted[rows] = True
            known &= wanted
        families: Codes = np.asarray(self.truth.families, dtype=np.int64)
        return Scored(labels[known], scores[known], flags[known], families[known])

    def select_plain(self, name: str) -> Scored:
        """Return the rows for `UNSAFE`, scored by the highest score of any harmful category."""
        scored = self.select(UNSAFE, name)
        known = self.truth.known(UNSAFE)[1]
        for other in self.outcomes.values():
            known &= ~np.asarray(other.failed, dtype=bool)
        plain = np.clip(np.asarray(self.outcomes[name].plain, dtype=np.float64)[known], 0.0, 1.0)
        return Scored(scored.labels, plain, scored.flags, scored.families)

    @property
    def num_failed(self) -> Mapping[str, int]:
        """Rows on which a moderator of the chain failed, by chain."""
        return {name: int(sum(outcome.failed)) for name, outcome in self.outcomes.items()}


def _column(outcome: Outcome, category: str, truth: Truth) -> tuple[Floats, Flags]:
    """Return scores [n], and whether the policy acts on each."""
    if category == UNSAFE:
        scores = np.clip(np.asarray(outcome.relative, dtype=np.float64), 0.0, 1.0)
        return scores, np.asarray(outcome.refused, dtype=bool)
    scores = outcome.score_of(category)
    thresholds = np.asarray(
        [_threshold(acting_rule(outcome.policy, stage, category)) for stage in _STAGES]
    )
    # A column of floats of 32 bits may round a score to below the threshold that it is.
    return scores, scores >= thresholds[np.asarray(truth.stages, dtype=np.int64)] - 1e-6


def _threshold(rule: Rule | None) -> float:
    return 2.0 if rule is None else rule.threshold  # 2: never reached


def served_scores(policy: Policy, decision: Decision) -> dict[str, float]:
    """Return the highest score of each category, of those that count for the decision."""
    scores: dict[str, float] = {}
    for verdict in policy.counted(decision.verdicts):
        for category, score in verdict.scores.items():
            scores[category] = max(score, scores.get(category, 0.0))
    return scores


def run_chains(chains: Mapping[str, Chain], samples: Iterable[Sample]) -> Run:
    """Judge every sample by every chain, one text at a time so that the times mean something."""
    return asyncio.run(judge(chains, samples))


async def judge(chains: Mapping[str, Chain], samples: Iterable[Sample]) -> Run:
    """The same from within an event loop, which the chains then belong to."""
    truth = Truth()
    outcomes = {name: Outcome(chain.policy) for name, chain in chains.items()}
    for sample in samples:
        truth.add(sample)
        for name, chain in chains.items():
            # A context of its own for each: what one chain prepared would be free for the next.
            context = ModerationContext(sample.messages, sample.stage)
            begin = time.perf_counter()
            decision = await chain.check(context)
            outcomes[name].add(decision, sample.stage, (time.perf_counter() - begin) * 1000)
    return Run(truth, outcomes)


def percentiles(times: Sequence[float]) -> tuple[float, float]:
    """Return the 50th and the 95th percentile; zeros for none."""
    if not len(times):
        return 0.0, 0.0
    low, high = np.percentile(np.asarray(times), (50, 95))
    return float(low), float(high)
