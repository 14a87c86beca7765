"""A model without weights: the next token is a checksum of exactly what lies in the slot.

Whatever the engine mixes up, be it a slot, a length or an order, changes the tokens that follow.
"""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

VOCAB_SIZE = 97


def next_token(ids: Sequence[int]) -> int:
    """Return the token that follows `ids`, from 5 on, so never a stop token."""
    return 5 + zlib.crc32(bytes(ids)) % (VOCAB_SIZE - 5)


def continuation(prompt: Sequence[int], num_tokens: int) -> list[int]:
    """Return what `FakeRunner` answers to `prompt` under greedy sampling."""
    ids = list(prompt)
    for _ in range(num_tokens):
        ids.append(next_token(ids))
    return ids[len(prompt) :]


class FakeRunner:
    """Keeps the token ids of each slot where a model keeps keys and values."""

    def __init__(self, max_running: int) -> None:
        self.max_running = max_running
        self.slots: list[list[int]] = []
        self.num_prefilled: list[int] = []
        self.poison: int | None = None

    def reserve(self, num_slots: int) -> None:
        assert num_slots <= self.max_running
        self.slots += [[] for _ in range(num_slots - len(self.slots))]

    def prefill(self, slot: int, input_ids: Sequence[int], num_cached: int) -> NDArray[np.float32]:
        assert input_ids and num_cached <= len(self.slots[slot])
        self.num_prefilled.append(len(input_ids))
        self.slots[slot] = [*self.slots[slot][:num_cached], *input_ids]
        return self._logits(slot)

    def decode(self, input_ids: Sequence[int], num_cached: Sequence[int]) -> NDArray[np.float32]:
        for slot, (token, length) in enumerate(zip(input_ids, num_cached, strict=True)):
            assert length <= len(self.slots[slot])
            self.slots[slot] = [*self.slots[slot][:length], token]
        return np.stack([self._logits(slot) for slot in range(len(input_ids))])

    def move(self, source: int, target: int, num_tokens: int) -> None:
        assert num_tokens <= len(self.slots[source])
        self.slots[target] = self.slots[source][:num_tokens]
        self.slots[source] = []

    def _logits(self, slot: int) -> NDArray[np.float32]:
        logits = np.zeros(VOCAB_SIZE, np.float32)
        logits[next_token(self.slots[slot])] = 1.0
        if self.poison in self.slots[slot]:
            logits[:] = np.nan
        return logits
