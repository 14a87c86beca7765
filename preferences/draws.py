"""Which candidates to show, in which order, and how likely that was."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from random import Random

from chat.errors import InvalidRequest
from preferences.texts import fold_text

MOST_ANSWERS = 8


@dataclass(frozen=True, slots=True)
class Source:
    """Who could answer: a model at some settings; drawn in proportion to ``weight``."""

    model: str
    settings: Mapping[str, float] = field(default_factory=dict)
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Draw:
    """The sources drawn, the first one first, and how likely these were, in whatever order.

    ``method`` is "same" where there was nothing to choose, "uniform" where all sources weigh the
    same, else "weighted".
    """

    sources: tuple[Source, ...]
    probability: float
    method: str


def draw_sources(sources: Sequence[Source], num: int, rng: Random) -> Draw:
    """Draw `num` sources by weight, each once; when all are drawn, all can be drawn once more.

    A source drawn twice is meant to answer twice, with two seeds. Sources of one model and the
    same settings are one source with the sum of their weights; a weight of 0 is never drawn.

    Raises:
        InvalidRequest: no source has a weight, a weight isn't a number from 0, or `num` isn't one
            from 1 to 8.
    """
    if not 1 <= num <= MOST_ANSWERS:
        raise InvalidRequest(
            f"{num} answers were asked for; allowed is 1 to {MOST_ANSWERS}.", param="num"
        )
    pool = _merge(sources)
    rounds = [_draw_round(pool, min(len(pool), num - done), rng) for done in _starts(pool, num)]
    rest = num % len(pool)
    # Whole rounds hold every source, so chance decides only who is in the last one.
    probability = _probability_of_set([s.weight for s in pool], rounds[-1]) if rest else 1.0
    drawn = tuple(pool[index] for one in rounds for index in one)
    return Draw(drawn, probability, _method(pool))


def _starts(pool: Sequence[Source], num: int) -> range:
    return range(0, num, len(pool))


def _merge(sources: Sequence[Source]) -> list[Source]:
    merged: dict[object, Source] = {}
    for source in sources:
        if not 0 <= source.weight < math.inf:  # also true for NaN
            raise InvalidRequest(
                f"The weight of {source.model!r} is {source.weight}; allowed is a number from 0.",
                param="weight",
            )
        if source.weight:
            key = (source.model, tuple(sorted(source.settings.items())))
            known = merged[key].weight if key in merged else 0.0
            merged[key] = Source(source.model, source.settings, known + source.weight)
    if not merged:
        raise InvalidRequest(
            "There is no model to draw from; name one with a weight above 0.", param="sources"
        )
    return list(merged.values())


def _draw_round(pool: Sequence[Source], num: int, rng: Random) -> list[int]:
    left = list(range(len(pool)))
    drawn: list[int] = []
    for _ in range(num):
        [index] = rng.choices(left, weights=[pool[i].weight for i in left])
        left.remove(index)
        drawn.append(index)
    return drawn


def _probability_of_set(weights: Sequence[float], drawn: Sequence[int]) -> float:
    """Return how likely these are the first ones drawn, in any order.

    Each subset is reached from those with one member less: 2^n sums instead of n! orders.
    """
    total = math.fsum(weights)
    chances: dict[tuple[int, ...], float] = {(): 1.0}
    for size in range(1, len(drawn) + 1):
        for subset in combinations(sorted(drawn), size):
            chances[subset] = math.fsum(
                chances[rest] * weights[last] / (total - math.fsum(weights[i] for i in rest))
                for last, rest in _without_one(subset)
            )
    return min(chances[tuple(sorted(drawn))], 1.0)


def _without_one(subset: tuple[int, ...]) -> Iterator[tuple[int, tuple[int, ...]]]:
    for place, member in enumerate(subset):
        yield member, subset[:place] + subset[place + 1 :]


def _method(pool: Sequence[Source]) -> str:
    if len(pool) == 1:
        return "same"
    return "uniform" if len({source.weight for source in pool}) == 1 else "weighted"


def shuffle_answers(answer_ids: Sequence[str], rng: Random) -> tuple[str, ...]:
    """Return the order to show them in; each order is as likely as any other."""
    return tuple(rng.sample(answer_ids, len(answer_ids)))


def is_asked(rate: float, queue_length: int, longest_queue: int, rng: Random) -> bool:
    """Say whether to ask for a comparison now: at this `rate`, and never while many people wait.

    Raises:
        InvalidRequest: `rate` isn't a number from 0 to 1.
    """
    if not 0 <= rate <= 1:
        raise InvalidRequest(f"The rate is {rate}; allowed is 0 to 1.", param="rate")
    return queue_length <= longest_queue and rng.random() < rate


def drop_identical(texts: Sequence[str]) -> tuple[int, ...]:
    """Return the places of texts that differ to a reader, the first of each; see `fold_text`.

    With fewer than two left there is nothing to ask.
    """
    first_places: dict[str, int] = {}
    for place, text in enumerate(texts):
        first_places.setdefault(fold_text(text), place)
    return tuple(first_places.values())
