"""What a person may ask of a store: all of mine, and away with it."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from storage.codec import encode
from storage.connection import Database
from storage.consents import read_consents
from storage.models import (
    ComparisonAnswerRow,
    ComparisonRow,
    ConversationRow,
    CorrectionRow,
    GenerationRow,
    MessageRow,
    RankingRow,
    RatingRow,
    ReviewRow,
    RuleRow,
    UserRow,
    VerdictRow,
)

Record = dict[str, Any]


def delete_user(database: Database, user_id: str) -> int:
    """Delete a user with all they said and all they judged, and what is left of it in files.

    Returns how many conversations that were; 0 for somebody unknown.
    """
    with database.write() as session:
        owned = select(func.count()).where(ConversationRow.owner_id == user_id)
        num_conversations = session.scalar(owned) or 0
        # A rule stays in force; who wrote it is forgotten.
        for author in (RuleRow.created_by, RuleRow.updated_by):
            session.execute(update(RuleRow).where(author == user_id).values({author: ""}))
        session.execute(delete(UserRow).where(UserRow.id == user_id))
    database.erase_traces()
    return num_conversations


def export_users(database: Database) -> Iterator[Record]:
    """Yield everybody's id, when they first came, and how many chats are theirs; oldest first."""
    num_chats = (
        select(func.count())
        .where(ConversationRow.owner_id == UserRow.id)
        .correlate(UserRow)
        .scalar_subquery()
    )
    query = select(UserRow.id, UserRow.created_at, num_chats)
    with database.read() as session:
        rows = session.execute(query.order_by(UserRow.created_at, UserRow.id)).all()
    for user_id, created_at, count in rows:
        yield {"id": user_id, "created_at": created_at.isoformat(), "num_chats": count}


def export_user(database: Database, user_id: str) -> Iterator[Record]:
    """Yield everything of a user as records with a ``kind``, ready for JSON, oldest first.

    What was refused of an answer isn't among them: nobody but reviewers gets to see that.
    Each conversation is read in a transaction of its own, so a slow reader holds up nobody and
    memory holds one conversation at a time.
    """
    with database.read() as session:
        user = session.get(UserRow, user_id)
        consents = read_consents(session, user_id)
        owned = select(ConversationRow.id).where(ConversationRow.owner_id == user_id)
        conversation_ids = list(session.scalars(owned.order_by(ConversationRow.created_at)))
    if user is None:
        return
    yield {"kind": "user", "id": user.id, "created_at": user.created_at.isoformat()}
    yield from (_to_json("consent", asdict(consent)) for consent in consents)
    for conversation_id in conversation_ids:
        with database.read() as session:
            records = list(_export_conversation(session, conversation_id))
        yield from records
    with database.read() as session:
        opinions = [
            *_export_rows(session, "ranking", RankingRow, RankingRow.annotator_id == user_id),
            *_export_rows(session, "rating", RatingRow, RatingRow.annotator_id == user_id),
            *_export_rows(session, "review", ReviewRow, ReviewRow.reviewer_id == user_id),
        ]
    yield from opinions


def _export_conversation(session: Session, conversation_id: str) -> Iterator[Record]:
    yield from _export_rows(
        session, "conversation", ConversationRow, ConversationRow.id == conversation_id
    )
    inside = MessageRow.conversation_id == conversation_id
    messages = select(MessageRow.id).where(inside)
    yield from _export_rows(session, "message", MessageRow, inside)
    for kind, table, column in (
        ("generation", GenerationRow, GenerationRow.message_id),
        ("verdict", VerdictRow, VerdictRow.message_id),
        ("comparison_answer", ComparisonAnswerRow, ComparisonAnswerRow.answer_id),
        ("correction", CorrectionRow, CorrectionRow.message_id),
    ):
        yield from _export_rows(session, kind, table, column.in_(messages))
    yield from _export_rows(
        session, "comparison", ComparisonRow, ComparisonRow.conversation_id == conversation_id
    )


def _export_rows(session: Session, kind: str, table: Any, condition: Any) -> Iterator[Record]:
    columns = table.__table__.columns
    in_order = [columns["created_at"]] if "created_at" in columns else table.__table__.primary_key
    rows: Any = session.execute(select(*columns).where(condition).order_by(*in_order))
    yield from (_to_json(kind, row) for row in rows.mappings())


def _to_json(kind: str, values: Mapping[Any, Any]) -> Record:
    return {"kind": kind, **encode(values)}
