"""Where chats are remembered: on disk, or (temporary ones) in memory for a while."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from chat.errors import StorageError
from storage.records import Consent
from storage.store import Store
from webapp.repeating import repeating

TEMPORARY = "temporary-"
# The text that people agree or disagree to; another text gets another name.
CONSENT_VERSION = "2026-11"
TRAINING = "training"
LIFETIME = timedelta(hours=1)
PAUSE_S = 60.0


def word_on_training(is_granted: bool) -> Consent:
    """Return a yes or no to training, to the text that is shown now."""
    return Consent(TRAINING, is_granted, CONSENT_VERSION)


def is_temporary(conversation_id: str) -> bool:
    """Say whether a conversation is one of those that are never stored."""
    return conversation_id.startswith(TEMPORARY)


class Memory:
    """The store, and beside it one that lives in memory alone, for temporary chats.

    Both are of the same kind, so a temporary chat can do all that another can. Of temporary chats
    nothing is kept but how many turns they had; each is forgotten an hour after its last turn, and
    all of them when the process ends.
    """

    def __init__(self, store: Store):
        self.store = store
        self._temporary = Store.open("sqlite://")

    def of(self, conversation_id: str) -> Store:
        """Return the store that has, or will have, this conversation."""
        return self._temporary if is_temporary(conversation_id) else self.store

    def new_id(self, *, temporary: bool) -> str:
        """Return an id for a new conversation."""
        return (TEMPORARY if temporary else "") + uuid.uuid4().hex

    def count_temporary_turn(self) -> None:
        """Count a turn that isn't kept."""
        self.store.count("temporary_turns")

    def forget_idle(self, now: datetime) -> int:
        """Forget the temporary chats that are over; return how many."""
        return self._temporary.delete_idle(now - LIFETIME)

    def set_consent(
        self, owner_id: str, is_granted: bool, conversation_id: str | None = None
    ) -> None:
        """Remember whether one chat, or by default those to come, may be used for training."""
        word = word_on_training(is_granted)
        self.store.set_consent(
            owner_id,
            word.purpose,
            word.granted,
            version=word.version,
            conversation_id=conversation_id,
        )

    def move_user(self, from_id: str, to_id: str) -> None:
        """Give all that is one visitor's to another: they have signed in."""
        self._temporary.move_user(from_id, to_id)
        self.store.move_user(from_id, to_id)

    def delete_user(self, user_id: str) -> int:
        """Delete everything of a user; return how many stored chats that were."""
        self._temporary.delete_user(user_id)
        return self.store.delete_user(user_id)

    def close(self) -> None:
        """Let go of both stores."""
        self._temporary.close()
        self.store.close()


@asynccontextmanager
async def forgetting(memory: Memory) -> AsyncIterator[None]:
    """Forget temporary chats in time while the block runs."""

    async def forget() -> None:
        await asyncio.to_thread(memory.forget_idle, datetime.now(UTC))

    async with repeating(forget, PAUSE_S, StorageError):
        yield
