"""What to say of scores and labels, with intervals drawn over families of rows.

Values are scikit-learn's. Intervals are percentiles of a bootstrap that draws whole families, as
rows of one template say nearly the same; the quick weighted forms that it needs are here, and the
tests hold them to scikit-learn's.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Codes: TypeAlias = NDArray[np.int64]

NUM_BINS = 10
# Names as they stand in tables and files; of the last two, less is better.
METRICS = ("auprc", "auroc", "best_f1", "recall_at_1_fpr", "f1", "recall", "fpr", "ece")
_MIN_DRAWS = 0.5  # of the resamples must give a value, or there is no interval


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval, where there is one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows whose scores are alike: their mean score, and how many are really positive."""

    mean_score: float
    share_positive: float
    num_rows: int


@dataclass(frozen=True, slots=True)
class Figures:
    """How well scores tell positives from negatives.

    ``values`` has an entry for each of `METRICS` that can be said: no AUROC without both classes.
    ``f1``, ``recall`` and ``fpr`` are those of the decisions given (the policy's). ``best_score``
    is the threshold of ``best_f1``.
    """

    num_rows: int
    num_positives: int
    values: Mapping[str, Estimate] = field(default_factory=dict)
    best_score: float | None = None
    bins: tuple[Bin, ...] = ()

    @property
    def num_negatives(self) -> int:
        """Rows that are known not to be of the category."""
        return self.num_rows - self.num_positives


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows to measure: labels [n], scores [n] from 0 to 1, decisions [n], family codes [n]."""

    labels: Flags
    scores: Floats
    flags: Flags
    families: Codes

    def __post_init__(self) -> None:
        sizes = {len(self.labels), len(self.scores), len(self.flags), len(self.families)}
        assert len(sizes) == 1, sizes
        assert np.isfinite(self.scores).all(), "rows without a score are left out before"

    def keep(self, rows: Flags) -> "Scored":
        """Return the rows marked."""
        return Scored(self.labels[rows], self.scores[rows], self.flags[rows], self.families[rows])


def measure(scored: Scored, num_resamples: int = 500, seed: int = 0) -> Figures:
    """Return the figures of `scored`; without resamples, no intervals."""
    num_positives = int(scored.labels.sum())
    if not len(scored.labels):
        return Figures(0, 0)
    values, best_score = point_values(scored)
    draws = [Weighted(scored).values(w) for w in resample(scored.families, num_resamples, seed)]
    return Figures(
        len(scored.labels),
        num_positives,
        {name: _estimate(name, value, draws, scored) for name, value in values.items()},
        best_score,
        reliability(scored.labels, scored.scores),
    )


def compare(
    first: Scored, second: Scored, num_resamples: int = 500, seed: int = 0
) -> dict[str, Estimate]:
    """Return first minus second for each metric, with intervals from paired resamples.

    Both hold the same rows in the same order.
    """
    assert np.array_equal(first.labels, second.labels)
    if not len(first.labels):
        return {}
    mine, others = point_values(first)[0], point_values(second)[0]
    pair = Weighted(first), Weighted(second)
    draws: list[dict[str, float]] = []
    for weights in resample(first.families, num_resamples, seed):
        left, right = (each.values(weights) for each in pair)
        draws.append({name: left[name] - right[name] for name in left.keys() & right.keys()})
    return {
        name: Estimate(mine[name] - others[name], *_interval(name, draws))
        for name in METRICS
        if name in mine and name in others
    }


def point_values(scored: Scored) -> tuple[dict[str, float], float | None]:
    """Return every metric that can be said, and the score at which F1 is best."""
    labels, scores, flags = scored.labels, scored.scores, scored.flags
    values: dict[str, float] = {}
    best_score = None
    if labels.any() and not labels.all():
        values["auprc"] = float(average_precision_score(labels, scores))
        values["auroc"] = float(roc_auc_score(labels, scores))
        values["best_f1"], best_score = _best_f1(labels, scores)
        fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
        values["recall_at_1_fpr"] = float(tpr[fpr <= 0.01].max())
    hits, misses = int((flags & labels).sum()), int((~flags & labels).sum())
    alarms = int((flags & ~labels).sum())
    if labels.any():
        values["f1"] = 2 * hits / (2 * hits + misses + alarms)
        values["recall"] = hits / (hits + misses)
    if not labels.all():
        values["fpr"] = alarms / int((~labels).sum())
    values["ece"] = sum(
        each.num_rows * abs(each.mean_score - each.share_positive)
        for each in reliability(labels, scores)
    ) / len(labels)
    return {name: values[name] for name in METRICS if name in values}, best_score


def _best_f1(labels: Flags, scores: Floats) -> tuple[float, float]:
    precision, recall, thresholds = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = int(np.argmax(f1[:-1]))  # the last point belongs to no score
    return float(f1[best]), float(thresholds[best])


def reliability(labels: Flags, scores: Floats, num_bins: int = NUM_BINS) -> tuple[Bin, ...]:
    """Return bins of equal width over the scores, without the empty ones."""
    numbers = _bin_numbers(scores, num_bins)
    bins = []
    for number in range(num_bins):
        rows = numbers == number
        if rows.any():
            bins.append(
                Bin(float(scores[rows].mean()), float(labels[rows].mean()), int(rows.sum()))
            )
    return tuple(bins)


def _bin_numbers(scores: Floats, num_bins: int) -> Codes:
    return np.minimum((scores * num_bins).astype(np.int64), num_bins - 1)


def resample(families: Codes, num_resamples: int, seed: int) -> Iterator[Floats]:
    """Yield weights [n]: how often each row's family was drawn, as many families as there are."""
    _, codes = np.unique(families, return_inverse=True)
    num_families = int(codes.max()) + 1
    random = np.random.default_rng(seed)
    for _ in range(num_resamples):
        drawn = random.integers(0, num_families, num_families)
        counts = np.bincount(drawn, minlength=num_families).astype(np.float64)
        yield counts[codes]


