"""The nouns of Palaver: frozen values that travel between packages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from chat.errors import InvalidRequest

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "content_filter", "cancelled", "error"]
Stage = Literal["input", "output"]
Outcome = Literal["judged", "abstained", "error"]
Action = Literal["allow", "flag", "warn", "redact", "template", "block", "escalate"]


@dataclass(frozen=True, slots=True)
class Message:
    """One thing said in a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class GenerationConfig:
    """How to sample an answer; the names are those of transformers.

    ``temperature`` 0 is greedy. ``top_k`` 0 and ``top_p`` 1 switch those filters off, as do
    ``min_p`` 0 and ``repetition_penalty`` 1. A ``seed`` makes the answer repeatable.

    Raises:
        InvalidRequest: a value lies outside what is allowed.
    """

    max_new_tokens: int = 256
    temperature: float = 0.6
    top_k: int = 40
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int | None = None

    def __post_init__(self) -> None:
        _check_range("max_new_tokens", self.max_new_tokens, 1, 1_000_000)
        _check_range("temperature", self.temperature, 0.0, 2.0)
        _check_range("top_k", self.top_k, 0, 1_000_000)
        _check_range("top_p", self.top_p, 0.0, 1.0)
        _check_range("min_p", self.min_p, 0.0, 1.0)
        _check_range("repetition_penalty", self.repetition_penalty, 0.1, 10.0)
        if self.seed is not None:
            _check_range("seed", self.seed, -(2**63), 2**64 - 1)
        if len(self.stop) > 4 or not all(self.stop):
            raise InvalidRequest(
                f"stop has {len(self.stop)} strings; allowed are at most 4, none of them empty.",
                param="stop",
            )


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # also true for NaN
        shown = "too large" if abs(value) > 1e24 else value
        # Whole numbers as they are: :g would round large ones.
        ends = [f"{end:g}" if isinstance(end, float) else str(end) for end in (low, high)]
        raise InvalidRequest(f"{name} is {shown}; allowed is {' to '.join(ends)}.", param=name)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written for one answer."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Span:
    """Characters ``start`` to ``end`` (exclusive) of a text, found to be of a category."""

    start: int
    end: int
    category: str
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one moderator found in one text; what follows from it is the policy's to say.

    ``scores`` maps category to a number from 0 (surely not) to 1 (surely). ``reason`` is for the
    operator and never holds text of the conversation.
    """

    moderator: str
    version: str
    stage: Stage
    scores: Mapping[str, float] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()
    outcome: Outcome = "judged"
    reason: str = ""
    latency_ms: float = 0.0
    # Filled in by the chain once the policy has spoken, so that the record says what was done.
    action: Action = "allow"
    category: str = ""
    policy_version: str = ""
    # Characters of a partial text up to which this verdict can't change, whatever follows. None:
    # nobody said; then the moderator's manifest tells how much at the end is open.
    settled: int | None = None


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds from the arrival of the question."""

    queued_ms: float = 0.0
    first_token_ms: float = 0.0
    total_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its answer, with everything worth remembering about how it came about.

    ``parent_id`` is the message that the question follows: a conversation is a tree, so two
    questions may share a parent, and two answers a question.
    """

    conversation_id: str
    parent_id: str | None
    question_id: str
    question: Message
    answer_id: str
    answer: Message
    finish_reason: FinishReason
    usage: Usage
    config: GenerationConfig
    model: str
    verdicts: tuple[Verdict, ...] = ()
    timings: Timings = Timings()
    # How many of the oldest messages didn't fit the context and weren't shown to the model.
    num_dropped: int = 0
    # What the model was told before the conversation: all of it, the part that was the person's
    # own, and by which persona (its id, or nothing).
    system_prompt: str = ""
    instructions: str = ""
    persona: str = ""
    # What the model had written when the moderators refused it: kept for reviewers, shown to
    # nobody else.
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Persona:
    """A prepared way of answering: a system prompt with all that goes with it.

    ``system_prompt`` is a Jinja template (see `chat.template`), ``settings`` are fields of
    GenerationConfig, ``policy`` names a moderation policy (empty: the operator's own).
    """

    id: str
    title: str
    description: str = ""
    system_prompt: str = ""
    settings: Mapping[str, float] = field(default_factory=dict)
    starters: tuple[str, ...] = ()
    policy: str = ""
    is_hidden: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation in a list of conversations.

    ``training_consent`` says whether its owner lets it be used to train a model.
    """

    id: str
    owner_id: str
    title: str
    created_at: datetime
    updated_at: datetime
    training_consent: bool = False


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as the store remembers it."""

    id: str
    parent_id: str | None
    message: Message
    created_at: datetime
    finish_reason: FinishReason | None = None


# Ways in which two answers came side by side that ask nobody for an opinion.
WEAK_METHODS = ("edit", "regenerate")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several answers to one question as they were shown to somebody.

    ``answer_ids`` is in the order shown; ``method`` says how they were drawn, ``probability`` how
    likely that draw was, so that statistics over many of them can be unbiased, and ``draw`` what
    they were drawn from. ``origin`` is where they were shown: chat, studio, api or import.
    """

    id: str
    conversation_id: str
    question_id: str
    answer_ids: tuple[str, ...]
    method: str = "uniform"
    probability: float = 1.0
    origin: str = "chat"
    draw: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Correction:
    """An answer as somebody rewrote it: ``answer_id`` is the new one, put beside the old one."""

    answer_id: str
    corrects_id: str
    author_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Ranking:
    """What one person thought of a comparison: groups of equal rank, the best group first.

    ``strength`` is how much better the first group is than the last, from 0 to 1; ``elapsed_s``
    how long the person took. Both are None where nobody said. ``is_none_acceptable``: the person
    said outright that no answer will do (``acceptable`` is also empty where nobody asked).
    """

    comparison_id: str
    annotator_id: str
    groups: tuple[tuple[str, ...], ...]
    acceptable: frozenset[str] = field(default_factory=frozenset)
    comment: str = ""
    strength: float | None = None
    elapsed_s: float | None = None
    is_none_acceptable: bool = False


@dataclass(frozen=True, slots=True)
class Rating:
    """Thumbs up (+1) or down (-1) on one answer, with reasons."""

    answer_id: str
    annotator_id: str
    value: Literal[-1, 1]
    tags: tuple[str, ...] = ()
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Generation:
    """How one answer came about; ``num_dropped`` messages didn't fit the context.

    ``instructions`` are the part of the ``system_prompt`` that was the person's own.
    """

    model: str
    config: GenerationConfig
    usage: Usage
    timings: Timings
    num_dropped: int = 0
    system_prompt: str = ""
    instructions: str = ""
    persona: str = ""


@dataclass(frozen=True, slots=True)
class ThreadMessage:
    """A message as it is shown: with its versions, how it came about, and the reader's rating.

    ``versions`` are the ids of this message and its siblings, the oldest first.
    """

    stored: StoredMessage
    versions: tuple[str, ...]
    generation: Generation | None = None
    rating: Rating | None = None


@dataclass(frozen=True, slots=True)
class Thread:
    """One branch of a conversation, from its first message to its last."""

    conversation: Conversation
    messages: tuple[ThreadMessage, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison as it is shown again: its answers in the order shown, and what was said."""

    comparison: Comparison
    answers: tuple[ThreadMessage, ...]
    ranking: Ranking | None = None


@dataclass(frozen=True, slots=True)
class Preference:
    """One answer preferred to another: what preference training eats. Derived, never stored."""

    prompt: tuple[Message, ...]
    chosen: Message
    rejected: Message
    margin: float = 1.0
    weight: float = 1.0
