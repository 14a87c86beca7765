"""What the store can tell beyond the nouns of `chat.types`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from chat.types import Comparison, GenerationConfig, Message, Ranking, Timings, Usage

JobState = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Generation:
    """How one answer came about; `num_dropped` messages didn't fit the context."""

    model: str
    config: GenerationConfig
    usage: Usage
    timings: Timings
    num_dropped: int = 0


@dataclass(frozen=True, slots=True)
class Consent:
    """One yes or no; `version` names the text that was shown."""

    purpose: str
    granted: bool
    version: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RankedComparison:
    """A ranking with all that training needs to make preferences of it.

    `prompt` runs from the root to the question; `answers` and `models` go by answer id, and a
    model is an empty string where it isn't known.
    """

    comparison: Comparison
    ranking: Ranking
    prompt: tuple[Message, ...]
    answers: Mapping[str, Message]
    models: Mapping[str, str]
    strength: float | None
    ranked_at: datetime


@dataclass(frozen=True, slots=True)
class Job:
    """A long piece of work; recording it again under its id replaces what was known."""

    id: str
    kind: str
    state: JobState
    arguments: Mapping[str, Any] = field(default_factory=dict)
    # One line for people: how far it is, or why it failed.
    message: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
