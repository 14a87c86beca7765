"""How far several people who judged the same items agree.

Intervals are percentiles of a bootstrap over items (Efron and Tibshirani 1993, chapter 13); with
more than `MOST_ITEMS` of them, of samples of that many, narrowed to what all of them give (m out
of n: Politis, Romano, Wolf 1999). With fewer than `FEWEST_ITEMS` there is no interval.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from preferences.arrays import Floats, Ints, Json
from preferences.intervals import Estimate
from preferences.judgement import FRESH, Judgement

FEWEST_ITEMS = 5
MOST_ITEMS = 5000
# One person's groups of an item's answers, which are in the order of their ids.
Levels = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement over the items that two or more people judged.

    ``alpha`` is Krippendorff's ordinal alpha of all pairs of answers (lost, tied, won): 1 full
    agreement, 0 what chance gives. ``kendall_w`` is the mean coefficient of concordance of items
    with three or more answers: 1 full agreement, 1 / m on average where m people rank at random.
    ``tau_b`` is the mean rank correlation of two people. ``raw`` is the chance that two people
    say the same of two answers. Each has the number of items behind it.
    """

    alpha: Estimate
    kendall_w: Estimate
    tau_b: Estimate
    raw: Estimate
    num_items: int
    num_annotators: int

    def to_json(self) -> Json:
        """Return it as JSON can hold it."""
        return {
            "alpha": self.alpha.to_json(),
            "kendall_w": self.kendall_w.to_json(),
            "tau_b": self.tau_b.to_json(),
            "raw": self.raw.to_json(),
            "num_items": self.num_items,
            "num_annotators": self.num_annotators,
        }


def measure_agreement(
    judgements: Iterable[Judgement], *, level: float = 0.95, resamples: int = 500, seed: int = 0
) -> Agreement:
    """Return how far people agree; a value is None where there is nothing to compare.

    Repeats and seeded checks don't count, nor does a second vote of one person on one item.
    """
    items, people = _shared_items(judgements)

    def estimate(values: Sequence[float | None]) -> Estimate:
        known = np.array([value for value in values if value is not None], dtype=float)
        return _bootstrap(len(known), lambda rows: _mean(known[rows]), level, resamples, seed)

    counts = [count_verdicts(item) for item in items]
    return Agreement(
        alpha=_estimate_alpha(counts, level, resamples, seed),
        kendall_w=estimate([kendall_w(item) for item in items if len(item[0]) > 2]),
        tau_b=estimate([_mean_tau(item) for item in items]),
        raw=estimate([raw_agreement(count) for count in counts]),
        num_items=len(items),
        num_annotators=people,
    )


def _shared_items(judgements: Iterable[Judgement]) -> tuple[list[list[Levels]], int]:
    """Return the groups of each item that at least two people judged, and how many they are."""
    votes: dict[tuple[str, ...], dict[str, Levels]] = {}
    for judgement in judgements:
        item, levels = judgement.item, judgement.levels()
        if judgement.kind in FRESH and len(item) > 2 and all(name in levels for name in item[1:]):
            own = tuple(levels[name] for name in item[1:])
            votes.setdefault(item, {}).setdefault(judgement.annotator_id, own)
    shared = [by for by in votes.values() if len(by) > 1]
    return [list(by.values()) for by in shared], len({name for by in shared for name in by})


def count_verdicts(votes: Sequence[Levels]) -> Ints:
    """Return how many lost, tied and won: a row for each pair of answers, in both directions.

    Counting both directions makes it the same whichever answer is named first.
    """
    levels = np.array(votes, dtype=np.int64)
    size = levels.shape[1]
    one, other = np.nonzero(~np.eye(size, dtype=np.bool_))
    verdicts = np.sign(levels[:, other] - levels[:, one])
    return np.stack([(verdicts == sign).sum(axis=0) for sign in (-1, 0, 1)], axis=1)


