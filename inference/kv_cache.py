"""Keys and values of the running sequences: one buffer, a slot for each sequence."""

from math import prod

import numpy as np
from numpy.typing import NDArray

PARTS = ("key", "value")


class KVCache:
    """Shared key/value buffers that the graph reads and writes in place.

    Each layer has a key and a value buffer of shape [slots, kv_heads, max_length, head_dim];
    sequences in neighbouring slots are thus a batch, without a copy. Slots are made as they are
    needed, in powers of two, so that a server with few readers stays small.
    """

    def __init__(self, *, num_layers: int, num_kv_heads: int, max_length: int, head_dim: int):
        """Make an empty cache; it takes no memory before `reserve`."""
        self._slot_shape = (num_kv_heads, max_length, head_dim)
        self._num_layers = num_layers
        self._buffer = self._allocate(0)

    @property
    def num_slots(self) -> int:
        """How many slots there are now."""
        return int(self._buffer.shape[2])

    @property
    def num_bytes(self) -> int:
        """How much memory the slots may take."""
        return self._buffer.nbytes

    def reserve(self, num_slots: int) -> bool:
        """Make room for `num_slots` slots, keeping contents; return whether addresses changed."""
        if num_slots <= self.num_slots:
            return False
        grown = self._allocate(1 << (num_slots - 1).bit_length())
        grown[:, :, : self.num_slots] = self._buffer
        self._buffer = grown
        return True

    def move(self, source: int, target: int, num_tokens: int) -> None:
        """Copy the first `num_tokens` keys and values of slot `source` to slot `target`."""
        buffer = self._buffer
        buffer[:, :, target, :, :num_tokens] = buffer[:, :, source, :, :num_tokens]

    def shape(self, num_slots: int) -> tuple[int, int, int, int]:
        """Return the shape of a batch of `num_slots` neighbouring slots of one layer."""
        return (num_slots, *self._slot_shape)

    def address(self, layer: int, part: str, slot: int) -> int:
        """Return where in memory the keys or values of `layer` begin for `slot`."""
        index = (layer * len(PARTS) + PARTS.index(part)) * self.num_slots + slot
        return self._buffer.ctypes.data + index * prod(self._slot_shape) * self._buffer.itemsize

    def view(self, layer: int, part: str, slot: int) -> NDArray[np.float32]:
        """Return the [kv_heads, max_length, head_dim] array at that address."""
        view: NDArray[np.float32] = self._buffer[layer, PARTS.index(part), slot]
        return view

    def _allocate(self, num_slots: int) -> NDArray[np.float32]:
        # Never cleared: the graph reads no position before it has written it, and the operating
        # system hands out pages only when they are touched.
        shape = (self._num_layers, len(PARTS), num_slots, *self._slot_shape)
        return np.empty(shape, np.float32)
