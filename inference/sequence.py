"""One answer in the making: its prompt, how to sample it, and how far it is."""

from dataclasses import dataclass, field
from enum import Enum

from chat.types import FinishReason, GenerationConfig
from inference.sampler import Sampler


class SequenceState(Enum):
    """Where a sequence is on its way through the engine."""

    WAITING = "waiting"
    PREFILLING = "prefilling"
    DECODING = "decoding"
    FINISHED = "finished"


@dataclass(slots=True, eq=False)
class Sequence:
    """A prompt and the answer that grows behind it.

    ``num_cached`` tokens of it lie in the key/value cache, in ``slot``. ``max_new_tokens`` is
    what was asked for, cut to what the context has room for. The ``_s`` times are those of
    ``time.perf_counter``.
    """

    prompt_ids: tuple[int, ...]
    config: GenerationConfig
    sampler: Sampler
    max_new_tokens: int
    added_s: float
    admitted_s: float | None = None
    first_token_s: float | None = None
    state: SequenceState = SequenceState.WAITING
    slot: int = -1
    num_cached: int = 0
    output_ids: list[int] = field(default_factory=list)
    finish_reason: FinishReason | None = None

    @property
    def num_prompt_tokens(self) -> int:
        """The length of the prompt."""
        return len(self.prompt_ids)

    @property
    def is_finished(self) -> bool:
        """Whether no more tokens will come."""
        return self.state is SequenceState.FINISHED

    def finish(self, reason: FinishReason) -> None:
        """End the sequence."""
        self.state = SequenceState.FINISHED
        self.finish_reason = reason
