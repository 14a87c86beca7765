"""What people have agreed to.

The newest word counts, that on one conversation before the general one. A general yes is about the
conversations after it, a general no about those before it too.
"""

from sqlalchemy import ColumnElement, ScalarSelect, and_, false, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from storage.models import ConsentRow, ConversationRow
from storage.records import Consent

TRAINING = "training"


def has_consent(purpose: str) -> ColumnElement[bool]:
    """Return whether the owner lets a conversation be used for `purpose`, for a query of those."""
    is_later = ConversationRow.created_at >= ConsentRow.created_at
    # Only its owner has a word on a conversation; to look for the owner's would be to look through
    # all of theirs, which may be as many as they have conversations.
    own = _newest(purpose, ConsentRow.conversation_id == ConversationRow.id, ConsentRow.granted)
    in_general = and_(
        ConsentRow.user_id == ConversationRow.owner_id, ConsentRow.conversation_id.is_(None)
    )
    general = _newest(purpose, in_general, and_(ConsentRow.granted, is_later))
    return func.coalesce(own, general, false())


def _newest(
    purpose: str,
    condition: ColumnElement[bool],
    word: ColumnElement[bool] | InstrumentedAttribute[bool],
) -> ScalarSelect[bool]:
    query = select(word).where(ConsentRow.purpose == purpose, condition)
    newest = query.order_by(ConsentRow.id.desc()).limit(1)
    return newest.correlate(ConversationRow).scalar_subquery()


def read_consents(session: Session, user_id: str) -> list[Consent]:
    """Return every yes and no of a user, the oldest first."""
    query = select(ConsentRow).where(ConsentRow.user_id == user_id).order_by(ConsentRow.id)
    return [
        Consent(row.purpose, row.granted, row.version, row.created_at, row.conversation_id)
        for row in session.scalars(query)
    ]
