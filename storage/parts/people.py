"""The store's part about people: who is there, and what is theirs."""

from collections.abc import Iterator
from typing import Any

from storage import consents, privacy, users
from storage.parts.part import Part


class People(Part):
    """Users, what they agreed to, and all of theirs at once."""

    def ensure_user(self, user_id: str) -> None:
        """Make sure that there is such a user."""
        with self._database.write() as session:
            users.ensure_user(session, user_id, self._clock.now())

    def set_consent(
        self,
        user_id: str,
        purpose: str,
        granted: bool,
        *,
        version: str = "",
        conversation_id: str | None = None,
    ) -> None:
        """Remember a yes or no to `purpose`; `version` names the text that was shown.

        A word on one conversation of theirs goes before all general ones, whichever came first.

        Raises:
            NotFound: the conversation isn't there, or isn't theirs.
        """
        with self._database.write() as session:
            users.set_consent(
                session, user_id, purpose, granted, version, conversation_id, self._clock.now()
            )

    def read_consents(self, user_id: str) -> dict[str, bool]:
        """Return the newest general word on each purpose; one never asked about isn't in it."""
        with self._database.read() as session:
            found = consents.read_consents(session, user_id)
        return {word.purpose: word.granted for word in found if word.conversation_id is None}

    def move_user(self, from_id: str, to_id: str) -> None:
        """Give all of one user to another: what was done before signing in, to who signed in.

        Conversations, consents, rankings, ratings and reviews move; where both ranked or rated
        the same, the newer word stays. The user `from_id` stays too, with nothing.
        """
        with self._database.write() as session:
            users.move_user(session, from_id, to_id, self._clock.now())

    def delete_user(self, user_id: str) -> int:
        """Delete a user and everything of theirs; return how many conversations that were."""
        return privacy.delete_user(self._database, user_id)

    def export_users(self) -> Iterator[dict[str, Any]]:
        """Yield everybody as a record for JSON, with the number of their chats; oldest first."""
        return privacy.export_users(self._database)

    def export_user(self, user_id: str) -> Iterator[dict[str, Any]]:
        """Yield everything of a user as records for JSON; see `storage.privacy`."""
        return privacy.export_user(self._database, user_id)
