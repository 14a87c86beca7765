"""The tables.

Everything said hangs below a conversation and everything of a person below a user, by
``ON DELETE CASCADE``. A change here needs a revision in ``migrations/versions``: a test compares.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from storage.columns import CleanText, Identifier, UtcDateTime

# Migrations can only alter what has a name, on every database the same one.
_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The root of all tables."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy's own way)
        str: CleanText,
        datetime: UtcDateTime,
        float: Double,
        dict[str, Any]: JSON,
        list[Any]: JSON,
    }


def _link(target: str, **options: Any) -> Mapped[Any]:
    return mapped_column(Identifier, ForeignKey(target, ondelete="CASCADE"), **options)


class UserRow(Base):
    """Somebody who chats, ranks, or both; also whoever uses an API key."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    created_at: Mapped[datetime]


class ConsentRow(Base):
    """One yes or no to one purpose, in general or for one conversation.

    The newest counts; the older ones are the evidence. Ids sort by time (`storage.clock`).
    """

    __tablename__ = "consents"
    __table_args__ = (Index(None, "user_id", "purpose"), Index(None, "conversation_id", "purpose"))

    id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    user_id: Mapped[str] = _link("users.id")
    conversation_id: Mapped[str | None] = _link("conversations.id", nullable=True)
    purpose: Mapped[str]
    granted: Mapped[bool]
    # Which text the person was shown.
    version: Mapped[str]
    created_at: Mapped[datetime]


class ConversationRow(Base):
    """A tree of messages that belongs to one user."""

    __tablename__ = "conversations"
    __table_args__ = (Index(None, "owner_id", "updated_at"),)

    id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    owner_id: Mapped[str] = _link("users.id")
    title: Mapped[str]
    # The end of the branch on display. Not a foreign key: that would make a circle of two tables.
    current_leaf_id: Mapped[str | None] = mapped_column(Identifier)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class MessageRow(Base):
    """One message; its siblings share `parent_id`."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("conversation_id", "id"),
        # A parent is a message of the same conversation. No cascade: SQLite runs it as nested
        # triggers, at most 1,000 deep, and a chat may be longer than that.
        ForeignKeyConstraint(
            ["conversation_id", "parent_id"], ["messages.conversation_id", "messages.id"]
        ),
        Index(None, "conversation_id", "parent_id"),
        Index(None, "created_at"),
        CheckConstraint("role IN ('system', 'user', 'assistant')", name="role"),
    )

    id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    conversation_id: Mapped[str] = _link("conversations.id")
    parent_id: Mapped[str | None] = mapped_column(Identifier)
    role: Mapped[str]
    content: Mapped[str]
    finish_reason: Mapped[str | None]
    created_at: Mapped[datetime]


class GenerationRow(Base):
    """How an answer came about."""

    __tablename__ = "generations"

    message_id: Mapped[str] = _link("messages.id", primary_key=True)
    model: Mapped[str] = mapped_column(index=True)
    config: Mapped[dict[str, Any]]
    prompt_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    queued_ms: Mapped[float]
    first_token_ms: Mapped[float]
    total_ms: Mapped[float]
    num_dropped: Mapped[int]
    system_prompt: Mapped[str] = mapped_column(server_default=text("''"))
    instructions: Mapped[str] = mapped_column(server_default=text("''"))
    persona: Mapped[str] = mapped_column(server_default=text("''"))


class VerdictRow(Base):
    """What one moderator found in one message, and what the policy made of it.

    Ids sort by time and, within a turn, by the order in which the verdicts were given.
    """

    __tablename__ = "verdicts"
    __table_args__ = (Index(None, "created_at"), Index(None, "action", "id"))

    id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    message_id: Mapped[str] = _link("messages.id", index=True)
    moderator: Mapped[str]
    version: Mapped[str]
    stage: Mapped[str]
    scores: Mapped[dict[str, Any]]
    spans: Mapped[list[Any]]
    outcome: Mapped[str]
    reason: Mapped[str]
    action: Mapped[str]
    category: Mapped[str]
    latency_ms: Mapped[float]
    policy_version: Mapped[str]
    created_at: Mapped[datetime]


class RefusalRow(Base):
    """What the model had written when its answer was refused; the message has the template."""

    __tablename__ = "refusals"

    message_id: Mapped[str] = _link("messages.id", primary_key=True)
    content: Mapped[str]


class ReviewRow(Base):
    """One word of a reviewer on a verdict. The newest of each reviewer counts, none is changed.

    Ids sort by time.
    """

    __tablename__ = "reviews"
    __table_args__ = (
        CheckConstraint("mark IN ('false_positive', 'missed', 'correct')", name="mark"),
    )

    id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    verdict_id: Mapped[str] = _link("verdicts.id", index=True)
    reviewer_id: Mapped[str] = _link("users.id", index=True)
    mark: Mapped[str]
    categories: Mapped[list[Any]]
    note: Mapped[str]
    created_at: Mapped[datetime]


class ComparisonRow(Base):
    """Answers that were shown side by side."""

    __tablename__ = "comparisons"
    __table_args__ = (
        ForeignKeyConstraint(
            ["conversation_id", "question_id"],
            ["messages.conversation_id", "messages.id"],
            ondelete="CASCADE",
        ),
        Index(None, "conversation_id", "question_id"),
    )

    id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    conversation_id: Mapped[str] = mapped_column(Identifier)
    question_id: Mapped[str] = mapped_column(Identifier)
    method: Mapped[str]
    probability: Mapped[float]
    created_at: Mapped[datetime]
    origin: Mapped[str] = mapped_column(server_default=text("'chat'"))
    draw: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class ComparisonAnswerRow(Base):
    """One of the answers of a comparison; `position` is its place as shown, from 0."""

    __tablename__ = "comparison_answers"
    __table_args__ = (UniqueConstraint("comparison_id", "answer_id"),)

    comparison_id: Mapped[str] = _link("comparisons.id", primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    answer_id: Mapped[str] = _link("messages.id", index=True)


class RankingRow(Base):
    """What one annotator thinks of one comparison; a new opinion replaces the old one."""

    __tablename__ = "rankings"

    comparison_id: Mapped[str] = _link("comparisons.id", primary_key=True)
    annotator_id: Mapped[str] = _link("users.id", primary_key=True, index=True)
    groups: Mapped[list[Any]]
    acceptable: Mapped[list[Any]]
    comment: Mapped[str]
    strength: Mapped[float | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    elapsed_s: Mapped[float | None]
    is_none_acceptable: Mapped[bool] = mapped_column(server_default=text("false"))


class CorrectionRow(Base):
    """An answer that a person wrote by changing the model's; it has no row in `generations`."""

    __tablename__ = "corrections"

    message_id: Mapped[str] = _link("messages.id", primary_key=True)
    corrects_id: Mapped[str] = _link("messages.id", index=True)
    author_id: Mapped[str] = _link("users.id", index=True)
    created_at: Mapped[datetime]