def ordinal_alpha(counts: Ints) -> float | None:
    """Return Krippendorff's ordinal alpha of counts: a row for each unit, a column each value.

    One less observed over expected disagreement; two values differ by the square of how many
    values lie between them, half of their own counted (Krippendorff 2011, "Computing
    Krippendorff's alpha-reliability", sections D and E; the library of that name is under the
    GPL). None where no unit has two values, or all values are the same.
    """
    counts = counts[counts.sum(axis=1) > 1]
    if np.count_nonzero(counts.sum(axis=0)) < 2:
        return None
    sizes = counts.sum(axis=1, keepdims=True)
    totals = counts.sum(axis=0).astype(float)
    before = np.cumsum(totals) - totals / 2
    distance = np.square(np.subtract.outer(before, before))
    # A value is never paired with itself, but that is no disagreement and so weighs nothing.
    coincidences = (counts / (sizes - 1)).T @ counts
    expected = np.outer(totals, totals) / (totals.sum() - 1)
    return 1 - float((coincidences * distance).sum() / (expected * distance).sum())


def kendall_w(votes: Sequence[Levels]) -> float | None:
    """Return Kendall's coefficient of concordance of several people's groups of the same answers.

    W = 12 S / (m^2 (n^3 - n) - m T): S sums the squared deviations of the n answers' rank sums over
    m people, and T sums t^3 - t over all groups of t tied answers (Kendall and Gibbons 1990,
    chapter 6). None for fewer than two people, or where everybody ties everything.
    """
    if len(votes) < 2:
        return None
    levels = np.array(votes, dtype=float)
    people, size = levels.shape
    below = (levels[:, :, None] > levels[:, None, :]).sum(axis=2)
    equal = (levels[:, :, None] == levels[:, None, :]).sum(axis=2)
    sums = (below + (equal + 1) / 2).sum(axis=0)
    # A group of t answers has t times t^2 - 1.
    ties = float((np.square(equal) - 1.0).sum())
    room = people**2 * (size**3 - size) - people * ties
    return 12 * float(np.square(sums - sums.mean()).sum()) / room if room > 0 else None


def tau_b(one: Levels, other: Levels) -> float | None:
    """Return Kendall's tau-b of two people's groups; None where either ties everything.

    Concordant less discordant pairs, over the geometric mean of the pairs that each does not tie
    (Kendall 1945, Biometrika 33).
    """
    first = np.sign(np.subtract.outer(one, one))
    second = np.sign(np.subtract.outer(other, other))
    room = math.sqrt(float(np.abs(first).sum()) * float(np.abs(second).sum()))
    return float((first * second).sum()) / room if room else None


def raw_agreement(counts: Ints) -> float | None:
    """Return the chance that two people give the same verdict on a pair, the mean over pairs."""
    people = counts.sum(axis=1)
    counts, people = counts[people > 1], people[people > 1]
    if not len(counts):
        return None
    return float(((counts * (counts - 1)).sum(axis=1) / (people * (people - 1))).mean())


def _mean_tau(votes: Sequence[Levels]) -> float | None:
    known = [tau for pair in combinations(votes, 2) if (tau := tau_b(*pair)) is not None]
    return sum(known) / len(known) if known else None


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None


def _estimate_alpha(counts: Sequence[Ints], level: float, resamples: int, seed: int) -> Estimate:
    if not counts:
        return Estimate(None, None, None, 0)
    table = np.concatenate(counts)
    sizes = np.array([len(count) for count in counts], dtype=np.int64)
    starts = np.cumsum(sizes) - sizes

    def alpha_of(items: Ints) -> float | None:
        within = np.arange(sizes[items].sum()) - np.repeat(
            np.cumsum(sizes[items]) - sizes[items], sizes[items]
        )
        return ordinal_alpha(table[np.repeat(starts[items], sizes[items]) + within])

    return _bootstrap(len(counts), alpha_of, level, resamples, seed)


def _bootstrap(
    count: int,
    measure: Callable[[Ints], float | None],
    level: float,
    resamples: int,
    seed: int,
) -> Estimate:
    """Return what `measure` finds in all of `count` items, and in samples of them."""
    value = measure(np.arange(count))
    if value is None or count < FEWEST_ITEMS:
        return Estimate(value, None, None, count)
    rng = np.random.default_rng(seed)
    size = min(count, MOST_ITEMS)
    drawn = [measure(rng.integers(count, size=size)) for _ in range(resamples)]
    known = np.array([one for one in drawn if one is not None], dtype=float)
    if not len(known):
        return Estimate(value, None, None, count)
    ends = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    lower, upper = value + (ends - value) * math.sqrt(size / count)
    return Estimate(value, float(lower), float(upper), count)
