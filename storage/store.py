"""The store: everything the application remembers, behind one class."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import func, select, text

from chat.errors import StorageError
from chat.types import Comparison, Conversation, Ranking, Rating, StoredMessage, Turn, Verdict
from storage import catalogue, conversations, exports, feedback, privacy, turns, users
from storage.clock import Clock
from storage.connection import Database, parse_url
from storage.models import Base
from storage.postgresql import PostgresDatabase
from storage.records import Generation, Job, RankedComparison
from storage.rows import to_conversation
from storage.schema import prepare_schema
from storage.sqlite import SqliteDatabase

_COUNTED = (
    "users",
    "conversations",
    "messages",
    "verdicts",
    "comparisons",
    "rankings",
    "ratings",
    "models",
    "jobs",
)


class Store:
    """Conversations, what moderators found in them and what people think of them.

    Contract of every method:

    - It blocks: from asynchronous code call it by ``asyncio.to_thread``. Any thread may.
    - A write is one transaction: when it returns, all of it is on disk; when it raises, nothing.
    - It gives back frozen values, which stay what they are whatever happens to the store.
    - What belongs to another owner doesn't exist: NotFound, in the same words as for nothing.
    - StorageError when the database is read-only, locked, full, damaged, gone or closed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._clock = Clock()

    @classmethod
    def open(cls, url: str, *, busy_timeout_s: float = 5.0) -> Self:
        """Open the database at `url`; a new one is created, an older one upgraded.

        `busy_timeout_s` is how long a call waits for a lock that another program holds.

        Raises:
            SettingsError: the URL isn't one that can be used, or the driver is missing.
            SetupError: the database is of a newer version, or of another program.
            StorageError: it cannot be opened.
        """
        parsed = parse_url(url)
        is_sqlite = parsed.get_backend_name() == "sqlite"
        kind = SqliteDatabase if is_sqlite else PostgresDatabase
        database = kind(parsed, busy_timeout_s)
        try:
            prepare_schema(database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Finish the write under way and let go; closing twice is fine."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # People

    def ensure_user(self, user_id: str) -> None:
        """Make sure that there is such a user."""
        with self._database.write() as session:
            users.ensure_user(session, user_id, self._clock.now())

    def set_consent(self, user_id: str, purpose: str, granted: bool, *, version: str = "") -> None:
        """Remember a yes or no to `purpose`; `version` names the text that was shown."""
        with self._database.write() as session:
            users.set_consent(session, user_id, purpose, granted, version, self._clock.now())

    def read_consents(self, user_id: str) -> dict[str, bool]:
        """Return the newest word on each purpose; a purpose never asked about isn't in it."""
        with self._database.read() as session:
            found = users.read_consents(session, user_id)
        return {consent.purpose: consent.granted for consent in found}

    def delete_user(self, user_id: str) -> int:
        """Delete a user and everything of theirs; return how many conversations that were."""
        return privacy.delete_user(self._database, user_id)

    def export_user(self, user_id: str) -> Iterator[dict[str, Any]]:
        """Yield everything of a user as records for JSON; see `storage.privacy`."""
        return privacy.export_user(self._database, user_id)

    # Conversations

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
            row = conversations.find_conversation(session, owner_id, conversation_id)
            return to_conversation(row)

    def read_branch(
        self, owner_id: str, conversation_id: str, leaf_id: str | None = None
    ) -> list[StoredMessage]:
        """Return the messages from the root to `leaf_id`, by default the branch on display."""
        with self._database.read() as session:
            return conversations.read_branch(session, owner_id, conversation_id, leaf_id)

    def read_tree(self, owner_id: str, conversation_id: str) -> list[StoredMessage]:
        """Return all messages of all branches, the oldest first."""
        with self._database.read() as session:
            return conversations.read_tree(session, owner_id, conversation_id)

    def select_leaf(self, owner_id: str, conversation_id: str, leaf_id: str) -> None:
        """Make the branch that ends in `leaf_id` the one on display."""
        with self._database.write() as session:
            conversations.select_leaf(session, owner_id, conversation_id, leaf_id)

    def record_turn(
        self,
        owner_id: str,
        turn: Turn,
        *,
        title: str = "",
        history: Sequence[StoredMessage] = (),
    ) -> None:
        """Remember a turn, all of it or nothing, and put its branch on display.

        User and conversation (with `title`) come into being when they aren't there yet. A
        question that is there already gets one more answer. An answer that is there already
        changes nothing, so a caller in doubt may simply try again. `history` are messages before
        the question that aren't there yet, each after its parent.

        Raises:
            NotFound: the conversation is another owner's, or has no message ``turn.parent_id``.
            InvalidRequest: an id is already that of another message.
        """
        with self._database.write() as session:
            turns.record_turn(session, self._clock, owner_id, turn, title, history)

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

    # Feedback. `owner_id` is whose conversation it is; the annotator may be somebody else.

    def record_comparison(self, owner_id: str, comparison: Comparison) -> None:
        """Remember which answers were shown, in which order; sent again it changes nothing."""
        with self._database.write() as session:
            feedback.record_comparison(session, owner_id, comparison, self._clock.now())

    def read_comparison(self, owner_id: str, comparison_id: str) -> Comparison:
        """Return one comparison, or raise NotFound."""
        with self._database.read() as session:
            return feedback.find_comparison(session, owner_id, comparison_id)

    def record_ranking(
        self, owner_id: str, ranking: Ranking, *, strength: float | None = None
    ) -> None:
        """Remember what an annotator thinks; a new ranking replaces their old one.

        `strength` is how sure they are, from 0 to 1. Answers may be left out of the groups.
        """
        with self._database.write() as session:
            feedback.record_ranking(session, owner_id, ranking, strength, self._clock.now())

    def record_rating(self, owner_id: str, rating: Rating) -> None:
        """Remember a thumb; a new one replaces the annotator's old one."""
        with self._database.write() as session:
            feedback.record_rating(session, owner_id, rating, self._clock.now())

    def withdraw_rating(self, owner_id: str, answer_id: str, annotator_id: str) -> None:
        """Forget an annotator's thumb, if there is one."""
        with self._database.write() as session:
            feedback.withdraw_rating(session, owner_id, answer_id, annotator_id)

    def read_ratings(self, owner_id: str, conversation_id: str) -> list[Rating]:
        """Return the thumbs in a conversation, the oldest first."""
        with self._database.read() as session:
            return feedback.read_ratings(session, owner_id, conversation_id)

    def export_rankings(self, *, purpose: str | None = None) -> Iterator[RankedComparison]:
        """Yield the rankings for training, with `purpose` only those it was agreed to for."""
        return exports.export_rankings(self._database, purpose)

    # Operations

    def record_model(
        self, name: str, sha256: str, manifest: Mapping[str, Any] | None = None
    ) -> None:
        """Remember that a model of this name and digest has served here."""
        with self._database.write() as session:
            catalogue.record_model(session, name, sha256, manifest or {}, self._clock.now())

    def record_job(self, job: Job) -> None:
        """Remember a job, or what has become of it; its `created_at` stays the first one."""
        with self._database.write() as session:
            catalogue.record_job(session, job, self._clock.now())

    def list_jobs(self, *, limit: int = 100) -> list[Job]:
        """Return jobs, the newest first."""
        with self._database.read() as session:
            return catalogue.list_jobs(session, limit)

    def stats(self) -> Mapping[str, int]:
        """Return how many rows there are of each kind."""
        with self._database.read() as session:
            return {
                name: session.scalar(select(func.count()).select_from(Base.metadata.tables[name]))
                or 0
                for name in _COUNTED
            }

    def check(self) -> Mapping[str, object]:
        """Read and write a little, leaving no trace, and report: ``ok`` and, if not, ``reason``.

        The one method that doesn't raise StorageError: that is what it is there to tell.
        """
        try:
            with self._database.read() as session:
                session.execute(text("SELECT version_num FROM alembic_version"))
            with self._database.write() as session:
                session.execute(text("UPDATE alembic_version SET version_num = version_num"))
                session.rollback()
        except StorageError as error:
            return {"ok": False, "database": self._database.version, "reason": str(error)}
        return {"ok": True, "database": self._database.version}

    def backup(self, path: Path) -> None:
        """Write a consistent copy of a SQLite database to the new file `path`.

        Raises:
            InvalidRequest: the file is there already.
            SettingsError: the database isn't SQLite.
            StorageError: it couldn't be written.
        """
        self._database.backup(path)
