"""A backend that answers by a script: the tests' engine where the model doesn't matter."""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping, Sequence

from chat.errors import EngineError, QueueFull
from chat.types import FinishReason, GenerationConfig, Message, Usage
from inference.backend import GenerationFinished, Queued, TextPiece


class ScriptedBackend:
    """Answers a question with what the script has for it, word by word.

    The script may hold an exception: it is raised where the text before it ends. Remembers each
    conversation it was given, and how its answers ended.
    """

    model = "scripted"
    provider = "CPUExecutionProvider"
    context_length = 1024
    default_config = GenerationConfig()

    def __init__(
        self,
        script: Mapping[str, object] | None = None,
        *,
        delay_s: float = 0.0,
        position: int = 0,
        ending: FinishReason = "stop",
    ) -> None:
        self.script = dict(script or {})
        self.delay_s = delay_s
        self.position = position
        self.ending = ending
        self.asked: list[tuple[Message, ...]] = []
        self.configs: list[GenerationConfig] = []
        self.ended: list[str] = []
        self.is_alive = True

    async def generate(
        self, messages: Sequence[Message], config: GenerationConfig
    ) -> AsyncGenerator[Queued | TextPiece | GenerationFinished, None]:
        self.asked.append(tuple(messages))
        self.configs.append(config)
        reply = self.script.get(messages[-1].content, f"You said: {messages[-1].content}")
        if isinstance(reply, QueueFull):
            raise reply
        if self.position:
            yield Queued(self.position)
        num_tokens = 0
        ending = "cancelled"
        try:
            for part in reply if isinstance(reply, list) else [reply]:
                if isinstance(part, Exception):
                    raise part
                for piece in re.findall(r"\S+\s*|\s+", str(part)):
                    await asyncio.sleep(self.delay_s)
                    num_tokens += 1
                    yield TextPiece(piece, 1)
            ending = "stop"
        except EngineError:
            ending = "error"
            raise
        finally:
            self.ended.append(ending)
        usage = Usage(sum(len(m.content.split()) for m in messages), num_tokens)
        yield GenerationFinished(self.ending, usage, 0, 0.0, 0.0)

    def stats(self) -> Mapping[str, object]:
        return {"is_alive": self.is_alive, "num_running": 0, "num_waiting": 0}

    def close(self) -> None:
        pass
