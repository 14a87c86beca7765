"""Which model is better, by how much, and how sure that is.

Scores are 400 / ln 10 times the theta of the fit (see `preferences.davidson`): 400 points are odds
of 10 to 1 among votes that decide, 200 about 3 to 1, 0 a coin flip. They are centred so that 0
(or `Options.center`, for those used to 1000) is the average of the field. Intervals are clustered
by annotator (see `preferences.sandwich`).
"""

import math
from dataclasses import dataclass

import numpy as np

from preferences.arrays import Flags, Floats, Ints, solve
from preferences.battles import Battles
from preferences.contest import Contest, count_people, prepare, present
from preferences.davidson import Design, Fit, collapse, fit
from preferences.intervals import t_quantile
from preferences.sandwich import Votes, clustered_spread
from preferences.standings import Effect, Leaderboard, Options, Standing

SCALE = 400.0 / math.log(10.0)
# Above this share of the ridge in what is known of a sum, the curvature has a say in its width.
_LOOSE = 0.05


@dataclass(frozen=True, slots=True)
class _Measured:
    """Points and half widths of all models: as shown, and about the average, for ranks."""

    shown: Floats
    shown_half: Floats
    centred: Floats
    centred_half: Floats
    effects: Floats
    effects_half: Floats


def rank_models(battles: Battles, options: Options | None = None) -> Leaderboard:
    """Fit the battles, and return the board; models without battles are not on it.

    Raises:
        InvalidRequest: the anchor is not among the models, a control is not among the covariates,
            a weight or probability is no sensible number, or the fit did not settle.
    """
    options = options or Options()
    left_out = dict(battles.left_out)
    num_bad = int(battles.both_bad.sum())
    if num_bad:
        left_out["both_bad"] = num_bad
    contest = prepare(battles, options)
    if not contest.names:
        return Leaderboard((), (), (), 0.0, 0, 0, options.level, left_out)
    unique, row = collapse(contest.design)
    found = fit(unique, ridge=options.ridge)
    votes = Votes(row, contest.design.weight, contest.battles.cluster)
    measured = _measure(contest, unique, found, votes, options)
    tie = math.exp(float(found.parameters[unique.num_models]))
    return Leaderboard(
        _stand(contest, battles, measured, options),
        _name_parts(contest),
        _name_effects(contest, measured),
        tie / (2 + tie),
        len(contest.battles),
        len(present(contest.battles.cluster, len(battles.annotators))),
        options.level,
        left_out,
    )


def votes_needed(votes: int, half_width: float, wanted: float) -> int | None:
    """Return how many further votes bring half an interval down to `wanted` points.

    Widths shrink with the root of the number of votes, if the share of each annotator stays as it
    is: more votes need more people. None where `half_width` isn't known.
    """
    if not math.isfinite(half_width) or votes <= 0:
        return None
    return max(0, math.ceil(votes * ((half_width / wanted) ** 2 - 1) - 1e-9))


def _measure(
    contest: Contest, unique: Design, found: Fit, votes: Votes, options: Options
) -> _Measured:
    size, num_effects = unique.num_models, len(contest.effects)
    centred = np.zeros((size, unique.num_parameters))
    same = contest.parts[:, None] == contest.parts
    centred[:, :size] = np.eye(size) - _averages(contest)
    effects = np.eye(unique.num_parameters)[size + 1 :]
    owners = np.concatenate([np.eye(size), np.zeros((num_effects, size))]).astype(np.bool_)
    sums = np.concatenate([centred, effects])
    if options.anchor is not None:
        # A model's distance from the anchor; in other components from their own average.
        anchor = contest.names.index(options.anchor)
        sums = np.concatenate([sums, centred - np.outer(same[anchor], centred[anchor])])
        pairs = np.eye(size, dtype=np.bool_)
        pairs[same[anchor], anchor] = True
        owners = np.concatenate([owners, pairs])
    half = SCALE * _half_widths(contest, unique, found, votes, sums, owners, options)
    points = SCALE * (sums @ found.parameters)
    models, middle = slice(size), slice(size, size + num_effects)
    shown = models if options.anchor is None else slice(size + num_effects, None)
    return _Measured(
        options.center + points[shown],
        half[shown],
        points[models],
        half[models],
        points[middle],
        half[middle],
    )


