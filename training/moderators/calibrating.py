"""Fits the calibration of a classifier on texts that it hasn't learnt from."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from moderation.classifiers.calibration import Calibration
from training.moderators.corpus import Corpus
from training.moderators.weighing import weigh_labels, weigh_texts

Figures = NDArray[np.float64]

# Of ordinary harmless texts so many may reach 0.5, shared out among the categories, for it is
# their sum that people feel; in one category so many at most, and of the hard ones.
_ORDINARY_TOTAL = 0.0064
_ORDINARY_SHARE = 0.001
_HARD_SHARE = 0.02
# Odds at which to act at the earliest, where harmless texts would allow even less.
_LEAST_ODDS = 0.4
_SLOPES = (0.2, 30.0)
_DEFAULT_SLOPE = 2.0


def fit_calibration(corpus: Corpus, figures: Figures) -> Calibration:
    """Return slopes from the best logistic curves, midpoints from the harmless texts.

    `figures` are raw ``[N, C]``. A midpoint is the highest of three: the figure that 0.1 % of the
    ordinary texts exceed (fewer if there are many categories), the one that 2 % of the hard
    harmless ones exceed, and the one below which the curve says that harm is unlikely. Posts of
    which the packs say that nothing is wrong with them don't count: what slipped their annotators
    would move the midpoints.
    """
    weights = weigh_labels(corpus, weigh_texts(corpus))
    ordinary = corpus.is_ordinary
    most = min(_ORDINARY_SHARE, _ORDINARY_TOTAL / len(corpus.categories))
    slopes, midpoints = [], []
    for place in range(len(corpus.categories)):
        known = corpus.known[:, place]
        labels = corpus.labels[known, place] > 0
        slope, bias = _fit_curve(figures[known, place], labels, weights[known, place])
        limits = [(np.log(_LEAST_ODDS) - bias) / slope]
        for group, share in ((ordinary, most), (corpus.is_hard, _HARD_SHARE)):
            if group.any():
                limits.append(_exceeded_by(figures[group & known, place], share))
        slopes.append(round(float(slope), 6))
        midpoints.append(round(float(max(limits)), 6))
    return Calibration(tuple(slopes), tuple(midpoints))


def _exceeded_by(figures: Figures, share: float) -> float:
    if not len(figures):
        return -np.inf
    return float(np.quantile(figures, 1.0 - share, method="higher")) + 1e-6


def _fit_curve(
    figures: Figures, labels: NDArray[np.bool_], weights: NDArray[np.float64]
) -> tuple[float, float]:
    """Return slope and bias of a logistic curve (Platt, 1999, with his softened targets)."""
    if not labels.any() or labels.all():
        return _DEFAULT_SLOPE, -_DEFAULT_SLOPE  # nothing is known: not before a figure of 0.5
    high, low = (labels.sum() + 1.0) / (labels.sum() + 2.0), 1.0 / ((~labels).sum() + 2.0)
    targets = np.where(labels, high, low)
    middle, spread = figures.mean(), figures.std() or 1.0
    scaled = (figures - middle) / spread

    def loss(found: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = found[0] * scaled + found[1]
        errors = weights * (1.0 / (1.0 + np.exp(-np.clip(logits, -50, 50))) - targets)
        value = weights @ (np.logaddexp(0.0, logits) - targets * logits)
        return float(value), np.array([errors @ scaled, errors.sum()])

    best = minimize(loss, np.array([1.0, -1.0]), jac=True, method="L-BFGS-B").x
    slope = float(np.clip(best[0] / spread, *_SLOPES))
    return slope, float(best[1] - slope * middle)
