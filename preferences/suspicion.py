"""A sequential test for bad voters: evidence that grows vote by vote, and may be read at any time.

The null hypothesis is that on each pair of models, shown in this order, somebody votes as the
others do: their votes and the others' are draws from one unknown distribution over lost, tied and
won. Before the j-th own vote on the pair, with counts n of the others' N votes and c of the own
j - 1, outcome y is given

    p(y) = (n_y + c_y + 1) / (N + j).

A bad voter of some kind would give it q(y), and the evidence is the product of q(y) / p(y) over all
votes. For two outcomes of a coin flip that is FastChat's product of 1 / (2 p) (Chiang et al. 2024,
"Chatbot Arena", has the idea of testing voters one by one); 1 / (2 p) must not be used with three
outcomes, where its mean is 3/2. Here the mean is at most 1, in two ways:

- p is the posterior predictive under a uniform prior, (n_y + c_y + 1) / (N + j + 2), made larger.
  So averaged over that prior the product is a non-negative supermartingale whatever q is chosen
  from the past, and by Ville's inequality (1939) the chance that it *ever* reaches 1 / alpha is at
  most alpha: one may look after every vote and stop at will (Ramdas, Grünwald, Vovk, Shafer 2023,
  "Game-theoretic statistics and safe anytime-valid inference", Statistical Science 38).
- For a q fixed beforehand it also holds for each distribution, at each fixed number of votes:
  given all N + j votes together, an own sequence has the probability of drawing it from them
  without replacement, which is the product of the p; the mean of the product is then a sum of q
  over sequences, at most 1.

Own votes are part of p, so that a steady taste of one's own soon stops to count against anybody.
The mean of such products is one again (an e-value), so several kinds of bad voters are watched for
at once. Each alarm is wrong with chance alpha; among a thousand honest people expect some.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from preferences.arrays import Floats, Ints, Json
from preferences.judgement import FRESH, Judgement

LEAST_VOTES = 5
# How bad voters of each kind vote: (later shown wins, tie, first shown wins). A contrary one has
# the others' votes turned round.
KINDS: Mapping[str, tuple[float, float, float] | None] = {
    "random": (0.4, 0.2, 0.4),
    "first": (0.04, 0.04, 0.92),
    "last": (0.92, 0.04, 0.04),
    "contrary": None,
}


@dataclass(frozen=True, slots=True)
class Suspicion:
    """The evidence against one voter.

    ``evidence`` is what it came to after all votes, ``highest`` the most that it ever was from the
    `LEAST_VOTES`-th vote on. ``kind`` is the kind of bad voter that fits best. ``flagged_at`` is
    the number of the vote at which ``highest`` passed 1 / alpha, or None.
    """

    annotator_id: str
    num_votes: int
    evidence: float
    highest: float
    kind: str
    flagged_at: int | None

    @property
    def is_flagged(self) -> bool:
        """Whether the votes are hardly those of somebody who votes as the others do."""
        return self.flagged_at is not None

    def to_json(self) -> Json:
        """Return it as JSON can hold it."""
        return {
            "num_votes": self.num_votes,
            "evidence": self.evidence,
            "highest": self.highest,
            "kind": self.kind,
            "flagged_at": self.flagged_at,
            "is_flagged": self.is_flagged,
        }


@dataclass(frozen=True, slots=True)
class Vote:
    """One decision: the models as they were shown; 0, 1 or 2 where the first lost, tied or won."""

    pair: tuple[str, str]
    outcome: int


def watch_votes(judgements: Iterable[Judgement], *, alpha: float = 0.01) -> dict[str, Suspicion]:
    """Return the evidence against each annotator, who is flagged where it ever reaches 1 / `alpha`.

    Of a ranking, the first two answers shown that can be compared are used: which they are was up
    to chance, and other pairs would say much of the same again. Votes are taken in the order of
    their time.
    """
    timed: dict[str, list[tuple[float, int, Vote]]] = defaultdict(list)
    for number, judgement in enumerate(judgements):
        vote = read_vote(judgement)
        if vote is not None and judgement.annotator_id:
            moment = judgement.created_at.timestamp()
            timed[judgement.annotator_id].append((moment, number, vote))
    votes = {who: [vote for *_, vote in sorted(own, key=_when)] for who, own in timed.items()}
    pools: dict[tuple[str, str], Ints] = defaultdict(lambda: np.zeros(3, dtype=np.int64))
    for own in votes.values():
        for vote in own:
            pools[vote.pair][vote.outcome] += 1
    return {who: _weigh(who, own, pools, alpha) for who, own in sorted(votes.items())}


def _when(timed: tuple[float, int, Vote]) -> tuple[float, int]:
    return timed[:2]


def read_vote(judgement: Judgement) -> Vote | None:
    """Return the decision between the first two answers that can be compared, if there are any."""
    if judgement.kind not in FRESH:
        return None
    levels = judgement.levels()
    shown = [one for one in judgement.candidates if one.answer_id in levels and not one.is_blocked]
    if not shown:
        return None
    rival = next((one for one in shown if one.model != shown[0].model), None)
    if rival is None or judgement.is_none_acceptable:
        return None
    gap = levels[rival.answer_id] - levels[shown[0].answer_id]
    return Vote((shown[0].model, rival.model), 1 + (gap > 0) - (gap < 0))


def _weigh(
    who: str, votes: list[Vote], pools: Mapping[tuple[str, str], Ints], alpha: float
) -> Suspicion:
    own: dict[tuple[str, str], Ints] = defaultdict(lambda: np.zeros(3, dtype=np.int64))
    for vote in votes:
        own[vote.pair][vote.outcome] += 1
    # What is left of the pool is the others' votes; own ones join it one by one.
    seen = {pair: pools[pair] - count for pair, count in own.items()}
    logs = np.zeros(len(KINDS))
    highest, flagged_at = -math.inf, None
    total = 0.0
    for number, vote in enumerate(votes, start=1):
        counts = seen[vote.pair]
        logs += _step(vote, counts)
        counts[vote.outcome] += 1
        total = _log_mean(logs)
        if number >= LEAST_VOTES:
            highest = max(highest, total)
            if flagged_at is None and highest >= -math.log(alpha):
                flagged_at = number
    kind = tuple(KINDS)[int(logs.argmax())]
    return Suspicion(who, len(votes), _exp(total), _exp(highest), kind, flagged_at)


def _step(vote: Vote, counts: Ints) -> Floats:
    """Return for each kind of bad voter the logarithm of q / p of one vote."""
    chance = (counts[vote.outcome] + 1) / (counts.sum() + 1)
    turned = (counts[2 - vote.outcome] + 1) / (counts.sum() + 3)
    shares = [turned if share is None else share[vote.outcome] for share in KINDS.values()]
    logs: Floats = np.log(np.array(shares) / chance)
    return logs


def _log_mean(logs: Floats) -> float:
    return float(np.logaddexp.reduce(logs)) - math.log(len(logs))


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))
