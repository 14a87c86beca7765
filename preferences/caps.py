"""Limits against stuffing the box: so many votes per person and day, so many per question."""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date

from preferences.arrays import Json
from preferences.judgement import VOTES, Judgement


@dataclass(frozen=True, slots=True)
class Capped:
    """The judgements within the limits, in the order of time, and why others are not there.

    ``dropped`` counts by reason: too_many_a_day, too_many_of_a_prompt.
    """

    kept: tuple[Judgement, ...]
    dropped: Counter[str]

    def to_json(self) -> Json:
        """Return the counts as JSON can hold them."""
        return {"kept": len(self.kept), "dropped": dict(self.dropped)}


def cap_votes(
    judgements: Iterable[Judgement],
    *,
    per_day: int | None = None,
    per_prompt: int | None = None,
) -> Capped:
    """Keep each annotator's first `per_day` votes of a day (UTC), and of each question so many.

    Questions are the same if they differ in case, spaces or Unicode form only. Whoever votes fast
    gains nothing by it, and a question that everybody asks ("hi") doesn't outvote all others. None:
    no limit. Weak signals, which are never votes, are passed on.
    """
    days: Counter[tuple[str, date]] = Counter()
    prompts: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    kept = []
    for judgement in sorted(judgements, key=_when):
        if judgement.kind in VOTES:
            day = (judgement.annotator_id, _day(judgement))
            prompt = question_key(judgement)
            if per_day is not None and days[day] >= per_day:
                dropped["too_many_a_day"] += 1
                continue
            if per_prompt is not None and prompts[prompt] >= per_prompt:
                dropped["too_many_of_a_prompt"] += 1
                continue
            days[day] += 1
            prompts[prompt] += 1
        kept.append(judgement)
    return Capped(tuple(kept), dropped)


def question_key(judgement: Judgement) -> str:
    """Return the user's question as it is compared with others."""
    text = judgement.prompt[-1].content if judgement.prompt else ""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _when(judgement: Judgement) -> tuple[float, str]:
    return judgement.created_at.timestamp(), judgement.comparison.id


def _day(judgement: Judgement) -> date:
    return judgement.created_at.astimezone(UTC).date()
