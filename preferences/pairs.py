"""Judgements to pairs of answers, one preferred to the other, as preference training eats them.

A ranking of k answers says something about k (k - 1) / 2 pairs. Each pair of answers comes out
once, however many people voted on it; what they said is its majority, its agreement, its weight.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations, groupby
from typing import NamedTuple

from chat.types import Message, Preference
from preferences.drops import Dropped, OnDrop, Options, Reason, fault_of, fault_of_answers
from preferences.judgement import VOTES, Candidate, Judgement
from preferences.seen import Seen, hash_texts
from preferences.splits import Split
from preferences.texts import distinct, in_utc, is_same_text


@dataclass(frozen=True, slots=True)
class Pair:
    """One answer preferred to another.

    ``num_votes`` people judged the two, ``agreement`` is the share of them that preferred the
    chosen one. ``weight`` is that share times 1 / (k choose 2) for rankings of k answers: however
    many answers a person ranked, it is one person's word. ``margin`` runs from 0 to 1. ``kind`` is
    "vote", or what weak signal this is. Ids of annotators are as they came in: see `pseudonyms`.
    """

    id: str
    prompt: tuple[Message, ...]
    chosen: Candidate
    rejected: Candidate
    margin: float
    weight: float
    num_votes: int
    agreement: float
    kind: str
    comparison_ids: tuple[str, ...]
    annotators: tuple[str, ...]
    created_at: datetime
    conversation_id: str
    question_id: str
    split: Split
    tags: tuple[str, ...] = ()
    language: str = ""

    def to_preference(self) -> Preference:
        """Return what training knows of it."""
        chosen, rejected = (
            Message("assistant", candidate.text) for candidate in (self.chosen, self.rejected)
        )
        return Preference(self.prompt, chosen, rejected, self.margin, self.weight)


class _Vote(NamedTuple):
    """What one judgement says of two answers: ``lead`` is above 0 where the first is better."""

    judgement: Judgement
    first: Candidate
    second: Candidate
    lead: float
    weight: float


def make_pairs(
    judgements: Iterable[Judgement], options: Options, on_drop: OnDrop
) -> Iterator[Pair]:
    """Yield the pairs that judgements agree on, and tell what is left out, and why.

    Judgements of one question have to come one after another; only those are in memory at a time
    (and a hash for each pair, 8 bytes, to know duplicates). Every vote on a pair is counted once:
    ``sum(pair.num_votes)`` and the ``num`` of what is dropped add up to the pairs of all rankings.
    """
    seen = Seen()
    for _, group in groupby(judgements, key=lambda judgement: judgement.comparison.question_id):
        split: Split | None = None
        for votes in _collect_votes(group, options, on_drop):
            # One question, one prompt, one place.
            split = split or _split_of(votes[0].judgement, options)
            pair = _decide(votes, options, split)
            if isinstance(pair, Pair) and not seen.add(_content_of(pair)):
                pair = "duplicate"
            if isinstance(pair, Pair):
                yield pair
            else:
                on_drop(Dropped(_id_of(votes[0]), pair, len(votes)))


def _collect_votes(
    judgements: Iterable[Judgement], options: Options, on_drop: OnDrop
) -> list[list[_Vote]]:
    """Return the votes on each pair of answers to one question."""
    by_pair: dict[tuple[bool, str, str], dict[str, _Vote]] = {}
    for judgement in judgements:
        is_vote = judgement.kind in VOTES
        for vote in _votes_of(judgement, options, on_drop):
            votes = by_pair.setdefault((is_vote, *_ids_of(vote)), {})
            # Somebody without a name may be somebody else each time.
            who = judgement.annotator_id or f"\0{len(votes)}"
            if who in votes:
                on_drop(Dropped(_id_of(vote), "duplicate"))
            if who not in votes or _moment(vote) >= _moment(votes[who]):
                votes[who] = vote
    for (is_vote, *ids), votes in list(by_pair.items()):
        if not is_vote and (True, *ids) in by_pair:
            on_drop(Dropped(":".join(ids), "weak", len(votes)))
            del by_pair[False, ids[0], ids[1]]
    return [list(votes.values()) for votes in by_pair.values()]


def _votes_of(judgement: Judgement, options: Options, on_drop: OnDrop) -> Iterator[_Vote]:
    levels = judgement.levels()
    num_pairs = len(levels) * (len(levels) - 1) // 2
    if not num_pairs:
        return
    if fault := fault_of(judgement, options):
        on_drop(Dropped(judgement.comparison.id, fault, num_pairs))
        return
    known = {c.answer_id: c for c in judgement.candidates if c.answer_id in levels}
    num_known = len(known) * (len(known) - 1) // 2
    if num_known < num_pairs:
        on_drop(Dropped(judgement.comparison.id, "deleted", num_pairs - num_known))
    span = max(len(judgement.ranking.groups) - 1, 1)
    for first, second in combinations(sorted(known), 2):
        lead = (levels[second] - levels[first]) / span
        vote = _Vote(judgement, known[first], known[second], lead, 1 / num_pairs)
        reason = fault_of_answers((vote.first, vote.second), options)
        if reason is None and is_same_text(vote.first.text, vote.second.text):
            reason = "duplicate"
        if reason is None:
            yield vote
        else:
            on_drop(Dropped(_id_of(vote), reason))


def _split_of(judgement: Judgement, options: Options) -> Split:
    return options.splits.place(judgement.prompt, judgement.comparison.conversation_id)


def _decide(votes: list[_Vote], options: Options, split: Split) -> Pair | Reason:
    ahead = [vote for vote in votes if vote.lead > 0]
    behind = [vote for vote in votes if vote.lead < 0]
    num_ties = len(votes) - len(ahead) - len(behind)
    if votes[0].judgement.kind in VOTES and len(votes) < options.min_votes:
        return "too_few_votes"
    if num_ties > max(len(ahead), len(behind)):
        return "tie"
    if len(ahead) == len(behind):
        return "disagreement"
    majority = max(ahead, behind, key=len)
    if len(majority) / len(votes) < options.min_agreement:
        return "disagreement"
    return _to_pair(votes, majority, options, split)


def _to_pair(votes: list[_Vote], majority: list[_Vote], options: Options, split: Split) -> Pair:
    newest = majority[0] if len(majority) == 1 else max(majority, key=_moment)
    judgement = newest.judgement
    chosen, rejected = newest.first, newest.second
    if newest.lead < 0:
        chosen, rejected = rejected, chosen
    comparison = judgement.comparison
    return Pair(
        id=f"{comparison.question_id}:{chosen.answer_id}:{rejected.answer_id}",
        prompt=judgement.prompt,
        chosen=chosen,
        rejected=rejected,
        margin=sum([_margin_of(vote, options) for vote in majority]) / len(majority),
        weight=sum([vote.weight for vote in majority]) / len(votes),
        num_votes=len(votes),
        agreement=len(majority) / len(votes),
        kind="vote" if judgement.kind in VOTES else judgement.kind,
        comparison_ids=distinct([vote.judgement.comparison.id for vote in votes]),
        annotators=distinct([vote.judgement.annotator_id for vote in votes]),
        created_at=max([vote.judgement.created_at for vote in votes], key=in_utc),
        conversation_id=comparison.conversation_id,
        question_id=comparison.question_id,
        split=split,
        tags=distinct([tag for vote in votes for tag in vote.judgement.tags]),
        language=judgement.language,
    )


def _margin_of(vote: _Vote, options: Options) -> float:
    if options.margin == "none":
        return 0.0
    strength = 1.0
    if options.margin == "strength":
        strength = vote.judgement.ranking.strength or 0.0
    return abs(vote.lead) * strength


def _moment(vote: _Vote) -> datetime:
    return in_utc(vote.judgement.created_at)


def _ids_of(vote: _Vote) -> tuple[str, str]:
    return vote.first.answer_id, vote.second.answer_id


def _id_of(vote: _Vote) -> str:
    return f"{vote.judgement.comparison.question_id}:{':'.join(_ids_of(vote))}"


def _content_of(pair: Pair) -> int:
    texts = [text for message in pair.prompt for text in (message.role, message.content)]
    return hash_texts([*texts, pair.chosen.text, pair.rejected.text])
