"""Logistic regression of many categories at once over sparse features, with masked labels."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

Matrix = NDArray[np.float32]
_NUM_PARTS = 2


def fit_logistic(
    features: csr_matrix,
    targets: Matrix,
    weights: NDArray[np.float64],
    *,
    strength: float,
    max_steps: int,
    show: Callable[[int, float], None] = lambda step, loss: None,
) -> tuple[Matrix, Matrix]:
    """Return coefficients ``[F, C]`` and biases ``[C]`` by L-BFGS (Liu and Nocedal, 1989).

    Minimises, over all categories at once, half the squared coefficients plus `strength` times
    the weighted cross entropy; `weights` ``[N, C]`` are 0 for unknown labels, `targets` from 0 to
    1. Biases aren't held small. `show` is told the step and the loss.
    """
    num_features, num_categories = features.shape[1], targets.shape[1]
    scaled = (weights * strength).astype(np.float32)
    parts = np.array_split(np.arange(features.shape[0]), _NUM_PARTS)
    blocks = [
        _Block(features[part[0] : part[-1] + 1], targets[part], scaled[part])
        for part in parts
        if len(part)
    ]
    with ThreadPoolExecutor(len(blocks)) as pool:

        def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            table = flat.reshape(num_features + 1, num_categories).astype(np.float32)
            found = list(pool.map(lambda block: block.differentiate(table), blocks))
            gradient: NDArray[np.float64] = np.zeros(table.shape)
            gradient[:-1] = table[:-1]
            for _, part in found:
                gradient += part
            penalty = 0.5 * float(np.square(table[:-1], dtype=np.float64).sum())
            return sum(value for value, _ in found) + penalty, gradient.ravel()

        best = minimize(
            loss,
            np.zeros((num_features + 1) * num_categories),
            jac=True,
            method="L-BFGS-B",
            callback=_Counter(show),
            options={"maxiter": max_steps, "maxfun": 2 * max_steps, "maxcor": 8, "ftol": 1e-7},
        )
    table = best.x.reshape(num_features + 1, num_categories).astype(np.float32)
    return table[:-1], table[-1]


class _Counter:
    """Counts the steps of scipy's minimiser."""

    def __init__(self, show: Callable[[int, float], None]):
        self._show = show
        self._step = 0

    def __call__(self, intermediate_result: "object") -> None:
        self._step += 1
        self._show(self._step, float(getattr(intermediate_result, "fun", np.nan)))


@dataclass(frozen=True, slots=True)
class _Block:
    """Some of the texts: their features, targets and weights."""

    features: csr_matrix
    targets: Matrix
    weights: Matrix

    def differentiate(self, table: Matrix) -> tuple[float, Matrix]:
        """Return the loss of coefficients and, last, biases, and its slope in each."""
        logits = self.features @ table[:-1] + table[-1]
        softplus = np.logaddexp(np.float32(0), logits)
        value = float((self.weights * (softplus - self.targets * logits)).sum(dtype=np.float64))
        errors = self.weights * (np.exp(logits - softplus) - self.targets)
        gradient = np.empty_like(table)
        gradient[:-1] = self.features.T @ errors
        gradient[-1] = errors.sum(axis=0)
        return value, gradient
