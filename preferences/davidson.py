"""The model of Bradley and Terry with Davidson's ties, and its fit by Newton's method.

For strengths pi = exp(theta) and a tie parameter nu,

    P(i beats j) = pi_i / (pi_i + pi_j + nu sqrt(pi_i pi_j)),
    P(tie)       = nu sqrt(pi_i pi_j) / (the same).

Divided by sqrt(pi_i pi_j), the three are proportional to exp(d / 2), nu and exp(-d / 2) with
d = theta_i - theta_j: an exponential family, so the log-likelihood is concave in theta, log nu and
the coefficients of whatever is added to d. Davidson 1970, "On extending the Bradley-Terry model to
accommodate ties in paired comparison experiments", JASA 65; Bradley and Terry 1952, Biometrika 39;
an advantage of place is added to d as in Davidson and Beaver 1977, Biometrics 33.
"""

import math
from dataclasses import dataclass

import numpy as np

from chat.errors import InvalidRequest
from preferences.arrays import Floats, Ints, add_up, solve, total

MAX_STEPS = 100
# Differences of theta beyond this can't be told apart from it, nor grow out of bounds.
_FAR = 1000.0


@dataclass(frozen=True, slots=True)
class Design:
    """Battles as the fit sees them: a row each, with a weight.

    ``won`` is 1, 0 (a tie) or -1. ``extra`` has a column for each covariate that is added to d; it
    must change its sign when the two change places.
    """

    num_models: int
    first: Ints
    second: Ints
    won: Floats
    weight: Floats
    extra: Floats

    @property
    def num_parameters(self) -> int:
        """How many numbers are fitted: a theta for each model, log nu, the coefficients."""
        return self.num_models + 1 + int(self.extra.shape[1])


@dataclass(frozen=True, slots=True)
class Fit:
    """Where the penalised likelihood is highest: (theta, log nu, coefficients), and its curvature.

    ``hessian`` is minus the second derivative there, the ridge included.
    """

    parameters: Floats
    hessian: Floats
    num_steps: int


@dataclass(frozen=True, slots=True)
class Slopes:
    """Derivatives of each row's log-likelihood, its weight aside.

    By d and by log nu, and minus the second ones: by d twice, by both, by log nu twice.
    """

    d: Floats
    tie: Floats
    dd: Floats
    d_tie: Floats
    tie_tie: Floats


