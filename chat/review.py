"""The nouns of review: verdicts as people look at them, what they think of them, and rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from chat.types import Action, Stage, Verdict

Mark = Literal["false_positive", "missed", "correct"]
Bucket = Literal["hour", "day"]
# As an action to look for: whatever was done, as long as something was.
ACTED = "acted"
# Why a verdict decided nothing: its moderator is on trial.
SHADOW = "shadow"
# Why a verdict on a question has nothing to do with its text: it is on what the model was told.
INSTRUCTIONS = "instructions"


@dataclass(frozen=True, slots=True)
class VerdictFilter:
    """Which verdicts to look at; what is empty or None is no condition.

    ``ids`` names verdicts one by one. ``until`` is exclusive. ``action`` is an action, or `ACTED`
    for all but "allow". ``search`` is looked for in the text that was judged, whatever the case.
    """

    ids: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    stage: str = ""
    category: str = ""
    action: str = ""
    moderator: str = ""
    outcome: str = ""
    policy_version: str = ""
    is_reviewed: bool | None = None
    search: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """What a reviewer said of a verdict; their newest word counts, the older ones are kept.

    ``categories`` are those that the mark is about.
    """

    verdict_id: str
    reviewer_id: str
    mark: Mark
    categories: tuple[str, ...] = ()
    note: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ListedVerdict:
    """A verdict with the text that it is about, and the newest word of each of its reviewers.

    ``text`` is None where it wasn't kept: an answer that was refused before answers like that
    were. ``num_words`` counts the older words of reviewers too.
    """

    id: str
    message_id: str
    conversation_id: str
    verdict: Verdict
    text: str | None
    at: datetime
    reviews: tuple[Review, ...] = ()
    num_words: int = 0


@dataclass(frozen=True, slots=True)
class VerdictPage:
    """Some verdicts, the newest first; ``next_cursor`` leads to older ones, if there are any."""

    verdicts: tuple[ListedVerdict, ...]
    next_cursor: str = ""


@dataclass(frozen=True, slots=True)
class ActionCount:
    """How often a moderator's verdicts led to an action in an hour or day that begins at `at`."""

    at: datetime
    moderator: str
    category: str
    action: Action
    count: int


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of one verdict, and what was done."""

    verdict_id: str
    message_id: str
    stage: Stage
    moderator: str
    scores: Mapping[str, float]
    action: Action
    category: str
    is_shadow: bool = False


@dataclass(frozen=True, slots=True)
class JudgedText:
    """A stored text that a rule can be tried on."""

    message_id: str
    stage: Stage
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OperatorRule:
    """Wordings that the operator looks for; `moderation.rules` says what patterns may be."""

    id: str
    name: str
    category: str
    score: float = 1.0
    stages: tuple[str, ...] = ("input", "output")
    patterns: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    language: str = ""
    is_active: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None
    created_by: str = ""
    updated_by: str = ""

    def to_table(self) -> dict[str, object]:
        """Return it as the moderator `rules` takes it."""
        return {
            "id": self.id,
            "category": self.category,
            "score": self.score,
            "stages": list(self.stages),
            "patterns": list(self.patterns),
            "unless": list(self.unless),
            "language": self.language,
            "is_active": self.is_active,
        }


@dataclass(frozen=True, slots=True)
class TextRow:
    """A text with labels, as classifiers are trained and measured on: see docs/review.md."""

    text: str
    labels: Mapping[str, int]
    source: str
    family: str
    split: str = "train"
    tags: tuple[str, ...] = field(default_factory=tuple)
    # Which thresholds the text is measured against: answers aren't judged as questions are.
    stage: Stage = "input"
