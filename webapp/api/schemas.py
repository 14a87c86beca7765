"""What clients send to /v1/chat/completions, as pydantic models that check it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from chat.errors import InvalidRequest, NotFound
from chat.types import GenerationConfig, Message, Role

WireRole = Literal["system", "developer", "user", "assistant"]

MOST_TOKENS = 1_000_000
MOST_ANSWERS = 8
LAST_SEED = 2**64 - 1


def _read_whole(value: object) -> object:
    # To JSON 2.0 is a whole number like 2, and some clients write it so.
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_read_whole)]
NonEmpty = Annotated[str, Field(min_length=1)]
# Clients send zeros and empty objects for what they don't use; that is fine, a wish isn't.
UNSUPPORTED = {
    "frequency_penalty": "this model knows repetition_penalty",
    "presence_penalty": "this model knows repetition_penalty",
    "logit_bias": "this server can't shift single tokens",
    "logprobs": "this server doesn't give them",
    "top_logprobs": "this server doesn't give them",
    "tools": "this model can't call tools",
    "functions": "this model can't call functions",
    "audio": "this model writes text alone",
    "web_search_options": "this model can't search",
}


class WireModel(BaseModel):
    """A part of a request. Types are taken at their word; unknown fields are ignored, as clients
    send ever new ones."""

    model_config = ConfigDict(strict=True, extra="ignore")


class TextPart(WireModel):
    """A part of a message; only text can be read."""

    type: Literal["text"]
    text: str

    @field_validator("type", mode="before")
    @classmethod
    def _read_text_alone(cls, value: object) -> object:
        if value != "text":
            raise ValueError("only text can be read")
        return value


class WireMessage(WireModel):
    """A message as clients send it."""

    role: WireRole
    content: str | list[TextPart] | None = None

    def to_message(self) -> Message:
        """Return the message in our own words: a developer's counts as the system's."""
        parts = self.content or ""
        text = parts if isinstance(parts, str) else "".join(part.text for part in parts)
        role: Role = "system" if self.role == "developer" else self.role
        return Message(role, text)


class StreamOptions(WireModel):
    """What a stream should carry besides the text."""

    include_usage: bool | None = None


class ResponseFormat(WireModel):
    """The form of the answer; only text can be promised."""

    type: Literal["text"] = "text"


def _unsupported(nothing: object) -> Any:
    """Return a field that may be left out, or say `nothing`."""
    allowed: list[Any] = [{"const": nothing}, *([] if nothing is None else [{"type": "null"}])]
    return Field(
        None, description="can't be honoured: leave it out", json_schema_extra={"anyOf": allowed}
    )


class ChatCompletionRequest(WireModel):
    """The body of POST /v1/chat/completions.

    Fields that would change the answer and can't be honoured are refused.
    """

    messages: list[WireMessage] = Field(min_length=1, max_length=2000)
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Whole | None = Field(None, ge=1, le=MOST_ANSWERS)
    max_tokens: Whole | None = Field(None, ge=1, le=MOST_TOKENS)
    max_completion_tokens: Whole | None = Field(None, ge=1, le=MOST_TOKENS)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: Whole | None = Field(None, ge=0, le=1_000_000)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float | None = Field(None, ge=0.1, le=10)
    seed: Whole | None = Field(None, ge=-(2**63), le=LAST_SEED)
    stop: NonEmpty | Annotated[list[NonEmpty], Field(max_length=4)] | None = None
    response_format: ResponseFormat | None = None
    user: str | None = Field(None, description="accepted, and not used")
    frequency_penalty: float | None = _unsupported(0)
    presence_penalty: float | None = _unsupported(0)
    logit_bias: dict[str, Any] | None = _unsupported({})
    logprobs: bool | None = _unsupported(False)
    top_logprobs: Whole | None = _unsupported(0)
    tools: list[Any] | None = _unsupported([])
    functions: list[Any] | None = _unsupported([])
    audio: dict[str, Any] | None = _unsupported(None)
    web_search_options: dict[str, Any] | None = _unsupported(None)

    def check_supported(self, model: str) -> None:
        """Refuse what would silently be answered otherwise than asked.

        Raises:
            NotFound: another model.
            InvalidRequest: a field of `UNSUPPORTED` asks for something.
        """
        check_model(self.model, model)
        for name, reason in UNSUPPORTED.items():
            value = getattr(self, name)
            if value or (value is not None and name in ("audio", "web_search_options")):
                raise InvalidRequest(
                    f"{name} isn't supported: {reason}. Leave it out.",
                    param=name,
                    code="unsupported_parameter",
                )

    def to_config(self, default: GenerationConfig) -> GenerationConfig:
        """Return the sampling settings: `default`, but for what the client names.

        Raises:
            InvalidRequest: a value lies outside what is allowed.
        """
        self._check_seeds()
        stop = [self.stop] if isinstance(self.stop, str) else self.stop
        newer = self.max_completion_tokens
        given: Mapping[str, Any] = {
            "max_new_tokens": self.max_tokens if newer is None else newer,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "min_p": self.min_p,
            "repetition_penalty": self.repetition_penalty,
            "seed": self.seed,
            "stop": None if stop is None else tuple(stop),
        }
        return replace(default, **{k: v for k, v in given.items() if v is not None})

    def _check_seeds(self) -> None:
        num_answers = self.n or 1
        highest = LAST_SEED + 1 - num_answers
        if self.seed is not None and self.seed > highest:
            raise InvalidRequest(
                f"seed is {self.seed}, and {num_answers} answers take as many seeds from there on; "
                f"allowed is at most {highest}.",
                param="seed",
            )


def check_model(asked: str | None, model: str) -> None:
    """Refuse a question for another model than `model`.

    Raises:
        NotFound: it is for another one.
    """
    if asked and asked != model:
        raise NotFound(
            f"There is no model {asked[:60]!r}; this server has {model!r}.",
            param="model",
            code="model_not_found",
        )
