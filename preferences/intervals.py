"""Quantiles and intervals that statistics here share, without scipy."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from preferences.arrays import Floats, Json, finite

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval and the number of cases behind it; None where too few."""

    value: float | None
    lower: float | None
    upper: float | None
    num_cases: int

    def to_json(self) -> Json:
        """Return it as JSON can hold it."""
        return {
            "value": finite(self.value),
            "lower": finite(self.lower),
            "upper": finite(self.upper),
            "num_cases": self.num_cases,
        }


def t_quantile(level: float, dof: Floats) -> Floats:
    """Return how many standard errors a two-sided interval of `level` reaches, for each `dof`.

    Student's t by Gauss-Legendre quadrature of its distribution function in the angle
    atan(t / sqrt(dof)), inverted by bisection. Infinite where `dof` is not above 0.
    """
    normal = NormalDist().inv_cdf(0.5 + level / 2)
    return np.array([_t_quantile(level, float(one), normal) for one in np.atleast_1d(dof)])


def _t_quantile(level: float, dof: float, normal: float) -> float:
    if not dof > 0:
        return math.inf
    if dof > 1e6:
        return normal
    constant = math.exp(math.lgamma((dof + 1) / 2) - math.lgamma(dof / 2)) / math.sqrt(math.pi)
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        angles = middle * (_NODES + 1) / 2
        inside = constant * middle * float(_WEIGHTS @ np.cos(angles) ** (dof - 1))
        low, high = (middle, high) if inside < level else (low, middle)
    return math.sqrt(dof) * math.tan((low + high) / 2)


def wilson(successes: float, total: float, level: float = 0.95) -> Estimate:
    """Return a share with Wilson's score interval; (0, 1) and no value for a `total` of 0.

    Wilson 1927; Brown, Cai, DasGupta 2001, "Interval estimation for a binomial proportion". A mean
    of numbers between 0 and 1 varies no more than a share, so `successes` may be a sum of such.
    """
    if total <= 0:
        return Estimate(None, None, None, 0)
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = successes / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    spread = math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    half = z * spread / (1 + z * z / total)
    # Rounding may miss the ends 0 and 1, and a share that lies all but at one of them.
    lower = min(share, max(0.0, middle - half))
    upper = max(share, min(1.0, middle + half))
    return Estimate(share, lower, upper, round(total))
