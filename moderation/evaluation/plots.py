"""Pictures of figures. The ground is white, so that they read the same in a dark page.

Colours are those of Okabe and Ito, which the colour-blind can tell apart; lines differ in their
strokes too.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from moderation.evaluation.metrics import Estimate, Figures, Scored

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#333333", "#7b5ea7")
_STROKES = ("-", "--", "-.", ":")
_INK = "#222222"
_GRID = "#d8d8d8"
_DPI = 110


def plot_curves(path: Path, curves: Mapping[str, Scored], title: str) -> None:
    """Draw precision over recall, and recall over false positives, of each of `curves`."""
    figure, (left, right) = _panels(2)
    for number, (name, scored) in enumerate(curves.items()):
        if not scored.labels.any() or scored.labels.all():
            continue  # a curve needs both classes
        precision, recall, _ = precision_recall_curve(scored.labels, scored.scores)
        fpr, tpr, _ = roc_curve(scored.labels, scored.scores)
        lines = [
            *left.step(recall, precision, where="post", label=name),
            *right.plot(np.maximum(fpr, 1e-4), tpr, label=name),
        ]
        for line in lines:
            line.set(color=_colour(number), linestyle=_STROKES[number % 4])
    right.set_xscale("log")
    right.set_xlim(8e-5, 1.2)
    right.axvline(0.01, color="#888888", linewidth=0.8)
    _label(left, f"{title}: precision and recall", "recall", "precision")
    _label(right, "recall at a rate of false positives", "false positives", "recall")
    for axes in (left, right):
        axes.set_ylim(0, 1.02)
        _show_legend(axes)
    save(figure, path)


def plot_reliability(path: Path, figures: Mapping[str, Figures], title: str) -> None:
    """Draw how often a text of a given score really was of the category."""
    figure, (axes,) = _panels(1)
    axes.plot((0, 1), (0, 1), color="#888888", linewidth=0.8)
    for number, (name, each) in enumerate(figures.items()):
        if each.bins:
            axes.plot(
                [each.mean_score for each in each.bins],
                [each.share_positive for each in each.bins],
                color=_colour(number),
                linestyle=_STROKES[number % 4],
                marker="o",
                markersize=4,
                label=name,
            )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    _label(axes, title, "score", "share that is really so")
    _show_legend(axes)
    save(figure, path)


def plot_bars(
    path: Path,
    values: Mapping[str, Mapping[str, Estimate | None]],
    title: str,
    unit: str,
    limit: float | None = None,
) -> None:
    """Draw bars with intervals: for each name in `values` one of each series in it.

    `limit` draws a line that values should keep to one side of.
    """
    series = list(dict.fromkeys(name for row in values.values() for name in row))
    figure = Figure(figsize=(7.4, 1.3 + 0.24 * max(len(values) * max(len(series), 1), 3)))
    axes = figure.add_subplot()
    height = 0.8 / max(len(series), 1)
    for number, name in enumerate(series):
        rows = [row.get(name) for row in values.values()]
        places = np.arange(len(rows)) + (number - (len(series) - 1) / 2) * height
        widths = [each.value if each else 0.0 for each in rows]
        axes.barh(places, widths, height, color=_colour(number), label=name)
        _draw_intervals(axes, places, rows)
    axes.set_yticks(np.arange(len(values)), list(values))
    axes.margins(y=0.02)
    axes.invert_yaxis()
    axes.set_xlim(0, max(0.01, 1.03 * _widest(values)))
    if limit is not None:
        axes.axvline(limit, color=_INK, linewidth=1, linestyle="--")
    _label(axes, title, unit, "")
    if len(series) > 1:
        _show_legend(axes)
    save(figure, path)


def _widest(values: Mapping[str, Mapping[str, Estimate | None]]) -> float:
    each = (estimate for row in values.values() for estimate in row.values() if estimate)
    return max((max(one.value, one.high or 0.0) for one in each), default=1.0)


def _draw_intervals(axes: Axes, places: "np.ndarray", rows: Sequence[Estimate | None]) -> None:
    for place, each in zip(places, rows, strict=True):
        if each is not None and each.low is not None and each.high is not None:
            axes.plot((each.low, each.high), (place, place), color=_INK, linewidth=1)


def _panels(count: int) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(4.9 * count + (1.0 if count == 1 else 0.0), 4.2))
    return figure, [figure.add_subplot(1, count, number + 1) for number in range(count)]


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=10, color=_INK)
    axes.set_xlabel(x, fontsize=9, color=_INK)
    axes.set_ylabel(y, fontsize=9, color=_INK)
    axes.tick_params(labelsize=8, colors=_INK)
    axes.grid(color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def _show_legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7.5, framealpha=0.9)


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]


def save(figure: Figure, path: Path) -> None:
    """Write the picture as what the name ends in: .png or .svg."""
    figure.set_facecolor("white")
    figure.set_layout_engine("tight")
    if path.suffix == ".png":
        FigureCanvasAgg(figure)
        figure.savefig(path, dpi=_DPI, metadata={"Software": None})
    else:  # the same file from the same figures
        figure.savefig(path, metadata={"Date": None})
