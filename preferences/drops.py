"""Why something didn't come out of an export: every drop has a reason, and all are counted."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from chat.errors import InvalidRequest
from preferences.judgement import VOTES, Candidate, Judgement
from preferences.splits import Splits

Reason = Literal[
    "no_consent",
    "blocked",
    "pii",
    "empty",
    "truncated",
    "deleted",
    "check",
    "repeat",
    "weak",
    "duplicate",
    "tie",
    "disagreement",
    "too_few_votes",
    "same_model",
    "unaccepted",
    "not_a_question",
]
MEANINGS: Mapping[Reason, str] = {
    "no_consent": "the person who asked hasn't agreed to this use",
    "blocked": "moderation refused an answer",
    "pii": "an answer holds personal data",
    "empty": "an answer has no text",
    "truncated": "an answer stopped before its end",
    "deleted": "an answer is gone",
    "check": "an item with a known answer, which tests the annotator",
    "repeat": "an item shown to the same person once more",
    "weak": "an edit or a second try, which is no vote",
    "duplicate": "the same texts, or the same person's vote, are there already",
    "tie": "the voters found both answers equally good",
    "disagreement": "the voters disagree",
    "too_few_votes": "not enough people voted",
    "same_model": "both answers are by one model",
    "unaccepted": "nobody called the answer good",
    "not_a_question": "the prompt doesn't end with something that the user said",
}
Margin = Literal["none", "rank", "strength"]


@dataclass(frozen=True, slots=True)
class Dropped:
    """Something that was left out: its id, why, and how many votes (or judgements) it stood for."""

    id: str
    reason: Reason
    num: int = 1


OnDrop = Callable[[Dropped], None]


@dataclass(slots=True)
class Tally:
    """Counts what is dropped; call it with each `Dropped`. ``num`` is the sum of all."""

    by_reason: Counter[Reason] = field(default_factory=Counter)

    def __call__(self, dropped: Dropped) -> None:
        """Count one more."""
        self.by_reason[dropped.reason] += dropped.num

    @property
    def num(self) -> int:
        """How many were dropped in all."""
        return self.by_reason.total()


@dataclass(frozen=True, slots=True)
class Options:
    """What an export takes and leaves.

    ``min_votes``: people who have to agree or disagree on a pair or an answer before it counts.
    ``min_agreement``: the share of them, from 0 to 1, that has to be of one mind.
    ``margin``: "rank" is the distance in the ranking over the largest one possible; "strength" is
    that times what the annotator said about strength (0 where nobody did); "none" is 0.
    ``include_weak``: edits and second tries too, as pairs of their own and never as votes.
    ``include_unsafe``: also answers that were blocked, or hold personal data: for moderators.

    Raises:
        InvalidRequest: a value lies outside what is allowed.
    """

    min_votes: int = 1
    min_agreement: float = 0.0
    margin: Margin = "rank"
    include_weak: bool = False
    include_truncated: bool = False
    include_unsafe: bool = False
    require_consent: bool = True
    splits: Splits = field(default_factory=Splits)

    def __post_init__(self) -> None:
        if self.min_votes < 1:
            raise InvalidRequest(
                f"min_votes is {self.min_votes}; allowed is 1 or more.", param="min_votes"
            )
        if not 0 <= self.min_agreement <= 1:
            raise InvalidRequest(
                f"min_agreement is {self.min_agreement}; allowed is 0 to 1.", param="min_agreement"
            )
        if self.margin not in get_args(Margin):
            raise InvalidRequest(
                f"margin is {self.margin!r}; allowed is none, rank or strength.", param="margin"
            )


def fault_of(judgement: Judgement, options: Options) -> Reason | None:
    """Return why nothing of a judgement may be used as votes, if so."""
    if options.require_consent and not judgement.consent:
        return "no_consent"
    if judgement.kind == "check" or judgement.kind == "repeat":
        return "check" if judgement.kind == "check" else "repeat"
    if judgement.kind not in VOTES and not options.include_weak:
        return "weak"
    if not judgement.prompt or judgement.prompt[-1].role != "user":
        return "not_a_question"
    return None


def fault_of_answers(candidates: Iterable[Candidate], options: Options) -> Reason | None:
    """Return why these answers may not be used together, if so: the gravest reason."""
    found: Reason | None = None
    for candidate in candidates:
        is_refused = candidate.is_blocked or candidate.finish_reason == "content_filter"
        if is_refused and not options.include_unsafe:
            return "blocked"
        if candidate.has_pii and not options.include_unsafe:
            found = "pii"
        elif not candidate.text.strip():
            found = found or "empty"
        elif candidate.finish_reason in _UNFINISHED and not options.include_truncated:
            found = found or "truncated"
    return found


_UNFINISHED = frozenset({"length", "cancelled", "error"})
