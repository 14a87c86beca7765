"""From a classifier's raw figures to scores that mean the same for every category."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Figures = NDArray[np.float64]

_STEEPEST = 30.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """One logistic curve for each category (Platt, 1999), moved to the point of operation.

    ``score = 1 / (1 + exp(-slope * (figure - midpoint)))``. The slope is that of the curve which
    fits the calibration texts best; the midpoint is the figure that so few harmless texts reach
    that a policy may act on it, so that 0.5 says "act" in every category.
    """

    slopes: tuple[float, ...]
    midpoints: tuple[float, ...]

    @classmethod
    def from_json(cls, given: Mapping[str, Any], categories: Sequence[str]) -> "Calibration":
        """Return the calibration that `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: it is none, or none for these categories.
        """
        slopes, midpoints = (
            tuple(float(given[name][category]) for category in categories)
            for name in ("slopes", "midpoints")
        )
        if not np.isfinite([*slopes, *midpoints]).all() or min(slopes, default=1.0) <= 0.0:
            raise ValueError("a slope or a midpoint of the calibration makes no sense")
        return cls(slopes, midpoints)

    def to_json(self, categories: Sequence[str]) -> dict[str, dict[str, float]]:
        """Return the calibration as it stands in a manifest."""
        return {
            "slopes": dict(zip(categories, self.slopes, strict=True)),
            "midpoints": dict(zip(categories, self.midpoints, strict=True)),
        }

    def score(self, figures: Figures) -> Figures:
        """Return scores from 0 to 1 for raw figures ``[texts, categories]``, by category."""
        steps = np.array(self.slopes) * (figures - np.array(self.midpoints))
        scores: Figures = 1.0 / (1.0 + np.exp(-np.clip(steps, -_STEEPEST, _STEEPEST)))
        return scores
