"""The turns that are under way: begun, and not stored yet."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from webapp.turn import Draft

PATIENCE_S = 5.0


class Underway:
    """A list of them, for those who have to know what isn't in the store yet."""

    def __init__(self) -> None:
        self._drafts: list[Draft] = []

    def add(self, draft: Draft) -> None:
        """A turn begins."""
        self._drafts.append(draft)

    def remove(self, draft: Draft) -> None:
        """A turn is stored, or never will be."""
        self._drafts.remove(draft)

    def of_chat(self, conversation_id: str) -> list[Draft]:
        """Return the turns of a conversation."""
        return [draft for draft in self._drafts if draft.conversation_id == conversation_id]

    def of_owner(self, owner_id: str) -> list[Draft]:
        """Return the turns of one person."""
        return [draft for draft in self._drafts if draft.owner_id == owner_id]

    async def settle(self, conversation_id: str = "", *, timeout_s: float = PATIENCE_S) -> None:
        """Wait until the turns under way (of one conversation) have been stored."""
        drafts = self.of_chat(conversation_id) if conversation_id else list(self._drafts)
        await _wait(drafts, timeout_s)

    async def drop(self, drafts: Iterable[Draft]) -> None:
        """Let turns not be stored; those that are being stored just now are waited for."""
        drafts = list(drafts)
        for draft in drafts:
            draft.is_admitted = False
        await self.wait_storing(drafts)

    async def wait_storing(self, drafts: Iterable[Draft]) -> None:
        """Wait for those of `drafts` that are being stored just now."""
        await _wait([draft for draft in drafts if draft.is_storing], PATIENCE_S)


async def _wait(drafts: list[Draft], timeout_s: float) -> None:
    if drafts:
        stored = asyncio.gather(*(draft.is_stored.wait() for draft in drafts))
        with suppress(TimeoutError):
            await asyncio.wait_for(stored, timeout_s)
