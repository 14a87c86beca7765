"""What a leaderboard says: standings, effects, and how it was asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from preferences.arrays import Json, finite


@dataclass(frozen=True, slots=True)
class Options:
    """How to fit and how to show.

    ``anchor`` is the model whose score is ``center``; without one, that is the average of the
    models that can be placed. ``level`` is the intervals' coverage. ``controls`` names covariates
    of the battles to hold equal. ``is_place_fitted`` fits an advantage of being shown first;
    without it the order shown must have been random.

    ``is_reweighted`` weighs each vote by one over the probability of its draw, at most
    ``most_weight`` times the average: then scores are those of a field in which all draws are
    equally likely, even where the model fits the votes badly (Horvitz and Thompson 1952).

    A standing is "usable" when half its interval is at most ``usable`` points wide and at least
    ``few_annotators`` people judged the model, "established" at ``established`` points.
    """

    anchor: str | None = None
    center: float = 0.0
    level: float = 0.95
    ridge: float = 0.1
    controls: tuple[str, ...] = ()
    is_place_fitted: bool = True
    is_reweighted: bool = False
    most_weight: float = 20.0
    usable: float = 50.0
    established: float = 20.0
    few_annotators: int = 10


@dataclass(frozen=True, slots=True)
class Standing:
    """One model's place.

    ``rank`` is 1 plus the number of models of the same component whose lower bound lies above this
    one's upper bound. ``votes`` counts battles, of which ``both_bad`` are not in the fit.
    ``votes_needed`` are the further battles until the status is "established", if those who vote
    stay as varied as they are; None where that can't be known.
    """

    model: str
    score: float
    lower: float
    upper: float
    rank: int
    component: int
    status: str
    votes: int
    wins: int
    ties: int
    losses: int
    both_bad: int
    num_annotators: int
    votes_needed: int | None

    def to_json(self) -> Json:
        """Return it as JSON can hold it; a bound that isn't known is null."""
        return {
            "model": self.model,
            "score": finite(self.score),
            "lower": finite(self.lower),
            "upper": finite(self.upper),
            "rank": self.rank,
            "component": self.component,
            "status": self.status,
            "votes": self.votes,
            "wins": self.wins,
            "ties": self.ties,
            "losses": self.losses,
            "both_bad": self.both_bad,
            "num_annotators": self.num_annotators,
            "votes_needed": self.votes_needed,
        }


@dataclass(frozen=True, slots=True)
class Effect:
    """What shifts votes besides the models, in points: being shown first, or a covariate.

    For a covariate, it is what one standard deviation more of its difference is worth.
    """

    name: str
    points: float
    lower: float
    upper: float

    def to_json(self) -> Json:
        """Return it as JSON can hold it."""
        return {
            "name": self.name,
            "points": finite(self.points),
            "lower": finite(self.lower),
            "upper": finite(self.upper),
        }


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """All standings, the best first; with more than one component, they are not comparable.

    ``tie_share`` is how often equals tie. ``num_votes`` counts the battles in the fit, ``left_out``
    what is not in it, by reason.
    """

    standings: tuple[Standing, ...]
    components: tuple[tuple[str, ...], ...]
    effects: tuple[Effect, ...]
    tie_share: float
    num_votes: int
    num_annotators: int
    level: float
    left_out: Mapping[str, int] = field(default_factory=dict)

    def are_comparable(self, one: str, other: str) -> bool:
        """Whether battles connect two models, directly or by way of others."""
        return any(one in component and other in component for component in self.components)

    def standing(self, model: str) -> Standing:
        """Return the standing of a model that is on the board."""
        return next(standing for standing in self.standings if standing.model == model)

    def to_json(self) -> Json:
        """Return it as JSON can hold it."""
        return {
            "standings": [standing.to_json() for standing in self.standings],
            "components": [list(component) for component in self.components],
            "effects": [effect.to_json() for effect in self.effects],
            "tie_share": finite(self.tie_share),
            "num_votes": self.num_votes,
            "num_annotators": self.num_annotators,
            "level": self.level,
            "left_out": dict(self.left_out),
        }