class RatingRow(Base):
    """A thumb: one per answer and annotator."""

    __tablename__ = "ratings"
    __table_args__ = (CheckConstraint("value IN (-1, 1)", name="value"),)

    answer_id: Mapped[str] = _link("messages.id", primary_key=True)
    annotator_id: Mapped[str] = _link("users.id", primary_key=True, index=True)
    value: Mapped[int]
    tags: Mapped[list[Any]]
    comment: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ModelRow(Base):
    """A model that has served here, by name and digest."""

    __tablename__ = "models"

    name: Mapped[str] = mapped_column(Identifier, primary_key=True)
    sha256: Mapped[str] = mapped_column(Identifier, primary_key=True)
    manifest: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class JobRow(Base):
    """A long piece of work that was started from the application, such as a training run."""

    __tablename__ = "jobs"
    __table_args__ = (Index(None, "created_at"),)

    id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    kind: Mapped[str]
    state: Mapped[str]
    arguments: Mapped[dict[str, Any]]
    message: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class PersonaRow(Base):
    """A prepared way of answering that an operator has made."""

    __tablename__ = "personas"

    id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    title: Mapped[str]
    description: Mapped[str]
    system_prompt: Mapped[str]
    settings: Mapped[dict[str, Any]]
    starters: Mapped[list[Any]]
    policy: Mapped[str]
    is_hidden: Mapped[bool]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class RuleRow(Base):
    """Wordings that an operator looks for, for the moderator `rules`."""

    __tablename__ = "rules"

    id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    name: Mapped[str]
    category: Mapped[str]
    score: Mapped[float]
    stages: Mapped[list[Any]]
    patterns: Mapped[list[Any]]
    unless: Mapped[list[Any]]
    language: Mapped[str]
    is_active: Mapped[bool]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    # Who, by their id as a user; no foreign key, because a rule outlives its author.
    created_by: Mapped[str]
    updated_by: Mapped[str]


class ApiKeyRow(Base):
    """A key for programs, known by its digest alone."""

    __tablename__ = "api_keys"
    __table_args__ = (UniqueConstraint("sha256"),)

    id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    name: Mapped[str]
    sha256: Mapped[str] = mapped_column(Identifier)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class CountRow(Base):
    """How often something happened on one day (in UTC); the number only grows."""

    __tablename__ = "counts"

    day: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Identifier, primary_key=True)
    amount: Mapped[int] = mapped_column(BigInteger)


class ChangeRow(Base):
    """A note that a row was changed or deleted, for `storage.changes`; never synced itself.

    A number is never given twice, so that forgetting notes cannot forget later ones.
    """

    __tablename__ = "changes"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 (SQLAlchemy's own way)

    seq: Mapped[int] = mapped_column(primary_key=True)
    table_name: Mapped[str]
    row_key: Mapped[dict[str, Any]]
    is_deleted: Mapped[bool]


class CopiedFileRow(Base):
    """A file of a copy elsewhere that is in this database, for `storage.copied`; never synced."""

    __tablename__ = "copied_files"

    place: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    has_deletions: Mapped[bool]