def _averages(contest: Contest) -> Floats:
    """Return for each model (a row) how much each model counts in the average it is measured from.

    That is the average of those of its component that can be placed: one vote for a newcomer
    must not move all others.
    """
    same = contest.parts[:, None] == contest.parts
    placed = same & contest.is_bounded & (count_people(contest) > 1)
    counted = np.where(placed.any(axis=1)[:, None], placed, same)
    averages: Floats = counted / counted.sum(axis=1)[:, None]
    return averages


def _half_widths(
    contest: Contest,
    unique: Design,
    found: Fit,
    votes: Votes,
    sums: Floats,
    owners: Flags,
    options: Options,
) -> Floats:
    """Return half the interval of each sum of parameters, in units of theta.

    `owners` says which models a sum is about. Unknown (infinite) where one person alone judged one
    of them.
    """
    spread = clustered_spread(unique, found, votes, sums)
    variance = np.diag(spread.covariance)
    # Where a model never lost, or only the ridge tells two causes apart, the scores that the
    # sandwich is made of all but vanish; the curvature still knows how little has been learnt.
    reach = solve(found.hessian, sums.T)
    plain = np.einsum("ij,ji->i", sums, reach)
    by_ridge = options.ridge * np.square(reach).sum(axis=0)
    is_loose = (owners @ ~contest.is_bounded) | (by_ridge > _LOOSE * plain)
    variance = np.where(is_loose, np.maximum(variance, plain), variance)
    is_known = (spread.dof > 0) & ~(owners @ (count_people(contest) < 2))
    half = np.full(len(sums), math.inf)
    half[is_known] = t_quantile(options.level, spread.dof[is_known]) * np.sqrt(variance[is_known])
    half[~sums.any(axis=1)] = 0.0  # the anchor's distance from itself
    return half


def _stand(
    contest: Contest, battles: Battles, measured: _Measured, options: Options
) -> tuple[Standing, ...]:
    """Return the standings by component, the best first in each."""
    lower, upper = _bounds(measured.centred, measured.centred_half)
    above = (lower[:, None] > upper) & (contest.parts[:, None] == contest.parts)
    ranks = 1 + above.sum(axis=0)
    low, high = _bounds(measured.shown, measured.shown_half)
    people = count_people(contest)
    counts = _count_outcomes(contest, battles)
    standings = []
    for index in np.lexsort((np.arange(len(ranks)), -measured.centred, contest.parts)):
        half, votes = float(measured.centred_half[index]), int(counts[index].sum())
        wins, ties, losses, both_bad = (int(count) for count in counts[index])
        is_bounded = bool(contest.is_bounded[index])
        needed = votes_needed(votes - both_bad, half, options.established) if is_bounded else None
        standings.append(
            Standing(
                model=contest.names[index],
                score=float(measured.shown[index]),
                lower=float(low[index]),
                upper=float(high[index]),
                rank=int(ranks[index]),
                component=int(contest.parts[index]),
                status=_status(half if is_bounded else math.inf, int(people[index]), options),
                votes=votes,
                wins=wins,
                ties=ties,
                losses=losses,
                both_bad=both_bad,
                num_annotators=int(people[index]),
                votes_needed=needed,
            )
        )
    return tuple(standings)


def _bounds(points: Floats, half: Floats) -> tuple[Floats, Floats]:
    return points - half, points + half


def _status(half: float, num_annotators: int, options: Options) -> str:
    if half > options.usable or num_annotators < options.few_annotators:
        return "preliminary"
    return "usable" if half > options.established else "established"


def _count_outcomes(contest: Contest, battles: Battles) -> Ints:
    """Return each model's wins, ties, losses and both-bads: a row each."""
    kind = np.select(
        [battles.both_bad, battles.outcome == 1, battles.outcome == 0], [3, 0, 2], default=1
    )
    turned = np.array([2, 1, 0, 3])[kind]
    models = np.concatenate([battles.first, battles.second])
    cells = models * 4 + np.concatenate([kind, turned])
    counts = np.bincount(cells, minlength=4 * len(battles.models)).reshape(-1, 4)
    rows: Ints = counts[[battles.models.index(name) for name in contest.names]]
    return rows


def _name_parts(contest: Contest) -> tuple[tuple[str, ...], ...]:
    return tuple(
        tuple(contest.names[index] for index in np.flatnonzero(contest.parts == part))
        for part in range(int(contest.parts.max()) + 1)
    )


def _name_effects(contest: Contest, measured: _Measured) -> tuple[Effect, ...]:
    low, high = _bounds(measured.effects, measured.effects_half)
    return tuple(
        Effect(name, float(measured.effects[index]), float(low[index]), float(high[index]))
        for index, name in enumerate(contest.effects)
    )
