"""What answers conversations: the contract, and the backend in this process."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from chat.context import Prompt, fit_context
from chat.errors import SettingsError
from chat.text import clean_text
from chat.types import FinishReason, GenerationConfig, Message, Usage
from inference.engine import Engine
from inference.loop import EngineLoop, Progress, TokenStream
from inference.model_dir import ModelDir
from inference.model_runner import Device, ModelRunner
from inference.stop_strings import StopStrings


@dataclass(frozen=True, slots=True)
class Queued:
    """The question waits; ``position`` 1 is the next to be answered."""

    position: int


@dataclass(frozen=True, slots=True)
class TextPiece:
    """More of the answer, and how many tokens have come since the piece before."""

    text: str
    num_tokens: int


@dataclass(frozen=True, slots=True)
class GenerationFinished:
    """The end of an answer: always the last event.

    ``num_dropped`` of the oldest messages weren't shown to the model. Times are milliseconds
    from the call: until the model began to read, and until the answer's first token (0: none).
    """

    finish_reason: FinishReason
    usage: Usage
    num_dropped: int
    queued_ms: float
    first_token_ms: float


GenerationEvent = Queued | TextPiece | GenerationFinished


class Backend(Protocol):
    """A model that continues conversations.

    ``model`` is its name, ``provider`` what really runs it (such as "CPUExecutionProvider"),
    ``context_length`` how many tokens prompt and answer may have together, and
    ``default_config`` the sampling that the model's makers recommend.
    """

    model: str
    provider: str
    context_length: int
    default_config: GenerationConfig

    def generate(
        self, messages: Sequence[Message], config: GenerationConfig
    ) -> AsyncGenerator[GenerationEvent, None]:
        """Stream the assistant's answer to `messages`; closing the generator cancels it.

        Raises:
            InvalidRequest: the conversation can't be served, such as a message that's too long.
            QueueFull: too many are waiting; raised before the first event.
            EngineError: the model failed.
        """
        ...

    def stats(self) -> Mapping[str, object]:
        """Return figures for the health page."""
        ...

    def close(self) -> None:
        """Cancel what runs and let go of the model."""
        ...


class LocalBackend:
    """A model folder, run in this process by onnxruntime."""

    def __init__(
        self, model: ModelDir, runner: ModelRunner, context_length: int, engine: Engine
    ) -> None:
        """Serve `engine`, which runs `model` by `runner`; see `load`."""
        self.model = model.manifest.name
        self.provider = runner.provider
        self.context_length = context_length
        self.default_config = model.manifest.generation
        self._model = model
        self._runner = runner
        self._engine = engine
        self._loop = EngineLoop(engine)

    @classmethod
    def load(
        cls,
        path: str | Path | ModelDir,
        *,
        device: Device = "auto",
        max_running: int = 16,
        max_waiting: int = 64,
        threads: int = 0,
        context_length: int | None = None,
        verify: bool = True,
    ) -> "LocalBackend":
        """Load the model folder at `path` (or one that is read already) and start its engine.

        Up to `max_running` answers are written at the same time and `max_waiting` more wait.
        `context_length` can make the model's own shorter, to save memory.

        Raises:
            ModelError: the folder can't be served, or the device isn't there.
            SetupError: onnxruntime is installed twice.
            SettingsError: a number lies outside what is allowed.
        """
        _check_at_least("max_running", max_running, 1)
        _check_at_least("max_waiting", max_waiting, 0)
        _check_at_least("threads", threads, 0)
        model = path if isinstance(path, ModelDir) else ModelDir.load(path, verify=verify)
        length = _choose_context_length(context_length, model.manifest.context_length)
        runner = ModelRunner.load(model, device=device, threads=threads, context_length=length)
        engine = Engine(
            runner,
            vocab_size=model.tokenizer.vocab_size,
            context_length=length,
            stop_token_ids=model.manifest.stop_token_ids,
            max_running=max_running,
            max_waiting=max_waiting,
        )
        return cls(model, runner, length, engine)

    async def generate(
        self, messages: Sequence[Message], config: GenerationConfig
    ) -> AsyncGenerator[GenerationEvent, None]:
        """Stream the answer; see `Backend.generate`."""
        started_s = time.perf_counter()
        prompt = await asyncio.to_thread(self._encode, tuple(messages), config)
        stream = self._loop.submit(prompt.ids, config)
        text = _AnswerText(self._model, config)
        # Also closes the stream, and with it the sequence, when the reader leaves.
        async with aclosing(stream.read()) as progresses:
            async for progress in progresses:
                for event in text.push(progress):
                    yield event
                if text.finish_reason is not None:
                    break
        yield _describe_end(prompt, stream, text, started_s)

    def stats(self) -> Mapping[str, object]:
        """Return counts since the start, and how many run and wait now."""
        scheduler = self._engine.scheduler
        return {
            "is_alive": self._loop.is_alive,
            "num_running": scheduler.num_running,
            "num_waiting": scheduler.num_waiting,
            "max_running": scheduler.max_running,
            "max_waiting": scheduler.max_waiting,
            "kv_cache_bytes": self._runner.cache.num_bytes,
            **asdict(self._engine.stats),
        }

    def close(self) -> None:
        """Cancel what runs and end the engine's thread."""
        self._loop.close()

    def _encode(self, messages: tuple[Message, ...], config: GenerationConfig) -> Prompt:
        # Of the context, a quarter (or less, if less is wanted) is kept free for the answer.
        reserve = max(1, min(config.max_new_tokens, self.context_length // 4))
        # No tokenizer reads a lone surrogate.
        clean = [Message(message.role, clean_text(message.content)) for message in messages]
        return fit_context(
            clean, self._model.template, self._model.tokenizer, self.context_length - reserve
        )


class _AnswerText:
    """The text of one answer, from its tokens; knows when and why it ends."""

    def __init__(self, model: ModelDir, config: GenerationConfig) -> None:
        self._detokenizer = model.tokenizer.stream()
        self._stop = StopStrings(config.stop)
        self._num_unreported = 0
        self.num_tokens = 0
        self.finish_reason: FinishReason | None = None

    def push(self, progress: Progress) -> Iterator[Queued | TextPiece]:
        """Yield what can be shown after `progress`."""
        if progress.position is not None:
            yield Queued(progress.position)
        text = ""
        for token_id in progress.token_ids:
            self.num_tokens += 1
            self._num_unreported += 1
            text += self._stop.push(self._detokenizer.push(token_id))
            if self._stop.is_found:
                self.finish_reason = "stop"
                break
        else:
            self.finish_reason = progress.finish_reason
            if self.finish_reason is not None:
                text += self._stop.flush()
        if text:
            yield TextPiece(text, self._num_unreported)
            self._num_unreported = 0


def _describe_end(
    prompt: Prompt, stream: TokenStream, text: _AnswerText, started_s: float
) -> GenerationFinished:
    sequence = stream.sequence
    assert sequence is not None and text.finish_reason is not None
    admitted_s = sequence.admitted_s or time.perf_counter()
    first_token_s = sequence.first_token_s or started_s
    return GenerationFinished(
        finish_reason=text.finish_reason,
        usage=Usage(len(prompt.ids), text.num_tokens),
        num_dropped=prompt.num_dropped,
        queued_ms=(admitted_s - started_s) * 1000,
        first_token_ms=(first_token_s - started_s) * 1000,
    )


def _check_at_least(name: str, value: int, low: int) -> None:
    if value < low:
        raise SettingsError(f"{name} is {value}; it must be at least {low}.")


def _choose_context_length(wanted: int | None, model_limit: int) -> int:
    if wanted is None:
        return model_limit
    if not 16 <= wanted <= model_limit:
        raise SettingsError(f"context_length is {wanted}; this model allows 16 to {model_limit}.")
    return wanted
