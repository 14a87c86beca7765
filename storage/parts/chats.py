"""The store's part about conversations."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from chat.types import Conversation, Generation, StoredMessage, Thread, Turn, Verdict
from storage import chats, conversations, tree, turns
from storage.parts.part import Part
from storage.records import Consent


class Chats(Part):
    """Conversations, each a tree of messages that belongs to one user."""

    def list_conversations(
        self,
        owner_id: str,
        *,
        limit: int = 50,
        before: datetime | None = None,
        search: str = "",
    ) -> list[Conversation]:
        """Return conversations, the newest first.

        The next page is the one `before` the last `updated_at`. `search` finds titles and
        messages that contain it, whatever the case.
        """
        with self._database.read() as session:
            return conversations.list_conversations(
                session, owner_id, limit=limit, before=before, search=search
            )

    def read_conversation(self, owner_id: str, conversation_id: str) -> Conversation:
        """Return one conversation, or raise NotFound."""
        with self._database.read() as session:
            return conversations.read_conversation(session, owner_id, conversation_id)

    def read_branch(
        self, owner_id: str, conversation_id: str, leaf_id: str | None = None
    ) -> list[StoredMessage]:
        """Return the messages from the root to `leaf_id`, by default the branch on display."""
        with self._database.read() as session:
            return tree.read_branch(session, owner_id, conversation_id, leaf_id)

    def read_tree(self, owner_id: str, conversation_id: str) -> list[StoredMessage]:
        """Return all messages of all branches, the oldest first."""
        with self._database.read() as session:
            return tree.read_tree(session, owner_id, conversation_id)

    def read_thread(
        self,
        owner_id: str,
        conversation_id: str,
        *,
        annotator_id: str = "",
        leaf_id: str | None = None,
    ) -> Thread:
        """Return a branch as it is shown, by default the one on display.

        Each message comes with its versions, an answer also with how it came about and with what
        `annotator_id` thought of it.
        """
        with self._database.read() as session:
            return tree.read_thread(session, owner_id, conversation_id, annotator_id, leaf_id)

    def select_message(self, owner_id: str, conversation_id: str, message_id: str) -> None:
        """Put the branch through this message on display, on to the newest end it has."""
        with self._database.write() as session:
            tree.select_message(session, owner_id, conversation_id, message_id)

    def record_turn(
        self,
        owner_id: str,
        turn: Turn,
        *,
        title: str = "",
        history: Sequence[StoredMessage] = (),
        consent: Consent | None = None,
    ) -> None:
        """Remember a turn, all of it or nothing, and put its branch on display.

        User and conversation (with `title`) come into being when they aren't there yet. A
        question that is there already gets one more answer. An answer that is there already
        changes nothing, so a caller in doubt may simply try again. `history` are messages before
        the question that aren't there yet, each after its parent. `consent` is the owner's word on
        the conversation, said while the turn came about.

        Raises:
            NotFound: the conversation is another owner's, or has no message ``turn.parent_id``.
            InvalidRequest: an id is already that of another message.
        """
        with self._database.write() as session:
            turns.record_turn(session, self._clock, owner_id, turn, title, history, consent)

    def rename_conversation(self, owner_id: str, conversation_id: str, title: str) -> None:
        """Give a conversation another title; its place in the list stays."""
        with self._database.write() as session:
            conversations.rename_conversation(session, owner_id, conversation_id, title)

    def delete_conversation(self, owner_id: str, conversation_id: str) -> None:
        """Delete a conversation with its messages, verdicts and all that was thought of them."""
        with self._database.write() as session:
            conversations.delete_conversation(session, owner_id, conversation_id)
        self._database.erase_traces()

    def read_verdicts(self, owner_id: str, conversation_id: str) -> dict[str, tuple[Verdict, ...]]:
        """Return the verdicts of a conversation by message id, in the order they were given."""
        with self._database.read() as session:
            return conversations.read_verdicts(session, owner_id, conversation_id)

    def read_generations(self, owner_id: str, conversation_id: str) -> dict[str, Generation]:
        """Return how the answers of a conversation came about, by answer id."""
        with self._database.read() as session:
            return conversations.read_generations(session, owner_id, conversation_id)

    def delete_idle(self, before: datetime) -> int:
        """Delete the conversations, anybody's, that nothing was added to since `before`.

        Returns how many that were.
        """
        with self._database.write() as session:
            num_deleted = conversations.delete_idle(session, before)
        if num_deleted:
            self._database.erase_traces()
        return num_deleted

    def export_chats(self, *, purpose: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield each conversation with all its messages as a record for JSON; see `chats`.

        With `purpose` only those that may be used for it: their owner's newest word on the
        conversation is a yes, or else their newest general word.
        """
        return chats.export_chats(self._database, purpose)
