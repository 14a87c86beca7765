"""How much of a conversation the model gets to see."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from chat.errors import InvalidRequest
from chat.template import ChatTemplate
from chat.tokenizer import Tokenizer
from chat.types import Message


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids ready for the engine, and how many old messages had to be left out."""

    ids: tuple[int, ...]
    num_dropped: int = 0


def fit_context(
    messages: Sequence[Message],
    template: ChatTemplate,
    tokenizer: Tokenizer,
    max_prompt_tokens: int,
) -> Prompt:
    """Encode as many of the latest turns as fit into `max_prompt_tokens`.

    System messages always stay. Otherwise the oldest turns are dropped whole: what remains
    begins with a user's message, and the last message is never cut.

    Raises:
        InvalidRequest: even the last message alone doesn't fit.
    """
    system = [m for m in messages if m.role == "system"]
    turns = [m for m in messages if m.role != "system"]

    def encode_from(start: int) -> list[int]:
        return template.encode([*system, *turns[start:]], tokenizer)

    def fits(start: int) -> bool:
        return len(encode_from(start)) <= max_prompt_tokens

    starts = [0, *(i for i, m in enumerate(turns) if m.role == "user" and i > 0)]
    start = starts[min(bisect_left(starts, True, key=fits), len(starts) - 1)]
    ids = encode_from(start)
    if len(ids) > max_prompt_tokens:
        raise InvalidRequest(
            f"The message is {len(ids):,} tokens long; this model reads at most "
            f"{max_prompt_tokens:,}. Please send a shorter one.",
            param="messages",
            code="context_length_exceeded",
        )
    return Prompt(tuple(ids), num_dropped=start)