class Weighted:
    """The metrics of `point_values` for weighted rows, quick enough for many resamples."""

    def __init__(self, scored: Scored):
        order = np.argsort(-scored.scores, kind="stable")
        self._order = order
        self._labels = scored.labels[order].astype(np.float64)
        self._flags = scored.flags[order].astype(np.float64)
        self._scores = scored.scores[order]
        self._bins = _bin_numbers(self._scores, NUM_BINS)
        # Rows of one score can't be told apart: a curve has a point after the last of them.
        self._ends = np.append(np.nonzero(np.diff(self._scores))[0], len(order) - 1)

    def values(self, weights: Floats) -> dict[str, float]:
        """Return the metrics under `weights` [n], each a count of 0 or more."""
        given = weights[self._order]
        positive, negative = given * self._labels, given * (1 - self._labels)
        values = self._decided(positive, negative)
        if positive.any() and negative.any():
            values |= self._ranked(positive, negative)
        values["ece"] = self._calibration(given, positive)
        return values

    def _ranked(self, positive: Floats, negative: Floats) -> dict[str, float]:
        hits, alarms = (np.cumsum(each)[self._ends] for each in (positive, negative))
        precision = hits / np.maximum(hits + alarms, 1e-12)
        recall, fpr = hits / hits[-1], alarms / alarms[-1]
        step = np.diff(recall, prepend=0.0)
        area = np.diff(fpr, prepend=0.0) * (recall + np.concatenate(([0.0], recall[:-1]))) / 2
        return {
            "auprc": float((precision * step).sum()),
            "auroc": float(area.sum()),
            "best_f1": float((2 * hits / (hits + alarms + hits[-1])).max()),
            "recall_at_1_fpr": float(recall[fpr <= 0.01].max(initial=0.0)),
        }

    def _decided(self, positive: Floats, negative: Floats) -> dict[str, float]:
        hits, alarms = float(positive @ self._flags), float(negative @ self._flags)
        num_positives, num_negatives = float(positive.sum()), float(negative.sum())
        values = {}
        if num_positives:
            values["f1"] = 2 * hits / (hits + num_positives + alarms)
            values["recall"] = hits / num_positives
        if num_negatives:
            values["fpr"] = alarms / num_negatives
        return values

    def _calibration(self, given: Floats, positive: Floats) -> float:
        scored = np.bincount(self._bins, given * self._scores, NUM_BINS)
        found = np.bincount(self._bins, positive, NUM_BINS)
        return float(np.abs(scored - found).sum() / max(given.sum(), 1e-12))


def _estimate(
    name: str, value: float, draws: Sequence[Mapping[str, float]], scored: Scored
) -> Estimate:
    low, high = _interval(name, draws)
    if low is not None and low == high and name in ("recall", "fpr"):
        # None or all of them: resampling sees no spread, but there is some.
        rows = scored.labels if name == "recall" else ~scored.labels
        low, high = wilson(value, len(np.unique(scored.families[rows])))
    return Estimate(value, low, high)


def _interval(
    name: str, draws: Sequence[Mapping[str, float]]
) -> tuple[float, float] | tuple[None, None]:
    found = [draw[name] for draw in draws if name in draw]
    if not found or len(found) < _MIN_DRAWS * len(draws):
        return None, None
    low, high = np.percentile(found, (2.5, 97.5))
    return float(low), float(high)


def wilson(share: float, num: int, z: float = 1.96) -> tuple[float, float]:
    """Return the interval of a share seen in `num` independent cases (Wilson 1927)."""
    if num <= 0:
        return 0.0, 1.0
    centre = (share + z * z / (2 * num)) / (1 + z * z / num)
    half = z / (1 + z * z / num) * math.sqrt(share * (1 - share) / num + z * z / (4 * num * num))
    return max(0.0, centre - half), min(1.0, centre + half)
