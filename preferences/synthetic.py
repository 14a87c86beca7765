"""Synthetic annotators: votes whose truth is known, for tests, benchmarks and demonstrations.

A crowd is drawn from a seed, and so is each vote: the same seed gives the same votes. Models have
strengths; each annotator has a taste of their own (a random effect for each model), noise and a
weakness for what is shown first; some are spammers. Two answers are judged by Davidson's model,
more by Plackett and Luce's (Luce 1959; Plackett 1975, Applied Statistics 24) as a race of Gumbel
utilities (Yellott 1977), where utilities closer than `tie_gap` share a group.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from chat.types import Comparison, Message, Ranking
from preferences.arrays import Flags, Floats, Ints
from preferences.battles import Battles
from preferences.davidson import Design, fit, outcome_shares
from preferences.judgement import Candidate, Judgement
from preferences.style import contrast_styles

SPAMMERS = ("random", "first", "contrary")
_START = datetime(2026, 1, 1, tzinfo=UTC)
_WORDS = ("one", "two", "three", "four", "five", "six", "seven")


@dataclass(frozen=True, slots=True)
class Crowd:
    """What models are worth, and who judges them how.

    ``strengths`` are thetas (0.576 is 100 points). ``log_tie`` is Davidson's log nu; minus infinity
    means no ties. ``taste_sd`` is the spread, over annotators, of the theta they see in a model;
    ``noise`` divides all differences; ``first_place`` is added to d in favour of what is shown
    first. ``overlap`` annotators judge each item. ``activity_sd`` spreads the logarithm of how
    often annotators vote. The shares of ``spammers`` vote at random, always for the first, or
    against their conviction, in that order.
    ``length_effect`` favours the longer answer: d grows by it times the difference over the sum;
    ``length_of`` are the models' mean log lengths (empty: all alike).
    """

    strengths: tuple[float, ...]
    num_annotators: int = 50
    num_rankings: int = 1000
    num_shown: int = 2
    log_tie: float = -1.0
    tie_gap: float = 0.0
    taste_sd: float = 0.0
    noise: float = 1.0
    overlap: int = 1
    first_place: float = 0.0
    activity_sd: float = 0.0
    spammers: tuple[float, float, float] = (0.0, 0.0, 0.0)
    length_effect: float = 0.0
    length_of: tuple[float, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The models' names, which sort as they are numbered."""
        digits = len(str(len(self.strengths) - 1))
        return tuple(f"model-{index:0{digits}}" for index in range(len(self.strengths)))


@dataclass(frozen=True, slots=True)
class Votes:
    """Rankings as arrays: a row each, columns in the order shown.

    ``models`` are numbers of models, ``levels`` their groups (0 the best), ``words`` the lengths of
    the answers; ``annotators`` and ``elapsed_s`` have one number for each ranking. ``spam`` says of
    each annotator which spammer it is (an index of SPAMMERS), or -1; ``taste`` what that annotator
    adds to the theta of each model.
    """

    models: Ints
    levels: Ints
    words: Ints
    annotators: Ints
    elapsed_s: Floats
    spam: Ints
    taste: Floats


