"""What clients get from /v1/chat/completions, whole or as the chunks of a stream."""

import time
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel

from chat.types import FinishReason, Turn, Usage
from webapp.turn import Answering, TextDelta, TurnEvent, TurnFinished, TurnStarted, Waiting

WireFinishReason = Literal["stop", "length", "content_filter"]
FINISH_REASONS: Mapping[FinishReason, WireFinishReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "cancelled": "stop",
    "error": "stop",
}
PREFIX = "chatcmpl-"


class WireUsage(BaseModel):
    """Tokens read and written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, usages: Sequence[Usage]) -> "WireUsage":
        """Return what several answers to one prompt took: the prompt counts once."""
        num_read = max(usage.prompt_tokens for usage in usages)
        num_written = sum(usage.completion_tokens for usage in usages)
        return cls(
            prompt_tokens=num_read,
            completion_tokens=num_written,
            total_tokens=num_read + num_written,
        )


class AnswerMessage(BaseModel):
    """An answer."""

    role: Literal["assistant"] = "assistant"
    content: str


class Choice(BaseModel):
    """One of the answers of a completion."""

    index: int
    message: AnswerMessage
    finish_reason: WireFinishReason


class ChatCompletion(BaseModel):
    """The body of an answer that isn't streamed."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: WireUsage

    @classmethod
    def of(cls, turns: Sequence[Turn], model: str) -> "ChatCompletion":
        """Return `turns`, the answers to one question in their order, as a completion."""
        choices = [
            Choice(
                index=number,
                message=AnswerMessage(content=turn.answer.content),
                finish_reason=FINISH_REASONS[turn.finish_reason],
            )
            for number, turn in enumerate(turns)
        ]
        return cls(
            id=f"{PREFIX}{turns[0].answer_id}",
            created=int(time.time()),
            model=model,
            choices=choices,
            usage=WireUsage.of([turn.usage for turn in turns]),
        )


class Delta(BaseModel):
    """What a chunk adds to an answer."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChunkChoice(BaseModel):
    """A chunk's part of one of the answers."""

    index: int
    delta: Delta
    finish_reason: WireFinishReason | None = None


class ChatCompletionChunk(BaseModel):
    """One event of a streamed answer."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: WireUsage | None = None


class Chunks:
    """Turns the events of one or several answers to a question into the lines of one stream."""

    def __init__(self, first_id: str, model: str):
        """`first_id` is the id of the first of the answers."""
        self._id = f"{PREFIX}{first_id}"
        self._model = model
        self._created = int(time.time())
        self._usages: list[Usage] = []

    def of(self, number: int, event: TurnEvent) -> str:
        """Return the lines for what happened to answer `number`."""
        match event:
            case TurnStarted():
                return self._choice(number, Delta(role="assistant", content=""))
            case Waiting(position):
                # A comment, which clients pass over: it says that somebody is still there.
                return f": waiting, position {position}\n\n"
            case Answering():
                return ""
            case TextDelta(text):
                return self._choice(number, Delta(content=text))
            case TurnFinished(turn):
                self._usages.append(turn.usage)
                return self._choice(number, Delta(), FINISH_REASONS[turn.finish_reason])

    def usage(self) -> str:
        """Return the line that tells what all answers took, once they are finished."""
        return self._chunk([], WireUsage.of(self._usages))

    def _choice(self, number: int, delta: Delta, reason: WireFinishReason | None = None) -> str:
        return self._chunk([ChunkChoice(index=number, delta=delta, finish_reason=reason)])

    def _chunk(self, choices: list[ChunkChoice], usage: WireUsage | None = None) -> str:
        chunk = ChatCompletionChunk(
            id=self._id, created=self._created, model=self._model, choices=choices, usage=usage
        )
        absent = {"usage"} if usage is None else set()
        return f"data: {chunk.model_dump_json(exclude=absent)}\n\n"
