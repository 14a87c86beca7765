"""What people have agreed to: the newest word counts, that on one conversation before all."""

from sqlalchemy import ColumnElement, ScalarSelect, false, func, select
from sqlalchemy.orm import Session

from storage.models import ConsentRow, ConversationRow
from storage.records import Consent

TRAINING = "training"


def conversation_word(purpose: str) -> ScalarSelect[bool]:
    """Return the owner's newest word on this very conversation, for a query of conversations."""
    return _newest(purpose, ConsentRow.conversation_id == ConversationRow.id)


def has_consent(purpose: str) -> ColumnElement[bool]:
    """Return whether the owner lets a conversation be used for `purpose`, for such a query."""
    general = _newest(purpose, ConsentRow.conversation_id.is_(None))
    return func.coalesce(conversation_word(purpose), general, false())


def _newest(purpose: str, condition: ColumnElement[bool]) -> ScalarSelect[bool]:
    query = select(ConsentRow.granted).where(
        ConsentRow.user_id == ConversationRow.owner_id, ConsentRow.purpose == purpose, condition
    )
    newest = query.order_by(ConsentRow.id.desc()).limit(1)
    return newest.correlate(ConversationRow).scalar_subquery()


def read_consents(session: Session, user_id: str) -> list[Consent]:
    """Return every yes and no of a user, the oldest first."""
    query = select(ConsentRow).where(ConsentRow.user_id == user_id).order_by(ConsentRow.id)
    return [
        Consent(row.purpose, row.granted, row.version, row.created_at, row.conversation_id)
        for row in session.scalars(query)
    ]
