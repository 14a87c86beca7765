"""What the moderation report says, measured: every figure, and no text."""

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from chat.types import Message
from moderation.base import ModerationContext
from moderation.chain import Chain
from moderation.evaluation.dataset import Sample, draw_samples, read_samples
from moderation.evaluation.fairness import (
    Fairness,
    fairness_samples,
    judge_fairness,
    refused_by_slice,
    script_samples,
)
from moderation.evaluation.report import (
    Comparison,
    Latency,
    Report,
    make_comparison,
    make_report,
)
from moderation.evaluation.robustness import Robustness, measure_robustness
from moderation.evaluation.runner import Run, judge, percentiles
from moderation.policy import Policy, presets
from moderation.reading import read_manifest
from moderation.registry import load_moderators

ALL = "all together"
_WHOLLY = "whole sources"
_PARTLY = "families of sources trained on"
_NUM_WARM_UP = 20
_FEWEST = 10  # texts of a length; times of fewer say nothing


@dataclass(frozen=True, slots=True)
class Refusals:
    """How many of the harmless texts of a kind were refused, by policy."""

    kind: str
    num_texts: int
    refused: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was measured; `reports` has one for each moderator, and one for `ALL`."""

    run: Run
    reports: Mapping[str, Report]
    gains: Sequence[Comparison]
    ordinary: Sequence[Refusals]
    latency: Mapping[str, Mapping[str, Latency]]
    fairness: Fairness
    scripts: Mapping[str, tuple[int, int]]
    robustness: Robustness


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure: the moderators that run together, those that are shown alone too."""

    together: Sequence[str]
    alone: Sequence[str]
    config: Mapping[str, Mapping[str, object]]
    trained_on: frozenset[str] = frozenset()
    policy: str = "standard"
    num_rows: int = 0
    num_resamples: int = 500
    num_disguised: int = 200
    num_ordinary: int = 3_000


def load_chain(plan: Plan, names: Sequence[str]) -> Chain:
    """Load moderators under the plan's policy.

    Raises:
        ModeratorError: one of them isn't there or can't be used.
        PolicyError: the policy can't be understood.
    """
    moderators = load_moderators(names, plan.config)
    categories = [name for each in moderators for name in read_manifest(each).categories]
    return Chain(moderators, Policy.load(plan.policy, categories=categories), timeout_s=30.0)


def find(plan: Plan, test: Path) -> Findings:
    """Measure everything on the rows of `test`; takes minutes."""
    chains = {name: load_chain(plan, [name]) for name in plan.alone}
    chains[ALL] = load_chain(plan, plan.together)
    try:
        return asyncio.run(_find(plan, test, chains))
    finally:
        for chain in chains.values():
            chain.close()


async def _find(plan: Plan, test: Path, chains: Mapping[str, Chain]) -> Findings:
    samples = [_with_holding(each, plan) for each in read_rows(test, plan.num_rows)]
    run = await judge(chains, samples)
    names = list(chains)
    chain = chains[ALL]
    return Findings(
        run,
        {name: make_report(run, name, num_resamples=plan.num_resamples) for name in names},
        [make_comparison(run, ALL, name, num_resamples=plan.num_resamples) for name in plan.alone],
        await _refusals(plan, chain, samples),
        await _time(chains, samples),
        judge_fairness(await judge({ALL: chain}, fairness_samples()), ALL),
        refused_by_slice(await judge({ALL: chain}, script_samples()), ALL, "script"),
        await measure_robustness(chain, samples, plan.num_disguised),
    )


def read_rows(path: Path, num_rows: int = 0) -> Iterable[Sample]:
    """Yield the rows of a split (so many of them, or all): answers as output, the rest as input."""
    samples = read_samples(path)
    drawn = draw_samples(samples, num_rows) if num_rows else samples
    return (_as_answer(each) if has_tag(each, "answer") else each for each in drawn)


def _as_answer(sample: Sample) -> Sample:
    messages = (*sample.messages[:-1], Message("assistant", sample.messages[-1].content))
    return replace(sample, messages=messages, stage="output")


def _with_holding(sample: Sample, plan: Plan) -> Sample:
    """Mark the row: is something else of its source in the training data, or nothing?"""
    sources = {name for kind, name in sample.slices if kind == "source"}
    held_out = _PARTLY if sources & plan.trained_on else _WHOLLY
    return replace(sample, slices=(*sample.slices, ("held out", held_out)))


def has_tag(sample: Sample, tag: str) -> bool:
    """Say if the row has this tag."""
    return ("tag", tag) in sample.slices


def is_ordinary(sample: Sample) -> bool:
    """Say if it is a harmless question that nobody made to look like something else."""
    return (
        sample.is_unsafe is False
        and sample.stage == "input"
        and has_tag(sample, "benign")
        and not has_tag(sample, "hard")
    )


async def _refusals(plan: Plan, chain: Chain, samples: Sequence[Sample]) -> list[Refusals]:
    """Count refusals of harmless texts, under each policy that comes with Palaver."""
    kinds: dict[str, list[Sample]] = {
        "ordinary questions": [each for each in samples if is_ordinary(each)],
        "ordinary answers": [
            each for each in samples if each.is_unsafe is False and each.stage == "output"
        ],
        "made to look harmful": [
            each for each in samples if each.is_unsafe is False and has_tag(each, "hard")
        ],
    }
    found = []
    for kind, texts in kinds.items():
        drawn = draw_samples(texts, plan.num_ordinary)
        refused = {name: await _count(chain, drawn, name) for name in presets()}
        found.append(Refusals(kind, len(drawn), refused))
    return found


async def _count(chain: Chain, samples: Iterable[Sample], policy: str) -> int:
    judging = chain.under(Policy.load(policy))
    contexts = (ModerationContext(each.messages, each.stage) for each in samples)
    return sum([(await judging.check(context)).is_refused for context in contexts])


async def _time(
    chains: Mapping[str, Chain], samples: Sequence[Sample], most: int = 300
) -> dict[str, dict[str, Latency]]:
    """Return the latencies of each chain on one core, by length of the text."""
    lengths = {
        "up to 100 characters": (0, 100),
        "100 to 500": (100, 500),
        "500 to 2,000": (500, 2_000),
        "over 2,000": (2_000, 1 << 30),
    }
    found: dict[str, dict[str, Latency]] = {name: {} for name in chains}
    with one_core():
        for title, (low, high) in lengths.items():
            of_length = (each for each in samples if low < len(each.messages[-1].content) <= high)
            texts = draw_samples(of_length, most)
            if len(texts) >= _FEWEST:
                run = await judge(chains, [*texts[:_NUM_WARM_UP], *texts])
                for name, outcome in run.outcomes.items():
                    times = outcome.latency_ms[len(texts[:_NUM_WARM_UP]) :]
                    found[name][title] = Latency(*percentiles(times), len(times))
    return found


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process to one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
