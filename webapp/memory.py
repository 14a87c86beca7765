"""Where chats are remembered: on disk, or (temporary ones) in memory for a while."""

import uuid
from datetime import UTC, datetime, timedelta

from storage.store import Store

TEMPORARY = "temporary-"
# The text that people agree or disagree to; another text gets another name.
CONSENT_VERSION = "2026-11"
TRAINING = "training"
LIFETIME = timedelta(hours=1)


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
        """Count a turn that isn't kept, and forget the temporary chats that are over."""
        self.store.count("temporary_turns")
        self._temporary.delete_idle(datetime.now(UTC) - LIFETIME)

    def set_consent(
        self, owner_id: str, is_granted: bool, conversation_id: str | None = None
    ) -> None:
        """Remember whether one chat, or by default those of which nothing is said, may train."""
        self.store.set_consent(
            owner_id,
            TRAINING,
            is_granted,
            version=CONSENT_VERSION,
            conversation_id=conversation_id,
        )

    def close(self) -> None:
        """Let go of both stores."""
        self._temporary.close()
        self.store.close()