def draw_votes(crowd: Crowd, seed: int) -> Votes:
    """Return the rankings of a crowd; `overlap` rows in a row judge one item."""
    rng = np.random.default_rng(seed)
    num_items = -(-crowd.num_rankings // crowd.overlap)
    size = len(crowd.strengths)
    spam = _draw_spam(crowd, rng)
    annotators = _draw_annotators(crowd, num_items, rng)
    taste = rng.normal(0.0, 1.0, (crowd.num_annotators, size)) * crowd.taste_sd
    models = rng.random((num_items, size)).argsort(axis=1)[:, : crowd.num_shown]
    words = _draw_words(crowd, models, rng)
    rows = np.arange(crowd.num_rankings) // crowd.overlap
    pace = np.where(spam[annotators] >= 0, 0.1, 1.0)
    elapsed = rng.lognormal(3.0, 0.6, crowd.num_rankings) * pace
    nothing = np.zeros((crowd.num_rankings, crowd.num_shown), dtype=np.int64)
    votes = Votes(models[rows], nothing, words[rows], annotators, elapsed, spam, taste)
    return replace(votes, levels=_judge(crowd, votes, rng))


def _draw_annotators(crowd: Crowd, num_items: int, rng: np.random.Generator) -> Ints:
    """Return who judges each row: for each item different people, the active ones more often."""
    activity = rng.lognormal(0.0, crowd.activity_sd, crowd.num_annotators)
    if crowd.overlap == 1:
        return rng.choice(crowd.num_annotators, num_items, p=activity / activity.sum())
    keys = np.log(activity) + rng.gumbel(size=(num_items, crowd.num_annotators))
    return (-keys).argsort(axis=1)[:, : crowd.overlap].ravel()[: crowd.num_rankings]


def _draw_spam(crowd: Crowd, rng: np.random.Generator) -> Ints:
    ends = np.cumsum(crowd.spammers)
    kind = np.searchsorted(ends, rng.random(crowd.num_annotators), side="right")
    return np.where(kind < len(SPAMMERS), kind, -1)


def _draw_words(crowd: Crowd, models: Ints, rng: np.random.Generator) -> Ints:
    means = np.array(crowd.length_of or (3.0,) * len(crowd.strengths))
    lengths = np.exp(means[models] + rng.normal(0.0, 0.4, models.shape))
    return np.maximum(1, lengths).astype(np.int64)


def _judge(crowd: Crowd, votes: Votes, rng: np.random.Generator) -> Ints:
    who, shown = votes.annotators, crowd.num_shown
    worth = np.array(crowd.strengths)[votes.models] + votes.taste[who[:, None], votes.models]
    worth = worth / crowd.noise + crowd.first_place * np.linspace(1, 0, shown)
    spam = votes.spam[who][:, None]
    worth = np.where(spam == SPAMMERS.index("contrary"), -worth, worth)
    if shown == 2:
        levels = _judge_pairs(crowd, worth, votes.words, rng)
    else:
        levels = _race(worth, crowd.tie_gap, rng)
    levels = np.where(spam == SPAMMERS.index("first"), np.arange(shown), levels)
    at_random = rng.random(levels.shape).argsort(axis=1)
    return np.where(spam == SPAMMERS.index("random"), at_random, levels)


def _judge_pairs(crowd: Crowd, worth: Floats, words: Ints, rng: np.random.Generator) -> Ints:
    longer = contrast_styles(words[:, 0].astype(float), words[:, 1].astype(float))
    d = worth[:, 0] - worth[:, 1] + crowd.length_effect * longer
    first, tie, _ = outcome_shares(d, crowd.log_tie)
    drawn = rng.random(len(d))
    is_won, is_tied = drawn < first, drawn >= 1 - tie
    return np.stack([~is_won & ~is_tied, is_won], axis=1).astype(np.int64)


def _race(worth: Floats, tie_gap: float, rng: np.random.Generator) -> Ints:
    """Return the groups in which runners with Gumbel noise come in."""
    utility = worth + rng.gumbel(size=worth.shape)
    order = (-utility).argsort(axis=1)
    gaps = -np.diff(np.take_along_axis(utility, order, axis=1), axis=1)
    steps = np.cumsum(gaps > tie_gap, axis=1)
    levels = np.zeros(worth.shape, dtype=np.int64)
    np.put_along_axis(levels, order[:, 1:], steps, axis=1)
    return levels


def votes_to_battles(crowd: Crowd, votes: Votes) -> Battles:
    """Return the votes' pairs as `collect_battles` would, without a detour by way of objects."""
    shown = crowd.num_shown
    one, other = np.triu_indices(shown, k=1)
    gap = votes.levels[:, other] - votes.levels[:, one]
    lengths = contrast_styles(
        votes.words[:, one].astype(float), votes.words[:, other].astype(float)
    )
    count = gap.size
    no_flags: Flags = np.zeros(count, dtype=np.bool_)
    return Battles(
        models=crowd.names,
        annotators=tuple(f"annotator-{index}" for index in range(crowd.num_annotators)),
        first=votes.models[:, one].ravel(),
        second=votes.models[:, other].ravel(),
        outcome=(np.sign(gap).ravel() + 1.0) / 2,
        weight=np.full(count, 1.0 / len(one)),
        cluster=np.repeat(votes.annotators, len(one)),
        both_bad=no_flags,
        probability=np.ones(count),
        covariates=lengths.reshape(-1, 1),
        covariate_names=("words",),
    )


def make_battles(crowd: Crowd, seed: int) -> Battles:
    """Return the pairs that a crowd judged."""
    return votes_to_battles(crowd, draw_votes(crowd, seed))


def make_judgements(crowd: Crowd, seed: int, *, repeats: float = 0.0) -> Iterator[Judgement]:
    """Yield the judgements of a crowd, one a minute.

    After the rankings, a share of `repeats` of them comes back to the same annotators with the
    order turned round, and is judged afresh.
    """
    votes = draw_votes(crowd, seed)
    for row in range(crowd.num_rankings):
        yield _make_judgement(crowd, votes, row, row // crowd.overlap, "rank", row)
    rng = np.random.default_rng((seed, 1))
    rows = np.flatnonzero(rng.random(crowd.num_rankings) < repeats).astype(np.int64)
    again = _judge_again(crowd, votes, rows, rng)
    for place, row in enumerate(rows.tolist()):
        item = row // crowd.overlap
        yield _make_judgement(crowd, again, place, item, "repeat", crowd.num_rankings + place)


def _judge_again(crowd: Crowd, votes: Votes, rows: Ints, rng: np.random.Generator) -> Votes:
    turned = replace(
        votes,
        models=votes.models[rows, ::-1],
        words=votes.words[rows, ::-1],
        annotators=votes.annotators[rows],
        elapsed_s=votes.elapsed_s[rows],
    )
    return replace(turned, levels=_judge(crowd, turned, rng))


def _make_judgement(
    crowd: Crowd, votes: Votes, row: int, item: int, kind: str, minute: int
) -> Judgement:
    models = [crowd.names[model] for model in votes.models[row]]
    answers = tuple(f"answer-{item}-{model}" for model in models)
    groups = [
        tuple(answers[place] for place in np.flatnonzero(votes.levels[row] == level))
        for level in range(crowd.num_shown)
    ]
    name = f"comparison-{item}" if kind == "rank" else f"comparison-{item}-{kind}-{minute}"
    who = f"annotator-{votes.annotators[row]}"
    elapsed = float(votes.elapsed_s[row])
    return Judgement(
        comparison=Comparison(name, f"conversation-{item}", f"question-{item}", answers),
        ranking=Ranking(name, who, tuple(filter(None, groups)), elapsed_s=elapsed),
        prompt=(Message("user", f"Question {item}?"),),
        candidates=tuple(
            Candidate(answer, model, _write(int(num_words)), {"temperature": 0.6})
            for answer, model, num_words in zip(answers, models, votes.words[row], strict=True)
        ),
        created_at=_START + timedelta(minutes=minute),
        consent=True,
        kind=kind,
        language="en",
        owner_id=who,
    )


def _write(num_words: int) -> str:
    return " ".join(_WORDS[place % len(_WORDS)] for place in range(num_words))


def population_thetas(crowd: Crowd) -> Floats:
    """Return what a fit tends to with endless annotators: the truth that intervals must cover.

    Tastes and spammers flatten the strengths that a whole crowd shows, so the estimand is not
    ``strengths``: it is the best fit to the expected outcomes of all pairs (White 1982,
    Econometrica 50). Tastes are averaged over by Gauss-Hermite quadrature. The side effect is part
    of the fit. For pairs, and for longer rankings without ties and without a first place.
    """
    assert crowd.num_shown == 2 or (crowd.tie_gap == 0 and crowd.first_place == 0)
    assert crowd.length_effect == 0
    size = len(crowd.strengths)
    first, second = np.nonzero(~np.eye(size, dtype=np.bool_))
    shares = expected_shares(crowd, first, second)
    rows = Design(
        size,
        np.tile(first, 3),
        np.tile(second, 3),
        np.repeat([1.0, 0.0, -1.0], len(first)),
        np.concatenate(shares),
        np.ones((3 * len(first), 1)),
    )
    return fit(rows, ridge=1e-6).parameters[:size]


def expected_shares(crowd: Crowd, first: Ints, second: Ints) -> tuple[Floats, Floats, Floats]:
    """Return how often, over all annotators, the first shown wins, ties and loses."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    strengths = np.array(crowd.strengths)
    # Tastes for two models differ by sqrt(2) times as much as tastes for one vary.
    tastes = nodes * crowd.taste_sd * np.sqrt(2.0)
    own = (strengths[first] - strengths[second])[:, None] + tastes
    log_tie = crowd.log_tie if crowd.num_shown == 2 else -np.inf
    d = own / crowd.noise + crowd.first_place
    honest = [share @ weights for share in outcome_shares(d, log_tie)]
    contrary = [share @ weights for share in outcome_shares(-d, log_tie)]
    randomly, always, against = crowd.spammers
    mixed = (
        (1 - sum(crowd.spammers)) * np.stack(honest)
        + randomly * np.array([[0.5], [0.0], [0.5]])
        + always * np.array([[1.0], [0.0], [0.0]])
        + against * np.stack(contrary)
    )
    return mixed[0], mixed[1], mixed[2]
