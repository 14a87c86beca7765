"""The record that all statistics and exports eat: what was shown to somebody, and what they said.

It is made from stored rows, from an imported file, or by synthetic annotators.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from chat.errors import InvalidRequest
from chat.types import Comparison, Message, Ranking

# What a person said outright, apart from what can be guessed from an edit or a second try.
VOTES = frozenset({"rank", "pick", "repeat", "check"})
# Votes on fresh items: a repeat would count a person twice, a check's answer is known.
FRESH = frozenset({"rank", "pick"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """One answer that was shown, and who wrote it.

    ``is_blocked``: moderation replaced it by a template answer. ``has_pii``: it holds personal
    data.
    """

    answer_id: str
    model: str
    text: str
    settings: Mapping[str, float]
    finish_reason: str = "stop"
    is_blocked: bool = False
    has_pii: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """One person's ranking of several answers, with everything needed to count or to train on it.

    ``prompt`` ends with the user's question and may begin with a system message. ``candidates``
    are in the order shown. ``kind`` is rank, pick, repeat or check; or edit or regenerate, which
    are weak signals and never votes. ``is_none_acceptable``: the person said outright that no
    answer will do (an empty ``ranking.acceptable`` may also mean that nobody asked).
    """

    comparison: Comparison
    ranking: Ranking
    prompt: tuple[Message, ...]
    candidates: tuple[Candidate, ...]
    created_at: datetime
    consent: bool
    kind: str = "rank"
    tags: tuple[str, ...] = ()
    language: str = ""
    owner_id: str = ""
    is_none_acceptable: bool = False

    @property
    def annotator_id(self) -> str:
        """Who judged."""
        return self.ranking.annotator_id

    @property
    def item(self) -> tuple[str, ...]:
        """What was judged, whatever the order shown: the question and the sorted answers."""
        return (self.comparison.question_id, *sorted(self.comparison.answer_ids))

    def levels(self) -> dict[str, int]:
        """Return each ranked answer's group, 0 the best."""
        groups = self.ranking.groups
        return {answer: level for level, group in enumerate(groups) for answer in group}

    def is_both_bad(self, one: str, other: str) -> bool:
        """Whether the person was asked and found neither of two answers acceptable."""
        acceptable = self.ranking.acceptable
        was_asked = self.is_none_acceptable or bool(acceptable)
        return was_asked and one not in acceptable and other not in acceptable


def check_ranking(comparison: Comparison, ranking: Ranking) -> None:
    """Refuse a ranking that doesn't rank exactly the answers that were shown, each once.

    Raises:
        InvalidRequest: it is about another comparison, names strangers, leaves an answer out,
            has one twice or an empty group, or its strength or time is no sensible number.
    """
    if ranking.comparison_id != comparison.id:
        raise InvalidRequest(
            f"The ranking is of comparison {ranking.comparison_id!r}, not of {comparison.id!r}; "
            "send it to the comparison it was made for.",
            param="comparison_id",
        )
    shown = comparison.answer_ids
    ranked = Counter(answer for group in ranking.groups for answer in group)
    _refuse("groups", "names answers that were not shown", set(ranked) - set(shown))
    _refuse("groups", "leaves out answers that were shown", set(shown) - set(ranked))
    _refuse("groups", "names answers twice", {name for name, times in ranked.items() if times > 1})
    _refuse("acceptable", "accepts answers not shown", ranking.acceptable - set(shown))
    if not all(ranking.groups):
        raise InvalidRequest(
            "The ranking has an empty group; leave empty groups out.", param="groups"
        )
    _check_number("strength", ranking.strength, 1.0)
    _check_number("elapsed_s", ranking.elapsed_s, math.inf)


def _refuse(param: str, fault: str, names: set[str] | frozenset[str]) -> None:
    if names:
        named = ", ".join(repr(name) for name in sorted(names))
        raise InvalidRequest(
            f"The ranking {fault}: {named}; rank each answer of the comparison exactly once.",
            param=param,
        )


def _check_number(name: str, value: float | None, most: float) -> None:
    if value is not None and not (0 <= value <= most and math.isfinite(value)):
        allowed = f"0 to {most:g}" if math.isfinite(most) else "0 or more"
        raise InvalidRequest(f"{name} is {value:g}; allowed is {allowed}.", param=name)
