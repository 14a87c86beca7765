"""What a leaderboard is fitted to: the battles that count, their weights, and their covariates."""

import math
from dataclasses import dataclass

import numpy as np

from chat.errors import InvalidRequest
from preferences.arrays import Flags, Floats, Ints
from preferences.battles import Battles
from preferences.components import adjacency, connected, strongly_connected
from preferences.davidson import Design
from preferences.standings import Options

FIRST_PLACE = "first place"


@dataclass(frozen=True, slots=True)
class Contest:
    """The models that have battles in the fit, and these battles, numbered among themselves.

    ``effects`` name the columns of ``design.extra``. ``parts`` number the connected components;
    ``is_bounded`` says which models the battles bound from both sides.
    """

    names: tuple[str, ...]
    battles: Battles
    design: Design
    effects: tuple[str, ...]
    parts: Ints
    is_bounded: Flags


def prepare(battles: Battles, options: Options) -> Contest:
    """Return what there is to fit.

    Raises:
        InvalidRequest: as `preferences.leaderboard.rank_models`.
    """
    if not (np.isfinite(battles.weight).all() and (battles.weight >= 0).all()):
        raise InvalidRequest("A vote's weight is negative or no number; allowed is 0 or more.")
    fought = battles.take(~battles.both_bad & (battles.weight > 0))
    taken = present(np.concatenate([fought.first, fought.second]), len(battles.models))
    names = tuple(battles.models[index] for index in taken)
    if options.anchor is not None and names and options.anchor not in names:
        raise InvalidRequest(
            f"The anchor {options.anchor!r} has no votes here; choose one of the models that have.",
            param="anchor",
        )
    first = np.searchsorted(taken, fought.first)
    second = np.searchsorted(taken, fought.second)
    effects, extra = _covariates(fought, options)
    won = 2 * fought.outcome - 1
    design = Design(len(names), first, second, won, _weigh(fought, options), extra)
    parts = connected(len(names), first, second)
    winner, loser = np.where(won >= 0, first, second), np.where(won >= 0, second, first)
    beaten = adjacency(len(names), winner, loser)
    beaten[second[won == 0], first[won == 0]] = True
    return Contest(names, fought, design, effects, parts, _in_main_part(parts, beaten))


def _in_main_part(parts: Ints, beaten: Flags) -> Flags:
    """Whether each model is in the largest part of its component that has finite strengths."""
    strong = strongly_connected(beaten)
    sizes = np.bincount(strong)[strong]
    flags: Flags = np.zeros(len(parts), dtype=np.bool_)
    for part in range(int(parts.max(initial=-1)) + 1):
        member = int(np.where(parts == part, sizes, 0).argmax())
        flags |= (strong == strong[member]) & (sizes > 1)
    return flags


def _weigh(battles: Battles, options: Options) -> Floats:
    if not options.is_reweighted or not len(battles):
        return battles.weight
    chance = battles.probability
    if not ((chance > 0) & (chance <= 1)).all():
        raise InvalidRequest(
            "The probability of a draw is not above 0 and at most 1; correct the comparison, or "
            "fit without reweighting.",
            param="probability",
        )
    factor = 1 / chance
    factor = np.minimum(factor / factor.mean(), options.most_weight)
    weight: Floats = battles.weight * factor / factor.mean()
    return weight


def _covariates(battles: Battles, options: Options) -> tuple[tuple[str, ...], Floats]:
    """Return the names and columns of what is fitted besides models, each of root mean square 1.

    Columns are divided, never shifted: zero has to stay "no difference".
    """
    names: list[str] = []
    columns: list[Floats] = []
    if options.is_place_fitted:
        names.append(FIRST_PLACE)
        columns.append(np.ones(len(battles)))
    for name in options.controls:
        if name not in battles.covariate_names:
            allowed = ", ".join(battles.covariate_names) or "none here"
            raise InvalidRequest(
                f"{name!r} can't be controlled for; allowed is {allowed}.", param="controls"
            )
        column = battles.covariates[:, battles.covariate_names.index(name)]
        size = float(np.sqrt(np.mean(np.square(column)))) if len(column) else 0.0
        if not math.isfinite(size):
            raise InvalidRequest(
                f"The covariate {name!r} of some vote is no finite number; measure it again, or "
                "don't control for it.",
                param="controls",
            )
        if size > 0:
            names.append(name)
            columns.append(column / size)
    extra = np.stack(columns, axis=1) if columns else np.zeros((len(battles), 0))
    return tuple(names), extra


def count_people(contest: Contest) -> Ints:
    """Return how many annotators judged each model."""
    size, cluster = len(contest.names), contest.battles.cluster
    has_judged = np.zeros((len(contest.battles.annotators), size), dtype=np.bool_)
    has_judged[cluster, contest.design.first] = True
    has_judged[cluster, contest.design.second] = True
    counts: Ints = has_judged.sum(axis=0)
    return counts


def present(numbers: Ints, size: int) -> Ints:
    """Return which of the numbers below `size` occur, sorted."""
    return np.flatnonzero(np.bincount(numbers, minlength=size)).astype(np.int64)
