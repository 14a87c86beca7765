"""Which rows are for training, which for validation, which for the test: the same ones each time.

All turns of a conversation begin with its first user message, and so does every prompt that is
repeated word by word: rows are placed by a hash of that message. Where somebody edited the first
message, one conversation has two of them; `Splits.join` is told of these and keeps both together.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from chat.errors import InvalidRequest
from chat.types import Message
from preferences.texts import fold_text

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
Shares = tuple[float, float, float]
DEFAULT_SHARES: Shares = (0.9, 0.05, 0.05)


def split_of(
    prompt: Sequence[Message],
    conversation_id: str,
    shares: Shares = DEFAULT_SHARES,
    salt: str = "",
) -> Split:
    """Return where a prompt belongs, by its first user message alone.

    The message is compared without regard to case, white space and compatible characters. A
    prompt that nobody asked goes by its conversation. Another `salt` is another division.
    """
    return _place(_root_of(prompt, conversation_id), shares, salt)


@dataclass(slots=True)
class Splits:
    """A division of rows in which neither a prompt nor a conversation straddles.

    Conversations whose first message was edited have to be joined before anything is placed; all
    others need not be. A later join can move what it connects.

    Raises:
        InvalidRequest: the shares aren't three numbers from 0 that add up to 1.
    """

    shares: Shares = DEFAULT_SHARES
    salt: str = ""
    _first_roots: dict[int, int] = field(default_factory=dict, repr=False)
    _parents: dict[int, int] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        is_known = len(self.shares) == len(SPLITS) and all(s >= 0 for s in self.shares)
        if not is_known or not math.isclose(math.fsum(self.shares), 1.0, abs_tol=1e-9):
            raise InvalidRequest(
                f"The shares are {self.shares}; allowed are three numbers from 0 that add up to "
                "1: training, validation, test.",
                param="shares",
            )

    def join(self, prompt: Sequence[Message], conversation_id: str) -> None:
        """Keep this prompt together with all others of its conversation (about 100 bytes each)."""
        root = _root_of(prompt, conversation_id)
        first = self._first_roots.setdefault(_hash(conversation_id), root)
        low, high = sorted((self._find(first), self._find(root)))
        if low != high:
            self._parents[high] = low

    def place(self, prompt: Sequence[Message], conversation_id: str) -> Split:
        """Return where a prompt of this conversation belongs."""
        return _place(self._find(_root_of(prompt, conversation_id)), self.shares, self.salt)

    def _find(self, root: int) -> int:
        while (parent := self._parents.get(root, root)) != root:
            # Halve the path for whoever comes next.
            self._parents[root] = self._parents.get(parent, parent)
            root = parent
        return root


def _root_of(prompt: Sequence[Message], conversation_id: str) -> int:
    for message in prompt:
        if message.role == "user":
            return _hash("prompt:" + fold_text(message.content).casefold())
    return _hash("conversation:" + conversation_id)


def _place(root: int, shares: Shares, salt: str) -> Split:
    point = _hash(f"{salt}:{root}") / 2**64
    for name, end in zip(SPLITS, (shares[0], shares[0] + shares[1]), strict=False):
        if point < end:
            return name
    # What rounding leaves over is the last one's that has a share at all.
    return next(name for name, share in zip(SPLITS[::-1], shares[::-1], strict=True) if share)


def _hash(text: str) -> int:
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest)
