"""Decides how much the encoder and the linear classifier count, category by category."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from moderation.mini import Blend
from training.moderators.corpus import Corpus
from training.moderators.weighing import weigh_labels, weigh_texts

Figures = NDArray[np.float64]

# Where there are few examples, this is what counts: a bit more of the encoder.
_PRIOR = (0.7, 0.5)
_PRIOR_STRENGTH = 30.0
_MOST = 3.0


def fit_blend(corpus: Corpus, encoder: Figures, line: Figures) -> Blend:
    """Return weights, none below 0, for figures ``[N, C]`` of both on texts new to them.

    Logistic regression on the two figures, held to a prior as if that stood for some more texts.
    """
    weights = weigh_labels(corpus, weigh_texts(corpus))
    found = [
        _fit(
            np.stack([encoder[known, place], line[known, place]], axis=1),
            corpus.labels[known, place].astype(np.float64),
            weights[known, place],
        )
        for place in range(len(corpus.categories))
        for known in [corpus.known[:, place]]
    ]
    table = np.array(found).reshape(-1, 2)
    return Blend(table[:, 0].copy(), table[:, 1].copy())


def _fit(pairs: Figures, labels: Figures, weights: Figures) -> tuple[float, float]:
    if not 0 < labels.sum() < len(labels):
        return _PRIOR

    def loss(values: Figures) -> tuple[float, Figures]:
        logits = pairs @ values[:2] + values[2]
        errors = weights * (1.0 / (1.0 + np.exp(-np.clip(logits, -50, 50))) - labels)
        moved = values[:2] - _PRIOR
        value = weights @ (np.logaddexp(0.0, logits) - labels * logits)
        gradient = np.append(errors @ pairs + _PRIOR_STRENGTH * moved, errors.sum())
        return float(value + 0.5 * _PRIOR_STRENGTH * moved @ moved), gradient

    start = np.array([*_PRIOR, 0.0])
    bounds = [(0.0, _MOST), (0.0, _MOST), (None, None)]
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(best[0]), float(best[1])
