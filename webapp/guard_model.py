"""A guard model on an engine of its own: what a moderator asks when it has no server to ask."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from chat.errors import EngineError, ModelError
from chat.template import ChatTemplate
from chat.tokenizer import Tokenizer
from chat.types import GenerationConfig, Message
from inference.backend import GenerationFinished, LocalBackend, TextPiece
from inference.model_dir import ModelDir
from webapp.settings import Settings

# A guard model answers in a few words, so most of the time goes into reading: many at once gain
# nothing. Whoever waits longer than the moderator may take leaves the line by themselves.
_MOST_GUARDED = 4
_MOST_WAITING = 128


def open_guard_model(folder: str, settings: Settings, *, is_raw: bool = False) -> "GuardModel":
    """Open a model folder for a moderator, with an engine of its own.

    Args:
        folder: where it lies.
        settings: which device and how many threads to take.
        is_raw: whether each prompt comes whole, so that the chat template has no part in it.

    Raises:
        ModelError: it is missing, broken, without the template it needs, or needs a device that
            isn't there.
    """
    model = ModelDir.load(folder)
    if is_raw:
        model = replace(model, template=_WholePrompt())
    elif not model.manifest.chat_template.strip():
        raise ModelError(
            f"{folder} has no chat template: chat_template in its manifest.json is empty, and "
            "only prompts that come whole need none. Export the model with its template."
        )
    backend = LocalBackend.load(
        model,
        device=settings.device,
        max_running=_MOST_GUARDED,
        max_waiting=_MOST_WAITING,
        threads=settings.threads,
    )
    return GuardModel(backend)


class GuardModel:
    """A model that moderators ask from threads of their own, any number of them at a time."""

    def __init__(self, backend: LocalBackend):
        """Answer by `backend`, which is closed with this."""
        self._backend = backend

    def __call__(self, turns: Sequence[Mapping[str, str]], max_tokens: int, end: float) -> str:
        """Return the likeliest answer to `turns`, of at most so many tokens.

        Each call has an event loop of its own, so the calling thread must have none that runs.

        Raises:
            TimeoutError: it isn't whole at `end`, by the monotonic clock; it is cancelled then.
            InvalidRequest: the template refuses the turns, or the last is too long for the model.
            QueueFull: too many are waiting.
            EngineError: the model failed, or is closed.
        """
        messages = [Message(turn["role"], turn["content"]) for turn in turns]  # type: ignore[arg-type]
        config = GenerationConfig(max_new_tokens=max_tokens, temperature=0.0)
        return asyncio.run(self._answer(messages, config, end))

    def close(self) -> None:
        """Cancel what runs and end the engine's thread; a second call does nothing."""
        self._backend.close()

    async def _answer(
        self, messages: Sequence[Message], config: GenerationConfig, end: float
    ) -> str:
        text = ""
        async with (
            asyncio.timeout(end - time.monotonic()),
            aclosing(self._backend.generate(messages, config)) as events,
        ):
            async for event in events:
                if isinstance(event, TextPiece):
                    text += event.text
                if isinstance(event, GenerationFinished) and event.finish_reason in (
                    "stop",
                    "length",
                ):
                    return text
        raise EngineError("The guard model didn't end its answer. Please try again.")


class _WholePrompt(ChatTemplate):
    """Takes the place of a chat template where the only message is the whole prompt."""

    def __init__(self) -> None:
        super().__init__("{{ messages[-1].content }}")

    def encode(self, messages: Sequence[Message], tokenizer: Tokenizer) -> list[int]:
        """Return the token ids; its marks count, for the moderator broke up those of the texts."""
        return tokenizer.encode(self.render(messages), allow_special=True)
