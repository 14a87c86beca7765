"""One turn in words: what is asked for, what happens, and the draft of what will be stored."""

import asyncio
import time
import uuid
from dataclasses import dataclass, field, replace

from chat.types import (
    FinishReason,
    GenerationConfig,
    Message,
    StoredMessage,
    ThreadMessage,
    Timings,
    Turn,
    Usage,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A question of the page: the conversation before it is in the store, not in the request.

    With ``replaces`` (the id of an earlier question) the question is put beside that one, with
    ``regenerates`` that earlier question is answered once more, and ``text`` isn't read.
    ``follows`` is the last message that the asker sees, when that isn't the branch on display.
    ``instructions`` are the person's own words to the model, on top of the persona's. The
    ``audience`` (guest, member or admin) says which rules of the policy hold for the asker.
    """

    owner_id: str
    text: str
    config: GenerationConfig
    conversation_id: str | None = None
    locale: str = ""
    persona: str = ""
    instructions: str = ""
    replaces: str | None = None
    regenerates: str | None = None
    follows: str | None = None
    is_temporary: bool = False
    audience: str = "guest"


@dataclass(frozen=True, slots=True)
class MessagesRequest:
    """A question of the API, which sends the whole conversation each time."""

    owner_id: str
    messages: tuple[Message, ...]
    config: GenerationConfig
    locale: str = ""


@dataclass(frozen=True, slots=True)
class Contender:
    """One of several answers to be written side by side: its id, by which model, and how."""

    answer_id: str
    model: str
    config: GenerationConfig


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """The turn has a place: its conversation, the ids of its two messages, and (for the page)
    what was said before, and the question."""

    conversation_id: str
    question_id: str
    answer_id: str
    history: tuple[ThreadMessage, ...] = ()
    question: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The engine is busy; ``position`` 1 is next, expected in ``wait_s`` seconds (0: unknown)."""

    position: int
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Answering:
    """The model has begun to write; its text follows as the moderators let it pass."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer that the moderators have let pass, and the speed so far."""

    text: str
    tokens_per_s: float = 0.0


@dataclass(frozen=True, slots=True)
class TurnFinished:
    """The turn is over and stored. ``turn.answer`` is the whole answer: when the moderators
    refused a later part, it replaces what was shown so far."""

    turn: Turn


TurnEvent = TurnStarted | Waiting | Answering | TextDelta | TurnFinished


def answer_id_of(first_id: str, number: int) -> str:
    """Return the id of answer `number` to a question whose first answer, 0, has `first_id`."""
    return f"{first_id}-{number}" if number else first_id


@dataclass(slots=True)
class Draft:
    """A turn while it comes about."""

    owner_id: str
    conversation_id: str
    parent_id: str | None
    question: Message
    config: GenerationConfig
    locale: str
    # Which model answers, where it isn't the one of the chat.
    model: str = ""
    # What the operator's persona says and by which policy, and what the person adds to it.
    persona: str = ""
    policy: str = ""
    persona_prompt: str = ""
    instructions: str = ""
    # The stored conversation so far (for the page), and what the model may read of it.
    history: tuple[ThreadMessage, ...] = ()
    earlier: tuple[Message, ...] = ()
    # All that a client of the API sent before the question; None for the page, which sends none.
    sent: tuple[Message, ...] | None = None
    # Those of `sent` that the store doesn't have yet.
    missing: tuple[StoredMessage, ...] = ()
    question_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    answer_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    answer: str = ""
    # What the model had written when it was refused.
    refused: str = ""
    finish_reason: FinishReason = "cancelled"
    usage: Usage = Usage(0, 0)
    verdicts: tuple[Verdict, ...] = ()
    num_dropped: int = 0
    queued_ms: float = 0.0
    first_token_ms: float = 0.0
    start_s: float = field(default_factory=time.monotonic)
    first_text_s: float = 0.0
    # What its owner said about training meanwhile: the conversation isn't in the store yet.
    training_consent: bool | None = None
    # Whether the turn is to be remembered at all, and whether that has begun.
    is_admitted: bool = True
    is_storing: bool = False
    is_stored: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def started(self) -> TurnStarted:
        """The event that names the turn's place."""
        return TurnStarted(
            self.conversation_id,
            self.question_id,
            self.answer_id,
            self.history,
            self.question.content,
        )

    @property
    def system_prompt(self) -> str:
        """What the model is told before the conversation."""
        return "\n\n".join(filter(None, (self.persona_prompt, self.instructions)))

    @property
    def prompt(self) -> tuple[Message, ...]:
        """All that the model reads."""
        system = (Message("system", self.system_prompt),) if self.system_prompt else ()
        return (*system, *self.earlier, self.question)

    @property
    def tokens_per_s(self) -> float:
        """How fast the answer has come since its first token."""
        elapsed_s = time.monotonic() - self.first_text_s if self.first_text_s else 0.0
        return self.usage.completion_tokens / elapsed_s if elapsed_s > 0.05 else 0.0

    def beside(self, contender: Contender) -> "Draft":
        """Return the draft of one more answer to the same question."""
        return replace(
            self,
            answer_id=contender.answer_id,
            model=contender.model,
            config=contender.config,
            is_stored=asyncio.Event(),
        )

    def finish(self, model: str) -> Turn:
        """Return the turn as it is now; `model` is the one of the chat."""
        total_ms = (time.monotonic() - self.start_s) * 1000
        return Turn(
            conversation_id=self.conversation_id,
            parent_id=self.parent_id,
            question_id=self.question_id,
            question=self.question,
            answer_id=self.answer_id,
            answer=Message("assistant", self.answer),
            finish_reason=self.finish_reason,
            usage=self.usage,
            config=self.config,
            model=self.model or model,
            verdicts=self.verdicts,
            timings=Timings(self.queued_ms, self.first_token_ms, total_ms),
            num_dropped=self.num_dropped,
            system_prompt=self.system_prompt,
            instructions=self.instructions,
            persona=self.persona,
            refused=self.refused,
        )
