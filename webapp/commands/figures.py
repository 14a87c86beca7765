"""Figures of moderators, printed."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webapp.commands.paper import amount, print_pairs, print_table, tell

if TYPE_CHECKING:
    from moderation.evaluation.fairness import Fairness
    from moderation.evaluation.metrics import Figures
    from moderation.evaluation.report import Comparison, Report

_SHOWN_SLICES = 15


def print_report(report: "Report") -> None:
    """Print what is to be said of one chain."""
    from moderation.evaluation.dataset import UNSAFE
    from moderation.evaluation.report import PLAIN, TITLES, show

    failed = f", {report.num_failed} of them failed and left out" if report.num_failed else ""
    print(f"\n{report.name}, policy {report.policy}: {amount(report.num_rows, 'row')}{failed}\n")
    overall, plain = report.categories[UNSAFE], report.categories[PLAIN]
    about = f"{overall.num_positives:,} of {overall.num_rows:,} rows"
    rows = [("all harmful categories", "by the thresholds", "by the highest score")]
    for metric, title in TITLES.items():
        cells = (show(each.values.get(metric), metric) for each in (overall, plain))
        rows.append((title, *cells))  # type: ignore[arg-type]
    print_table([*rows, ("unsafe", about, "")])
    print()
    _print_categories(report)
    for kind, slices in report.slices.items():
        print()
        _print_slices(kind, slices)
    print()
    print_table(
        [("check", "p50 ms", "p95 ms"), *_latency_rows(report)],
    )


def _print_categories(report: "Report") -> None:
    from moderation.evaluation.report import figure_rows

    rows = figure_rows({k: v for k, v in report.categories.items() if not k.startswith("unsafe")})
    plain = [[cell.partition(" [")[0] for cell in row] for row in rows]
    print_table([[*plain[0], "acts at"], *_with_thresholds(plain[1:], report)])


def _with_thresholds(rows: list[list[str]], report: "Report") -> Iterator[list[str]]:
    for row in rows:
        threshold = report.thresholds.get(row[0])
        yield [*row, "–" if threshold is None else f"{threshold:g}"]


def _print_slices(kind: str, slices: "Mapping[str, Figures]") -> None:
    from moderation.evaluation.report import show

    largest = sorted(slices.items(), key=lambda each: -each[1].num_rows)
    rows = [[kind, "rows", "unsafe", "AUPRC", "recall", "FPR"]]
    for name, figures in largest[:_SHOWN_SLICES]:
        shown = [show(figures.values.get(m), m) for m in ("auprc", "recall", "fpr")]
        rows.append([name, f"{figures.num_rows:,}", f"{figures.num_positives:,}", *shown])
    print_table(rows)
    if len(largest) > _SHOWN_SLICES:
        tell(f"{amount(len(largest) - _SHOWN_SLICES, 'smaller slice')} not shown; see --out.")


def _latency_rows(report: "Report") -> Iterator[tuple[str, str, str]]:
    for name, latency in report.latency.items():
        yield name, f"{latency.p50_ms:.2f}", f"{latency.p95_ms:.2f}"


def print_comparison(comparison: "Comparison") -> None:
    """Print how two chains differ."""
    from moderation.evaluation.report import comparison_rows

    print(f"\n{comparison.first} minus {comparison.second} (* the interval excludes 0)\n")
    wanted = ("category", "AUPRC", "recall at 1% FPR", "recall", "FPR", "ECE")
    rows = comparison_rows(comparison)
    places = [rows[0].index(title) for title in wanted]
    print_table([[row[place] for place in places] for row in rows])


def print_fairness(name: str, fairness: "Fairness") -> None:
    """Print how groups of people fare with one chain."""
    print(f"\n{name}: harmless sentences about groups of people\n")
    rows = [("group", "about", "refused", "from the mean", "noted", "hostile ones refused")]
    for each in sorted(fairness.groups, key=lambda each: -each.false_positives):
        distance = each.false_positives - fairness.mean
        shares = (each.noted, each.protected)
        rows.append(
            (
                each.group,
                each.dimension,
                f"{each.false_positives:.1%}",
                f"{distance:+.1%}",
                *(f"{share:.1%}" for share in shares),  # type: ignore[arg-type]
            )
        )
    print_table(rows)
    print()
    about = f"{fairness.worst.group}, {fairness.spread:.1%} from the mean"
    verdict = "within 5 points" if fairness.is_fair else "MORE than 5 points"
    print_pairs(
        {
            "mean": f"{fairness.mean:.1%} of harmless sentences refused",
            "farthest": f"{about}: {verdict}" if fairness.spread else "none: all groups are alike",
        }
    )


class Bar:
    """How much of a file is read, on a terminal; silent where nobody watches."""

    def __init__(self, path: Path, every: int = 50):
        self._size = path.stat().st_size if path.is_file() else 0
        self._every = every
        self._is_watched = sys.stderr.isatty()
        self._num_bytes = 0

    def advance(self, num_bytes: int) -> None:
        """Say that so many more bytes were read."""
        self._num_bytes += num_bytes

    def watch(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield `items`, showing how far it is."""
        for count, item in enumerate(items, 1):
            yield item
            if self._is_watched and count % self._every == 0:
                self._draw(count)
        if self._is_watched:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def _draw(self, count: int) -> None:
        share = min(1.0, self._num_bytes / self._size) if self._size else 0.0
        filled = "#" * round(30 * share)
        line = f"\r[{filled:30}] {share:4.0%} {amount(count, 'row')}"
        print(line, end="", file=sys.stderr, flush=True)
