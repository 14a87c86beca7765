"""Names for the arrays that statistics run on, and for numbers on their way into JSON."""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Json = dict[str, object]


def add_up(cells: Ints, values: Floats, size: int) -> Floats:
    """Return `size` sums: of the `values` that belong to each of the `cells`."""
    return np.asarray(np.bincount(cells, values, minlength=size), dtype=np.float64)


def total(weights: Floats, values: Floats) -> Floats:
    """Return the sum of weights times values: one number, or one for each column of `values`.

    Not by `@`: for a long thin matrix BLAS wakes threads that cost a busy machine more than they
    save.
    """
    return np.asarray(np.einsum("i,i...->...", weights, values), dtype=np.float64)


def solve(matrix: Floats, right: Floats) -> Floats:
    """Return what `matrix` has to be multiplied with to give `right`."""
    return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)


def finite(value: float | None) -> float | None:
    """Return `value`, or None where JSON has no word for it (not a number, infinite)."""
    return float(value) if value is not None and math.isfinite(value) else None
