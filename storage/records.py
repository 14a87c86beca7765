"""What the store can tell beyond the nouns of `chat.types`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from chat.types import Comparison, Message, Ranking

# A row as JSON has it: {"table": "messages", "row": {...}}, or of one that is gone
# {"table": "messages", "key": {...}, "deleted": true}.
Record = dict[str, Any]
JobState = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Consent:
    """One yes or no, in general or for one conversation; `version` names the text shown."""

    purpose: str
    granted: bool
    version: str = ""
    created_at: datetime | None = None
    conversation_id: str | None = None


@dataclass(frozen=True, slots=True)
class RankedComparison:
    """A ranking with all that training needs to make preferences of it.

    `prompt` runs from the root to the question; `answers`, `models`, the settings (`configs`) and
    `finish_reasons` go by answer id. A model is an empty string where a person wrote the answer.
    `has_consent` says whether the owner of the conversation lets it be used for the purpose.
    """

    comparison: Comparison
    ranking: Ranking
    prompt: tuple[Message, ...]
    answers: Mapping[str, Message]
    models: Mapping[str, str]
    configs: Mapping[str, Mapping[str, Any]]
    finish_reasons: Mapping[str, str]
    owner_id: str
    has_consent: bool
    ranked_at: datetime


@dataclass(frozen=True, slots=True)
class MarkedAnswer:
    """One person's word on one answer: a thumb, or the right answer as they wrote it themselves.

    `prompt`, `model`, `config`, `owner_id` and `has_consent` are as in `RankedComparison`.
    """

    conversation_id: str
    question_id: str
    prompt: tuple[Message, ...]
    answer_id: str
    answer: Message
    model: str
    config: Mapping[str, Any]
    finish_reason: str
    annotator_id: str
    is_good: bool
    is_correction: bool
    tags: tuple[str, ...]
    owner_id: str
    has_consent: bool
    marked_at: datetime


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


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key for programs; what is known of it is the SHA-256 of it, in hexadecimal digits."""

    id: str
    name: str
    sha256: str
    created_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """How often something of a kind happened on one day, in UTC."""

    day: date
    kind: str
    amount: int


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows as they are now that were changed up to the note `last`; 0 when there are none."""

    last: int
    records: tuple[Record, ...]
