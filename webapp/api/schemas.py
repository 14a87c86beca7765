"""The wire format of /v1/chat/completions and /v1/models, as pydantic models."""

from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from chat.errors import InvalidRequest, NotFound
from chat.types import FinishReason, GenerationConfig, Message, Role, Usage

WireRole = Literal["system", "developer", "user", "assistant"]
WireFinishReason = Literal["stop", "length", "content_filter"]

MOST_TOKENS = 1_000_000
FINISH_REASONS: dict[FinishReason, WireFinishReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "cancelled": "stop",
    "error": "stop",
}


class TextPart(BaseModel):
    """A part of a message; only text can be read."""

    type: Literal["text"]
    text: str


class WireMessage(BaseModel):
    """A message as clients send it."""

    role: WireRole
    content: str | list[TextPart] | None = None

    def to_message(self) -> Message:
        """Return the message in our own words: a developer's counts as the system's."""
        parts = self.content or ""
        text = parts if isinstance(parts, str) else "".join(part.text for part in parts)
        role: Role = "system" if self.role == "developer" else self.role
        return Message(role, text)


class StreamOptions(BaseModel):
    """What a stream should carry besides the text."""

    include_usage: StrictBool = False


class ResponseFormat(BaseModel):
    """The form of the answer; only text can be promised."""

    type: str = "text"


class ChatCompletionRequest(BaseModel):
    """The body of POST /v1/chat/completions. Unknown fields are ignored, as OpenAI's clients
    send ever new ones; fields that would change the answer and can't be honoured are refused."""

    model_config = ConfigDict(extra="ignore")

    messages: list[WireMessage] = Field(min_length=1, max_length=2000)
    model: str | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    n: int | None = None
    tools: list[object] | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None

    def check_supported(self, model: str) -> None:
        """Refuse what would silently be answered otherwise than asked.

        Raises:
            NotFound: another model.
            InvalidRequest: several answers, tools, or another format than text.
        """
        if self.model and self.model != model:
            raise NotFound(
                f"There is no model {self.model[:60]!r}; this server has {model!r}.",
                param="model",
                code="model_not_found",
            )
        if self.n not in (None, 1):
            raise InvalidRequest("n has to be 1: this server gives one answer.", param="n")
        if self.logprobs:
            raise InvalidRequest("logprobs can't be given; leave it out.", param="logprobs")
        if self.tools:
            raise InvalidRequest("This model can't call tools; leave tools out.", param="tools")
        if self.response_format and self.response_format.type != "text":
            raise InvalidRequest(
                f"response_format is {self.response_format.type!r}; allowed is 'text'.",
                param="response_format",
            )

    def to_config(self, default: GenerationConfig) -> GenerationConfig:
        """Return the sampling settings: `default`, but for what the client names.

        Raises:
            InvalidRequest: a value lies outside what is allowed.
        """
        stop = [self.stop] if isinstance(self.stop, str) else self.stop
        given = {
            "max_new_tokens": self._max_tokens(),
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "min_p": self.min_p,
            "repetition_penalty": self.repetition_penalty,
            "seed": self.seed,
            "stop": None if stop is None else tuple(stop),
        }
        return replace(default, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]

    def _max_tokens(self) -> int | None:
        newer = self.max_completion_tokens
        name = "max_tokens" if newer is None else "max_completion_tokens"
        wanted = self.max_tokens if newer is None else newer
        if wanted is not None and not 1 <= wanted <= MOST_TOKENS:
            raise InvalidRequest(
                f"{name} lies outside what is allowed: 1 to {MOST_TOKENS:,}.", param=name
            )
        return wanted


class WireUsage(BaseModel):
    """Tokens read and written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, usage: Usage) -> "WireUsage":
        """Return `usage` with its sum."""
        return cls(
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            total_tokens=usage.prompt_tokens + usage.completion_tokens,
        )


class AnswerMessage(BaseModel):
    """The answer."""

    role: Literal["assistant"] = "assistant"
    content: str


class Choice(BaseModel):
    """The one answer of a completion."""

    index: int = 0
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


class Delta(BaseModel):
    """What a chunk adds to the answer."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChunkChoice(BaseModel):
    """A chunk's part of the one answer."""

    index: int = 0
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


class Model(BaseModel):
    """A model that can be asked."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "palaver"


class ModelList(BaseModel):
    """The body of GET /v1/models."""

    object: Literal["list"] = "list"
    data: list[Model]
