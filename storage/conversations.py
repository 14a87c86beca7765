"""Conversations: whose they are, the list of them, and what is known of their messages."""

from datetime import datetime

from sqlalchemy import Select, delete, func, or_, select
from sqlalchemy.orm import Session

from chat.errors import InvalidRequest, NotFound
from chat.text import clean_text
from chat.types import Conversation, Generation, Verdict
from storage.consents import TRAINING, has_consent
from storage.models import ConversationRow, GenerationRow, MessageRow, VerdictRow
from storage.rows import to_conversation, to_generation, to_verdict

_Select = Select[ConversationRow, bool | None]

MAX_LISTED = 1000
MAX_SEARCH_LENGTH = 200


def find_conversation(
    session: Session, owner_id: str, conversation_id: str, *, lock: bool = False
) -> ConversationRow:
    """Return the row of a conversation; with `lock`, nobody else changes it meanwhile.

    Raises:
        NotFound: there is none, or it belongs to somebody else: who asks can't tell which.
    """
    query = select(ConversationRow).where(
        ConversationRow.id == conversation_id, ConversationRow.owner_id == owner_id
    )
    row = session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFound(
            f"There is no conversation {conversation_id[:64]!r}; choose one of your own, "
            "or start one."
        )
    return row


def find_message(session: Session, conversation_id: str, message_id: str) -> MessageRow:
    """Return the row of a message of this conversation, or raise NotFound."""
    query = select(MessageRow).where(
        MessageRow.id == message_id, MessageRow.conversation_id == conversation_id
    )
    row = session.scalar(query)
    if row is None:
        raise NotFound(
            f"There is no message {message_id[:64]!r} in this conversation; "
            "read the conversation again."
        )
    return row


def list_conversations(
    session: Session, owner_id: str, *, limit: int, before: datetime | None, search: str
) -> list[Conversation]:
    if not 1 <= limit <= MAX_LISTED:
        raise InvalidRequest(f"limit is {limit}; allowed is 1 to {MAX_LISTED}.", param="limit")
    query = _select_with_consent().where(ConversationRow.owner_id == owner_id)
    if before is not None:
        query = query.where(ConversationRow.updated_at < before)
    if search.strip():
        query = _narrow(query, search.strip())
    query = query.order_by(ConversationRow.updated_at.desc(), ConversationRow.id).limit(limit)
    return [to_conversation(row, bool(consent)) for row, consent in session.execute(query)]


def read_conversation(session: Session, owner_id: str, conversation_id: str) -> Conversation:
    return describe(session, find_conversation(session, owner_id, conversation_id))


def describe(session: Session, row: ConversationRow) -> Conversation:
    consent = select(has_consent(TRAINING)).where(ConversationRow.id == row.id)
    return to_conversation(row, bool(session.scalar(consent)))


def _select_with_consent() -> _Select:
    return select(ConversationRow, has_consent(TRAINING))


def _narrow(query: _Select, search: str) -> _Select:
    if len(search) > MAX_SEARCH_LENGTH:
        raise InvalidRequest(
            f"search has {len(search)} characters; allowed are {MAX_SEARCH_LENGTH}.",
            param="search",
        )
    wanted = clean_text(search).lower()
    is_said = select(MessageRow.id).where(
        MessageRow.conversation_id == ConversationRow.id,
        func.lower(MessageRow.content).contains(wanted, autoescape=True),
    )
    is_title = func.lower(ConversationRow.title).contains(wanted, autoescape=True)
    return query.where(or_(is_title, is_said.exists()))


def rename_conversation(session: Session, owner_id: str, conversation_id: str, title: str) -> None:
    find_conversation(session, owner_id, conversation_id, lock=True).title = title


def delete_conversation(session: Session, owner_id: str, conversation_id: str) -> None:
    find_conversation(session, owner_id, conversation_id, lock=True)
    session.execute(delete(ConversationRow).where(ConversationRow.id == conversation_id))


def delete_idle(session: Session, before: datetime) -> int:
    is_idle = ConversationRow.updated_at < before
    num_idle = session.scalar(select(func.count()).select_from(ConversationRow).where(is_idle)) or 0
    session.execute(delete(ConversationRow).where(is_idle))
    return num_idle


def read_verdicts(
    session: Session, owner_id: str, conversation_id: str
) -> dict[str, tuple[Verdict, ...]]:
    find_conversation(session, owner_id, conversation_id)
    query = (
        select(VerdictRow)
        .join(MessageRow, MessageRow.id == VerdictRow.message_id)
        .where(MessageRow.conversation_id == conversation_id)
        .order_by(VerdictRow.id)
    )
    found: dict[str, tuple[Verdict, ...]] = {}
    for row in session.scalars(query):
        found[row.message_id] = (*found.get(row.message_id, ()), to_verdict(row))
    return found


def read_generations(
    session: Session, owner_id: str, conversation_id: str
) -> dict[str, Generation]:
    find_conversation(session, owner_id, conversation_id)
    query = (
        select(GenerationRow)
        .join(MessageRow, MessageRow.id == GenerationRow.message_id)
        .where(MessageRow.conversation_id == conversation_id)
    )
    return {row.message_id: to_generation(row) for row in session.scalars(query)}
