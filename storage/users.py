"""Who is there, what they agree to, and what moves along when they sign in."""

from datetime import datetime

from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.orm import Session, aliased

from storage.clock import follow, make_row_id
from storage.conversations import find_conversation
from storage.models import (
    ConsentRow,
    ConversationRow,
    CorrectionRow,
    RankingRow,
    RatingRow,
    ReviewRow,
    RuleRow,
    UserRow,
)
from storage.upsert import insert_if_missing


def ensure_user(session: Session, user_id: str, now: datetime) -> None:
    insert_if_missing(session, UserRow, {"id": user_id, "created_at": now})


def is_empty(session: Session) -> bool:
    return session.scalar(select(UserRow.id).limit(1)) is None


def set_consent(
    session: Session,
    user_id: str,
    purpose: str,
    granted: bool,
    version: str,
    conversation_id: str | None,
    now: datetime,
) -> None:
    """Add a word to those of a user, as their newest even where the machine's clock lags."""
    if conversation_id is None:
        ensure_user(session, user_id, now)
    else:
        find_conversation(session, user_id, conversation_id, lock=True)
    newest = select(func.max(ConsentRow.created_at)).where(ConsentRow.user_id == user_id)
    at = follow(now, session.scalar(newest))
    values = {
        "id": make_row_id(at),
        "user_id": user_id,
        "conversation_id": conversation_id,
        "purpose": purpose,
        "granted": granted,
        "version": version,
        "created_at": at,
    }
    session.execute(insert(ConsentRow).values(**values))


def move_user(session: Session, from_id: str, to_id: str, now: datetime) -> None:
    if from_id == to_id:
        return
    ensure_user(session, to_id, now)
    for column in (
        ConversationRow.owner_id,
        ConsentRow.user_id,
        ReviewRow.reviewer_id,
        CorrectionRow.author_id,
        RuleRow.created_by,
        RuleRow.updated_by,
    ):
        session.execute(update(column.class_).where(column == from_id).values({column: to_id}))
    _move_opinions(session, RankingRow, "comparison_id", from_id, to_id)
    _move_opinions(session, RatingRow, "answer_id", from_id, to_id)


def _move_opinions(
    session: Session,
    table: type[RankingRow] | type[RatingRow],
    subject: str,
    from_id: str,
    to_id: str,
) -> None:
    """Move rankings or ratings; of two on the same subject, the newer one stays."""
    for loser_id, winner_id in ((from_id, to_id), (to_id, from_id)):
        other = aliased(table)
        is_older = exists().where(
            getattr(other, subject) == getattr(table, subject),
            other.annotator_id == winner_id,
            other.updated_at >= table.updated_at,
        )
        session.execute(delete(table).where(table.annotator_id == loser_id, is_older))
    move = update(table).where(table.annotator_id == from_id)
    session.execute(move.values(annotator_id=to_id))