def collapse(design: Design) -> tuple[Design, Ints]:
    """Return a design's different rows with their weights added up, and each old row's place.

    Rows that a covariate tells apart (more than by a constant) stay as they are.
    """
    if design.extra.size and np.ptp(design.extra, axis=0).any():
        return design, np.arange(len(design.first))
    size = design.num_models
    cell = (design.first * size + design.second) * 3 + design.won.astype(np.int64) + 1
    weight = add_up(cell, design.weight, size * size * 3)
    taken = np.flatnonzero(np.bincount(cell, minlength=size * size * 3))
    place = np.zeros(size * size * 3, dtype=np.int64)
    place[taken] = np.arange(len(taken))
    extra = np.repeat(design.extra[:1], len(taken), axis=0)
    pair, won = np.divmod(taken, 3)
    unique = Design(size, pair // size, pair % size, won - 1.0, weight[taken], extra)
    return unique, place[cell]


def outcome_shares(d: Floats, log_tie: float) -> tuple[Floats, Floats, Floats]:
    """Return the probabilities that the first wins, of a tie, and that the second wins."""
    grown = np.exp(np.clip(d, -_FAR, _FAR) / 2)
    shrunk = 1 / grown
    nu = math.exp(min(log_tie, _FAR / 2))
    whole = grown + shrunk + nu
    return grown / whole, nu / whole, shrunk / whole


def advantages(design: Design, parameters: Floats) -> Floats:
    """Return d of each row: the first's theta less the second's, plus the covariates' part."""
    theta = parameters[: design.num_models]
    d: Floats = theta[design.first] - theta[design.second]
    for column, coefficient in enumerate(parameters[design.num_models + 1 :]):
        d += design.extra[:, column] * coefficient
    return d


def slopes(design: Design, parameters: Floats) -> Slopes:
    """Return the derivatives of each row's log-likelihood at `parameters`."""
    d = advantages(design, parameters)
    first, tie, second = outcome_shares(d, float(parameters[design.num_models]))
    lead = first - second
    return Slopes(
        (design.won - lead) / 2,
        (design.won == 0) - tie,
        (first + second - lead * lead) / 4,
        -lead * tie / 2,
        tie * (1 - tie),
    )


def log_likelihood(design: Design, parameters: Floats) -> float:
    """Return the weighted log-likelihood of all rows."""
    d = advantages(design, parameters)
    log_tie = float(parameters[design.num_models])
    half = np.clip(d, -_FAR, _FAR) / 2
    grown = np.exp(half)
    whole = np.log(grown + 1 / grown + math.exp(min(log_tie, _FAR / 2)))
    chosen = np.where(design.won == 0, log_tie, design.won * half)
    return float(total(design.weight, chosen - whole))


def gradient(design: Design, slope: Slopes) -> Floats:
    """Return the first derivatives of the weighted log-likelihood."""
    return np.concatenate(
        [
            _spread(design, design.weight * slope.d),
            [total(design.weight, slope.tie)],
            total(design.weight * slope.d, design.extra),
        ]
    )


def information(design: Design, slope: Slopes) -> Floats:
    """Return minus the second derivatives of the weighted log-likelihood."""
    size, tie = design.num_models, design.num_models
    curve, cross = design.weight * slope.dd, design.weight * slope.d_tie
    matrix = np.zeros((design.num_parameters, design.num_parameters))
    cells = add_up(design.first * size + design.second, curve, size * size)
    pairs = cells.reshape(size, size)
    matrix[:size, :size] = np.diag(pairs.sum(axis=0) + pairs.sum(axis=1)) - pairs - pairs.T
    matrix[:size, tie] = matrix[tie, :size] = _spread(design, cross)
    matrix[tie, tie] = total(design.weight, slope.tie_tie)
    for column, covariate in enumerate(design.extra.T, start=size + 1):
        both = np.concatenate(
            [
                _spread(design, curve * covariate),
                [total(cross, covariate)],
                total(curve * covariate, design.extra),
            ]
        )
        matrix[column, :] = matrix[:, column] = both
    return matrix


def _spread(design: Design, values: Floats) -> Floats:
    """Add each row's value to its first model, and take it from its second."""
    gained = add_up(design.first, values, design.num_models)
    lost = add_up(design.second, values, design.num_models)
    difference: Floats = gained - lost
    return difference


def fit(design: Design, *, ridge: float = 0.1) -> Fit:
    """Return the parameters that make the battles most likely.

    `ridge` times half the sum of squares of all parameters is taken off the log-likelihood: it
    keeps a model that always wins finite, and makes the thetas of each connected part of the field
    sum to 0. 0.1 weighs about as much as half a vote.

    Raises:
        InvalidRequest: the climb did not come to rest: the numbers are not to be trusted.
    """
    parameters = np.zeros(design.num_parameters)
    parameters[design.num_models] = _first_log_tie(design)
    height = _height(design, parameters, ridge)
    enough = 1e-9 * (1.0 + float(design.weight.sum()))
    for step in range(MAX_STEPS):
        slope = slopes(design, parameters)
        rise = gradient(design, slope) - ridge * parameters
        matrix = information(design, slope) + ridge * np.eye(len(parameters))
        if not np.isfinite(rise).all():
            break
        if np.abs(rise).max() <= enough:
            return Fit(parameters, matrix, step)
        way = solve(matrix, rise)
        parameters, height = _climb(design, parameters, height, way, ridge)
    raise InvalidRequest(
        f"The leaderboard's fit did not settle in {MAX_STEPS} steps, so nothing is shown; "
        "look for votes with weights or covariates out of all proportion.",
        code="unconverged",
    )


def _climb(
    design: Design, parameters: Floats, height: float, step: Floats, ridge: float
) -> tuple[Floats, float]:
    """Go along `step`, half as far each time it leads downhill; return where, and how high."""
    for _ in range(40):
        tried = parameters + step
        reached = _height(design, tried, ridge)
        # A last step changes the height by less than it can be known.
        if reached >= height - 1e-12 * (1 + abs(height)):
            return tried, reached
        step = step / 2
    return parameters, height


def _height(design: Design, parameters: Floats, ridge: float) -> float:
    return log_likelihood(design, parameters) - ridge / 2 * float(parameters @ parameters)


def _first_log_tie(design: Design) -> float:
    """Guess log nu from the share of ties, as if all models were alike."""
    ties = float(design.weight[design.won == 0].sum())
    rest = float(design.weight.sum()) - ties
    return min(5.0, max(-5.0, math.log((2 * ties + 0.1) / (rest + 0.1))))
