"""Conversations and the trees of messages in them."""

from datetime import datetime

from sqlalchemy import Select, delete, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from chat.errors import InvalidRequest, NotFound
from chat.text import clean_text
from chat.types import Conversation, StoredMessage, Verdict
from storage.models import ConversationRow, GenerationRow, MessageRow, VerdictRow
from storage.records import Generation
from storage.rows import to_conversation, to_generation, to_messages, to_verdict

MAX_LISTED = 1000
MAX_SEARCH_LENGTH = 200
# Longer branches than this don't come from chatting; it ends the walk in a damaged tree.
_MAX_DEPTH = 100_000


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
    query = select(ConversationRow).where(ConversationRow.owner_id == owner_id)
    if before is not None:
        query = query.where(ConversationRow.updated_at < before)
    if search.strip():
        query = _narrow(query, search.strip())
    query = query.order_by(ConversationRow.updated_at.desc(), ConversationRow.id).limit(limit)
    return [to_conversation(row) for row in session.scalars(query)]


def _narrow(query: Select[ConversationRow], search: str) -> Select[ConversationRow]:
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


def read_branch(
    session: Session, owner_id: str, conversation_id: str, leaf_id: str | None
) -> list[StoredMessage]:
    conversation = find_conversation(session, owner_id, conversation_id)
    if leaf_id is not None:
        find_message(session, conversation_id, leaf_id)
    return read_path(session, conversation_id, leaf_id or conversation.current_leaf_id)


def read_path(session: Session, conversation_id: str, leaf_id: str | None) -> list[StoredMessage]:
    """Return the messages from the root to `leaf_id`, found by one recursive query."""
    columns = select(MessageRow.id, MessageRow.parent_id, literal(0).label("depth"))
    start = columns.where(
        MessageRow.id == leaf_id, MessageRow.conversation_id == conversation_id
    ).cte("path", recursive=True)
    parent = aliased(MessageRow)
    step = (
        select(parent.id, parent.parent_id, start.c.depth + 1)
        .join(start, parent.id == start.c.parent_id)
        .where(start.c.depth < _MAX_DEPTH)
    )
    path = start.union_all(step)
    query = select(MessageRow).join(path, MessageRow.id == path.c.id)
    return to_messages(session.scalars(query.order_by(path.c.depth.desc())))


def read_tree(session: Session, owner_id: str, conversation_id: str) -> list[StoredMessage]:
    find_conversation(session, owner_id, conversation_id)
    query = select(MessageRow).where(MessageRow.conversation_id == conversation_id)
    return to_messages(session.scalars(query.order_by(MessageRow.created_at, MessageRow.id)))


def select_leaf(session: Session, owner_id: str, conversation_id: str, leaf_id: str) -> None:
    conversation = find_conversation(session, owner_id, conversation_id, lock=True)
    conversation.current_leaf_id = find_message(session, conversation_id, leaf_id).id


def rename_conversation(session: Session, owner_id: str, conversation_id: str, title: str) -> None:
    find_conversation(session, owner_id, conversation_id, lock=True).title = title


def delete_conversation(session: Session, owner_id: str, conversation_id: str) -> None:
    find_conversation(session, owner_id, conversation_id, lock=True)
    session.execute(delete(ConversationRow).where(ConversationRow.id == conversation_id))


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
