"""What is known of each annotator's care: steadiness, haste, habits, and agreement with others.

None of it proves anything alone: somebody may be right against everybody. Shares come with Wilson
intervals and the number of cases, so that three votes don't look like three hundred.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from preferences.arrays import Json, finite
from preferences.intervals import Estimate, wilson
from preferences.judgement import FRESH, VOTES, Judgement
from preferences.suspicion import Suspicion, watch_votes

Item = tuple[str, ...]
Levels = dict[str, int]
Verdict = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class AnnotatorReport:
    """One annotator's record.

    ``consistency``: how much of an item is judged the same when it comes back with the order turned
    round. ``first_place``: how often, of answers not tied, the one shown earlier is preferred (0.5
    is no bias). ``median_s`` seconds are taken for a vote, and ``too_fast`` is the share of votes
    that took less than is humanly needed. ``agreement``: the chance that another annotator of the
    same item says the same of two answers. ``checks``: the share of seeded items judged right.
    """

    annotator_id: str
    num_votes: int
    consistency: Estimate
    first_place: Estimate
    median_s: float | None
    too_fast: Estimate
    agreement: Estimate
    checks: Estimate
    suspicion: Suspicion

    @property
    def has_place_bias(self) -> bool:
        """Whether the preference for a place on the page is more than chance would show."""
        lower, upper = self.first_place.lower, self.first_place.upper
        return lower is not None and upper is not None and not lower <= 0.5 <= upper

    def to_json(self) -> Json:
        """Return it as JSON can hold it."""
        return {
            "annotator_id": self.annotator_id,
            "num_votes": self.num_votes,
            "consistency": self.consistency.to_json(),
            "first_place": self.first_place.to_json(),
            "has_place_bias": self.has_place_bias,
            "median_s": finite(self.median_s),
            "too_fast": self.too_fast.to_json(),
            "agreement": self.agreement.to_json(),
            "checks": self.checks.to_json(),
            "suspicion": self.suspicion.to_json(),
        }


def report_annotators(
    judgements: Iterable[Judgement],
    *,
    checks: Mapping[str, str] | None = None,
    fast_s: float = 3.0,
    alpha: float = 0.01,
    level: float = 0.95,
) -> tuple[AnnotatorReport, ...]:
    """Return a report for each annotator who has a name, sorted by name.

    `checks` maps the question id of each seeded item to the answer that has to be the best, alone.
    A vote in less than `fast_s` seconds is too fast; `alpha` is that of `watch_votes`. Weak signals
    don't count.
    """
    votes = [one for one in judgements if one.kind in VOTES and one.annotator_id]
    by_person: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in votes:
        by_person[judgement.annotator_id].append(judgement)
    others = _Verdicts(votes)
    watched = watch_votes(votes, alpha=alpha)
    return tuple(
        AnnotatorReport(
            annotator_id=who,
            num_votes=len(own),
            consistency=measure_consistency(own, level),
            first_place=measure_first_place(own, level),
            median_s=_median_s(own),
            too_fast=_share([time < fast_s for time in _times(own)], level),
            agreement=_share(others.agreements(who, own), level),
            checks=_share(_check_results(own, checks or {}), level),
            suspicion=watched.get(who) or Suspicion(who, 0, 1.0, 0.0, "", None),
        )
        for who, own in sorted(by_person.items())
    )


def measure_consistency(own: Sequence[Judgement], level: float = 0.95) -> Estimate:
    """Return how much of one annotator's repeats agrees with their first vote on the same item."""
    first = {one.item: one.levels() for one in reversed(own) if one.kind in FRESH}
    again = [one for one in own if one.kind == "repeat" and one.item in first]
    return _share([_overlap(first[one.item], one.levels()) for one in again], level)


def measure_first_place(own: Sequence[Judgement], level: float = 0.95) -> Estimate:
    """Return how often one annotator prefers what is shown earlier, a ranking counting as one."""
    shares = []
    for judgement in own:
        levels = judgement.levels()
        shown = [levels[answer] for answer in judgement.comparison.answer_ids if answer in levels]
        wins = [early < late for early, late in combinations(shown, 2) if early != late]
        if wins:
            shares.append(sum(wins) / len(wins))
    return _share(shares, level)


def _share(values: Sequence[float], level: float) -> Estimate:
    return wilson(float(sum(values)), len(values), level)


def _times(own: Sequence[Judgement]) -> list[float]:
    return [one.ranking.elapsed_s for one in own if one.ranking.elapsed_s is not None]


def _median_s(own: Sequence[Judgement]) -> float | None:
    times = _times(own)
    return median(times) if times else None


def _check_results(own: Sequence[Judgement], checks: Mapping[str, str]) -> list[bool]:
    return [
        one.ranking.groups[:1] == ((checks[one.comparison.question_id],),)
        for one in own
        if one.kind == "check" and one.comparison.question_id in checks
    ]


def _verdicts(levels: Levels) -> list[Verdict]:
    """Return for each pair of answers, in the order of their names, which of them is better."""
    return [
        (one, other, (levels[one] > levels[other]) - (levels[one] < levels[other]))
        for one, other in combinations(sorted(levels), 2)
    ]


def _overlap(one: Levels, other: Levels) -> float:
    """Return the share of pairs of answers on which two rankings agree; 1 if there are none."""
    first, second = set(_verdicts(one)), set(_verdicts(other))
    return len(first & second) / len(first) if first else 1.0


class _Verdicts:
    """Who said what of each item, so that each can be compared with all others."""

    def __init__(self, votes: Iterable[Judgement]):
        self._levels: dict[Item, dict[str, list[Verdict]]] = defaultdict(dict)
        self._counts: dict[Item, dict[Verdict, int]] = defaultdict(lambda: defaultdict(int))
        for vote in votes:
            item, who = vote.item, vote.annotator_id
            if vote.kind in FRESH and who not in self._levels[item]:
                self._levels[item][who] = _verdicts(vote.levels())
                for verdict in self._levels[item][who]:
                    self._counts[item][verdict] += 1

    def agreements(self, who: str, own: Sequence[Judgement]) -> list[float]:
        """Return for each of one's items the share of the others' verdicts that are one's own."""
        return [
            self._agreement(who, item)
            for item in dict.fromkeys(vote.item for vote in own if vote.kind in FRESH)
            if len(self._levels[item]) > 1 and self._levels[item][who]
        ]

    def _agreement(self, who: str, item: Item) -> float:
        said = self._levels[item][who]
        num_others = len(self._levels[item]) - 1
        same = sum(self._counts[item][verdict] - 1 for verdict in said)
        return same / (num_others * len(said))
