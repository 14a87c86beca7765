"""Earlier chats: found, shown, renamed, judged by their readers, handed out and deleted."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from chat.errors import InvalidRequest, NotFound
from chat.text import clean_text
from chat.types import Conversation, Rating, Thread
from webapp.history import TITLE_LENGTH
from webapp.memory import TRAINING, Memory, is_temporary
from webapp.underway import Underway

# Why an answer is good or bad, as an answer's reader may say.
GOOD_TAGS = ("correct", "clear", "helpful", "well-written")
BAD_TAGS = ("wrong", "unclear", "off-topic", "unsafe", "refused-needlessly", "too-long")
MOST_COMMENT = 2_000


class Archive:
    """What people do with chats that are there already. Whose they are is asked every time.

    All methods raise NotFound for what isn't there or is somebody else's, and StorageError when
    the database can't serve.
    """

    def __init__(self, memory: Memory, underway: Underway):
        self._memory = memory
        self._underway = underway

    async def list(
        self, owner_id: str, *, search: str = "", limit: int = 100, before: datetime | None = None
    ) -> list[Conversation]:
        """Return the owner's chats, the latest first; `search` finds titles and messages."""
        return await asyncio.to_thread(
            self._memory.store.list_conversations,
            owner_id,
            search=clean_text(search),
            limit=limit,
            before=before,
        )

    async def read(self, owner_id: str, conversation_id: str, leaf_id: str | None = None) -> Thread:
        """Return the branch of a chat that is on display, or the one to `leaf_id`."""
        store = self._memory.of(conversation_id)
        return await asyncio.to_thread(
            store.read_thread, owner_id, conversation_id, annotator_id=owner_id, leaf_id=leaf_id
        )

    async def show_version(self, owner_id: str, conversation_id: str, message_id: str) -> Thread:
        """Put the branch through a message, on to its newest end, on display, and return it."""
        store = self._memory.of(conversation_id)
        await asyncio.to_thread(store.select_message, owner_id, conversation_id, message_id)
        return await self.read(owner_id, conversation_id)

    async def rename(self, owner_id: str, conversation_id: str, title: str) -> None:
        """Give a chat another title.

        Raises:
            InvalidRequest: it is empty or too long.
        """
        title = " ".join(clean_text(title).split())
        if not 0 < len(title) <= TITLE_LENGTH * 2:
            raise InvalidRequest(
                f"The title has {len(title)} characters; allowed are 1 to {TITLE_LENGTH * 2}.",
                param="title",
            )
        store = self._memory.of(conversation_id)
        await asyncio.to_thread(store.rename_conversation, owner_id, conversation_id, title)

    async def rate(self, owner_id: str, conversation_id: str, rating: Rating) -> None:
        """Remember what a reader thinks of an answer, in place of what they thought before.

        Raises:
            InvalidRequest: a tag isn't one of `GOOD_TAGS` or `BAD_TAGS`, or the comment is too
                long.
        """
        check_rating(rating)
        store = self._memory.of(conversation_id)
        await asyncio.to_thread(store.record_rating, owner_id, rating)

    async def withdraw_rating(
        self, owner_id: str, conversation_id: str, answer_id: str, annotator_id: str
    ) -> None:
        """Forget what a reader thought of an answer."""
        store = self._memory.of(conversation_id)
        await asyncio.to_thread(store.withdraw_rating, owner_id, answer_id, annotator_id)

    async def has_consented(self, owner_id: str) -> bool | None:
        """Return the owner's general word on training; None if they have said nothing yet."""
        consents = await asyncio.to_thread(self._memory.store.read_consents, owner_id)
        return consents.get(TRAINING)

    def export(self, owner_id: str) -> Iterator[dict[str, Any]]:
        """Yield everything that is stored of somebody as records; each step may block.

        What the model was told beforehand is the operator's to show.
        """
        for record in self._memory.store.export_user(owner_id):
            record.pop("system_prompt", None)
            yield record

    async def consent(
        self, owner_id: str, is_granted: bool, conversation_id: str | None = None
    ) -> None:
        """Remember whether one chat (or by default those to come) may be used for training.

        Raises:
            InvalidRequest: the chat is a temporary one.
        """
        if conversation_id and is_temporary(conversation_id):
            raise InvalidRequest("A temporary chat isn't stored, so it can't be used.")
        drafts = self._underway.of_chat(conversation_id or "")
        own = [draft for draft in drafts if draft.owner_id == owner_id]
        for draft in own:
            draft.training_consent = is_granted
        await self._underway.wait_storing(own)
        try:
            await asyncio.to_thread(self._memory.set_consent, owner_id, is_granted, conversation_id)
        except NotFound:
            if not own:  # else it is stored with the turn
                raise

    async def settle(self, conversation_id: str) -> None:
        """Wait until what is under way in a chat has been stored."""
        await self._underway.settle(conversation_id)

    async def delete(self, owner_id: str, conversation_id: str) -> None:
        """Delete a chat; an answer that is being written in it is not stored either."""
        store = self._memory.of(conversation_id)
        await asyncio.to_thread(store.read_conversation, owner_id, conversation_id)
        await self._underway.drop(self._underway.of_chat(conversation_id))
        await asyncio.to_thread(store.delete_conversation, owner_id, conversation_id)

    async def forget(self, owner_id: str) -> int:
        """Delete everything of somebody, answers under way too; return how many chats it was."""
        await self._underway.drop(self._underway.of_owner(owner_id))
        return await asyncio.to_thread(self._memory.delete_user, owner_id)

    def move_user(self, from_id: str, to_id: str) -> None:
        """Give all that is one visitor's to another, who is the same one signed in; blocks."""
        for draft in self._underway.of_owner(from_id):
            draft.owner_id = to_id
        self._memory.move_user(from_id, to_id)


def check_rating(rating: Rating) -> None:
    """Raise InvalidRequest unless the rating's tags are known and its comment is short enough."""
    allowed: Sequence[str] = GOOD_TAGS if rating.value > 0 else BAD_TAGS
    for tag in rating.tags:
        if tag not in allowed:
            raise InvalidRequest(
                f"The tag is {tag[:40]!r}; allowed are {', '.join(allowed)}.", param="tags"
            )
    if len(rating.comment) > MOST_COMMENT:
        raise InvalidRequest(
            f"The comment has {len(rating.comment):,} characters; allowed are {MOST_COMMENT:,}.",
            param="comment",
        )
