"""The result of an evaluation: as an object, as rows of a table, as files."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from moderation.categories import precedence
from moderation.evaluation.dataset import UNSAFE
from moderation.evaluation.metrics import METRICS, Estimate, Figures, compare, measure
from moderation.evaluation.runner import Outcome, Run, percentiles
from moderation.evaluation.thresholds import acting_rule

PLAIN = "unsafe (highest score)"
TITLES: Mapping[str, str] = {
    "auprc": "AUPRC",
    "auroc": "AUROC",
    "best_f1": "best F1",
    "recall_at_1_fpr": "recall at 1% FPR",
    "f1": "F1",
    "recall": "recall",
    "fpr": "FPR",
    "ece": "ECE",
}
_MIN_SLICE = 20  # rows; figures of fewer say nothing
_MOST_RESAMPLES_OF_SLICES = 200


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of the checks of one chain, or one moderator in it."""

    p50_ms: float
    p95_ms: float
    num_checks: int


@dataclass(frozen=True, slots=True)
class Report:
    """What is to be said of one chain.

    ``categories`` begins with `UNSAFE`, scored relative to the policy's thresholds and decided as
    the chain decided, and `PLAIN`, scored by the highest score. ``slices`` are figures of `UNSAFE`.
    """

    name: str
    policy: str
    policy_version: str
    num_rows: int
    num_failed: int
    categories: Mapping[str, Figures]
    slices: Mapping[str, Mapping[str, Figures]]
    latency: Mapping[str, Latency]
    thresholds: Mapping[str, float | None]
    refused_for: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON knows it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One chain minus another, by category and metric."""

    first: str
    second: str
    differences: Mapping[str, Mapping[str, Estimate]]

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON knows it."""
        return asdict(self)


def make_report(run: Run, name: str, *, num_resamples: int = 500, seed: int = 0) -> Report:
    """Return the figures of the chain `name`."""
    outcome = run.outcomes[name]
    figures = {
        UNSAFE: measure(run.select(UNSAFE, name), num_resamples, seed),
        PLAIN: measure(run.select_plain(name), num_resamples, seed),
    }
    for category in labelled_categories(run):
        figures[category] = measure(run.select(category, name), num_resamples, seed)
    few = min(num_resamples, _MOST_RESAMPLES_OF_SLICES)
    return Report(
        name,
        outcome.policy.name,
        outcome.policy.version,
        len(run.truth),
        run.num_failed[name],
        figures,
        _slices(run, name, few, seed),
        _latency(outcome),
        {category: _threshold(outcome, category) for category in labelled_categories(run)},
        dict(sorted(outcome.refused_for.items(), key=lambda row: -row[1])),
    )


def labelled_categories(run: Run) -> list[str]:
    """Return the categories that the rows know of, in the order of the policy's answers."""
    return sorted(run.truth.labels.keys() - {UNSAFE}, key=lambda name: (precedence(name), name))


def _slices(run: Run, name: str, num_resamples: int, seed: int) -> dict[str, dict[str, Figures]]:
    found: dict[str, dict[str, Figures]] = {}
    for (kind, value), numbers in sorted(run.truth.slices.items()):
        if len(numbers) >= _MIN_SLICE:
            rows = np.asarray(numbers, dtype=np.int64)
            scored = run.select(UNSAFE, name, rows)
            if len(scored.labels):
                found.setdefault(kind, {})[value] = measure(scored, num_resamples, seed)
    return found


def _latency(outcome: Outcome) -> dict[str, Latency]:
    latency = {"all": _times(outcome.latency_ms)}
    return latency | {name: _times(times) for name, times in outcome.latency_of.items()}


def _times(times: Sequence[float]) -> Latency:
    return Latency(*percentiles(times), len(times))


def _threshold(outcome: Outcome, category: str) -> float | None:
    rule = acting_rule(outcome.policy, "input", category)
    return rule.threshold if rule else None


def make_comparison(
    run: Run, first: str, second: str, *, num_resamples: int = 500, seed: int = 0
) -> Comparison:
    """Return how much better (or worse) `first` is than `second`."""
    differences = {
        category: compare(
            run.select(category, first), run.select(category, second), num_resamples, seed
        )
        for category in (UNSAFE, *labelled_categories(run))
    }
    return Comparison(first, second, differences)


def figure_rows(figures: Mapping[str, Figures], first: str = "category") -> list[list[str]]:
    """Return a table: a row for each name in `figures`, a column for each metric."""
    rows = [[first, "rows", "positive", *TITLES.values()]]
    for name, each in figures.items():
        shown = (show(each.values.get(metric), metric) for metric in METRICS)
        rows.append([name, f"{each.num_rows:,}", f"{each.num_positives:,}", *shown])
    return rows


def show(estimate: Estimate | None, metric: str = "", *, is_signed: bool = False) -> str:
    """Return a value with its interval, as in "0.812 [0.790, 0.835]"; "–" for none."""
    if estimate is None:
        return "–"
    sign = "+" if is_signed else ""
    digits = 4 if metric == "fpr" else 3
    numbers = [estimate.value, estimate.low, estimate.high]
    shown = [f"{number:{sign}.{digits}f}" for number in numbers if number is not None]
    return f"{shown[0]} [{shown[1]}, {shown[2]}]" if len(shown) == 3 else shown[0]


def comparison_rows(comparison: Comparison) -> list[list[str]]:
    """Return a table of the differences; a star marks those whose interval excludes 0."""
    rows = [["category", *TITLES.values()]]
    for category, found in comparison.differences.items():
        if found:
            rows.append([category, *(_shown_difference(found.get(name), name) for name in METRICS)])
    return rows


def _shown_difference(estimate: Estimate | None, metric: str) -> str:
    is_sure = (
        estimate is not None
        and estimate.low is not None
        and estimate.high is not None
        and (estimate.low > 0 or estimate.high < 0)
    )
    return show(estimate, metric, is_signed=True) + ("*" if is_sure else "")


def write_json(path: Path, value: object) -> None:
    """Write `value` as JSON; what can't be said in it (NaN) is an error."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def write_csv(path: Path, reports: Sequence[Report]) -> None:
    """Write every figure of every report as a row of its own, for a spreadsheet."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ("chain", "kind", "name", "rows", "positive", "metric", "value", "low", "high")
        )
        for report in reports:
            writer.writerows(_csv_rows(report))


def _csv_rows(report: Report) -> Iterator[tuple[object, ...]]:
    groups = {"category": report.categories, **report.slices}
    for kind, group in groups.items():
        for name, figures in group.items():
            head = (report.name, kind, name, figures.num_rows, figures.num_positives)
            for metric, estimate in figures.values.items():
                yield (*head, metric, estimate.value, estimate.low, estimate.high)
