"""Who runs next: sequences, token counts and slots; no tensors, no text."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from chat.errors import QueueFull
from inference.sequence import Sequence, SequenceState


@dataclass(frozen=True, slots=True)
class Prefill:
    """Tokens `start` to `end` (exclusive) of a prompt, to be read in one step."""

    sequence: Sequence
    start: int
    end: int

    @property
    def is_last(self) -> bool:
        """Whether the prompt is read to its end, so that an answer's first token follows."""
        return self.end == self.sequence.num_prompt_tokens


@dataclass(frozen=True, slots=True)
class Schedule:
    """The work of one step: one more token for each of `decodes`, and parts of prompts.

    The decoding sequences lie in slots 0, 1, 2, ... in this order.
    """

    decodes: tuple[Sequence, ...]
    prefills: tuple[Prefill, ...]


@dataclass(frozen=True, slots=True)
class Move:
    """`num_tokens` cached tokens of slot `source` that must be copied to slot `target`."""

    source: int
    target: int
    num_tokens: int


class Scheduler:
    """Continuous batching: sequences join and leave the running batch at every step.

    Admission is first come, first served. Prompts are read in chunks beside the decoding
    sequences, so that a long prompt slows the others down a little but never stops them. At most
    one prompt is half read at the end of a step. Slots are kept dense: the decoding sequences
    have the first ones, those whose prompt is being read the next.
    """

    def __init__(self, *, max_running: int, max_waiting: int, prefill_chunk: int):
        """Bound the batch to `max_running` sequences, each step to `prefill_chunk` prompt tokens.

        At most `max_waiting` sequences wait beside those that can run.
        """
        assert max_running > 0 and max_waiting >= 0 and prefill_chunk > 0
        self.max_running = max_running
        self.max_waiting = max_waiting
        self.prefill_chunk = prefill_chunk
        self.waiting: deque[Sequence] = deque()
        # Indexed by slot. The first `_num_decoding` decode, the rest are being prefilled.
        self._slots: list[Sequence] = []
        self._num_decoding = 0

    @property
    def running(self) -> tuple[Sequence, ...]:
        """The sequences that have a slot, in the order of the slots."""
        return tuple(self._slots)

    @property
    def num_running(self) -> int:
        """How many sequences have a slot."""
        return len(self._slots)

    @property
    def num_waiting(self) -> int:
        """How many sequences wait for a slot."""
        return len(self.waiting)

    @property
    def has_work(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._slots or self.waiting)

    def add(self, sequence: Sequence) -> None:
        """Put a sequence at the end of the queue.

        Raises:
            QueueFull: every place to run and to wait is taken.
        """
        num_places = self.max_running + self.max_waiting
        if self.num_running + self.num_waiting >= num_places:
            raise QueueFull(
                f"All {num_places} places are taken ({self.max_running} answers written at once, "
                f"{self.max_waiting} waiting); try again in a moment."
            )
        self.waiting.append(sequence)

    def schedule(self) -> Schedule:
        """Return the work of the next step, admitting waiting sequences to free slots."""
        decodes = tuple(self._slots[: self._num_decoding])
        return Schedule(decodes, tuple(self._schedule_prefills()))

    def _schedule_prefills(self) -> Iterator[Prefill]:
        budget = self.prefill_chunk
        for sequence in self._slots[self._num_decoding :]:
            yield (prefill := _next_chunk(sequence, budget))
            budget -= prefill.end - prefill.start
        while budget > 0 and self._can_admit(budget):
            sequence = self.waiting.popleft()
            sequence.state = SequenceState.PREFILLING
            sequence.slot = len(self._slots)
            self._slots.append(sequence)
            yield (prefill := _next_chunk(sequence, budget))
            budget -= prefill.end - prefill.start

    def _can_admit(self, budget: int) -> bool:
        if not self.waiting or len(self._slots) >= self.max_running:
            return False
        # A crumb of a prompt isn't worth a pass through the model.
        return budget >= min(self.waiting[0].num_prompt_tokens, self.prefill_chunk // 4)

    def record_prefill(self, prefill: Prefill) -> None:
        """Note that a chunk has been read; a sequence whose prompt is complete will decode."""
        sequence = prefill.sequence
        sequence.num_cached = prefill.end
        if prefill.is_last:
            # Prompts are completed in the order of their slots.
            assert sequence.slot == self._num_decoding
            sequence.state = SequenceState.DECODING
            self._num_decoding += 1

    def remove(self, sequence: Sequence) -> list[Move]:
        """Take a sequence out, wherever it is, and close the gap it leaves.

        Removing one that has left already does nothing.
        """
        if sequence.slot < 0:
            if sequence in self.waiting:
                self.waiting.remove(sequence)
            return []
        hole, sequence.slot = sequence.slot, -1
        moves = []
        if hole < self._num_decoding:
            # The last decoding one fills the hole and leaves its own behind, at the border.
            self._num_decoding -= 1
            moves += self._fill(hole, self._num_decoding)
            hole = self._num_decoding
        moves += self._fill(hole, len(self._slots) - 1)
        self._slots.pop()
        return moves

    def clear(self) -> list[Sequence]:
        """Take all sequences out, whatever state a failed step has left them in."""
        removed = [*self._slots, *self.waiting]
        self._slots.clear()
        self.waiting.clear()
        self._num_decoding = 0
        for sequence in removed:
            sequence.slot = -1
        return removed

    def _fill(self, hole: int, source: int) -> list[Move]:
        if hole == source:
            return []
        moved = self._slots[source]
        self._slots[hole], moved.slot = moved, hole
        return [Move(source, hole, moved.num_cached)]


def _next_chunk(sequence: Sequence, budget: int) -> Prefill:
    start = sequence.num_cached
    return Prefill(sequence, start, min(start + budget, sequence.num_prompt_tokens))
