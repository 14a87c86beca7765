"""The messages of a conversation: a tree, of which one branch is on display."""

from collections import defaultdict

from sqlalchemy import CTE, exists, literal, or_, select
from sqlalchemy.orm import Session, aliased

from chat.types import Generation, Rating, StoredMessage, Thread, ThreadMessage
from storage.conversations import describe, find_conversation, find_message
from storage.models import GenerationRow, MessageRow, RatingRow
from storage.rows import to_generation, to_messages, to_rating

# Longer branches than this don't come from chatting; it ends the walk in a damaged tree.
_MAX_DEPTH = 100_000


def read_branch(
    session: Session, owner_id: str, conversation_id: str, leaf_id: str | None
) -> list[StoredMessage]:
    conversation = find_conversation(session, owner_id, conversation_id)
    if leaf_id is not None:
        find_message(session, conversation_id, leaf_id)
    return read_path(session, conversation_id, leaf_id or conversation.current_leaf_id)


def read_path(session: Session, conversation_id: str, leaf_id: str | None) -> list[StoredMessage]:
    """Return the messages from the root to `leaf_id`, found by one recursive query."""
    path = _walk_up(conversation_id, leaf_id)
    query = select(MessageRow).join(path, MessageRow.id == path.c.id)
    return to_messages(session.scalars(query.order_by(path.c.depth.desc())))


def _walk_up(conversation_id: str, leaf_id: str | None) -> CTE:
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
    return start.union_all(step)


def _walk_down(conversation_id: str, message_id: str) -> CTE:
    start = (
        select(MessageRow.id, literal(0).label("depth"))
        .where(MessageRow.id == message_id, MessageRow.conversation_id == conversation_id)
        .cte("below", recursive=True)
    )
    child = aliased(MessageRow)
    # The conversation is named once more because the index begins with it.
    step = (
        select(child.id, start.c.depth + 1)
        .join(start, child.parent_id == start.c.id)
        .where(child.conversation_id == conversation_id, start.c.depth < _MAX_DEPTH)
    )
    return start.union_all(step)


def read_tree(session: Session, owner_id: str, conversation_id: str) -> list[StoredMessage]:
    find_conversation(session, owner_id, conversation_id)
    return read_messages(session, conversation_id)


def read_messages(session: Session, conversation_id: str) -> list[StoredMessage]:
    query = select(MessageRow).where(MessageRow.conversation_id == conversation_id)
    return to_messages(session.scalars(query.order_by(MessageRow.created_at, MessageRow.id)))


def read_thread(
    session: Session,
    owner_id: str,
    conversation_id: str,
    annotator_id: str,
    leaf_id: str | None,
) -> Thread:
    """Return a branch with all that is shown of it, by six queries however long it is."""
    conversation = find_conversation(session, owner_id, conversation_id)
    path = _walk_up(conversation_id, leaf_id or conversation.current_leaf_id)
    query = select(MessageRow).join(path, MessageRow.id == path.c.id)
    messages = to_messages(session.scalars(query.order_by(path.c.depth.desc())))
    if leaf_id and not messages:
        find_message(session, conversation_id, leaf_id)  # Raises the error.
    versions = _read_versions(session, conversation_id, path)
    generations = _read_generations(session, path)
    ratings = _read_ratings(session, path, annotator_id)
    shown = (
        ThreadMessage(
            message,
            tuple(versions[message.parent_id]),
            generations.get(message.id),
            ratings.get(message.id),
        )
        for message in messages
    )
    return Thread(describe(session, conversation), tuple(shown))


def _read_versions(
    session: Session, conversation_id: str, path: CTE
) -> dict[str | None, list[str]]:
    """Return the children of each message of the path, the oldest first, and the roots."""
    is_sibling = or_(MessageRow.parent_id.in_(select(path.c.id)), MessageRow.parent_id.is_(None))
    query = (
        select(MessageRow.parent_id, MessageRow.id)
        .where(MessageRow.conversation_id == conversation_id, is_sibling)
        .order_by(MessageRow.created_at, MessageRow.id)
    )
    versions: dict[str | None, list[str]] = defaultdict(list)
    for parent_id, message_id in session.execute(query):
        versions[parent_id].append(message_id)
    return versions


def _read_generations(session: Session, path: CTE) -> dict[str, Generation]:
    query = select(GenerationRow).join(path, GenerationRow.message_id == path.c.id)
    return {row.message_id: to_generation(row) for row in session.scalars(query)}


def _read_ratings(session: Session, path: CTE, annotator_id: str) -> dict[str, Rating]:
    if not annotator_id:
        return {}
    query = select(RatingRow).join(path, RatingRow.answer_id == path.c.id)
    rows = session.scalars(query.where(RatingRow.annotator_id == annotator_id))
    return {row.answer_id: to_rating(row) for row in rows}


def select_message(session: Session, owner_id: str, conversation_id: str, message_id: str) -> None:
    conversation = find_conversation(session, owner_id, conversation_id, lock=True)
    find_message(session, conversation_id, message_id)
    conversation.current_leaf_id = _find_newest_end(session, conversation_id, message_id)


def _find_newest_end(session: Session, conversation_id: str, message_id: str) -> str | None:
    below = _walk_down(conversation_id, message_id)
    child = aliased(MessageRow)
    has_children = exists().where(
        child.conversation_id == conversation_id, child.parent_id == MessageRow.id
    )
    query = (
        select(MessageRow.id)
        .join(below, MessageRow.id == below.c.id)
        .where(~has_children)
        .order_by(MessageRow.created_at.desc(), MessageRow.id.desc())
    )
    return session.scalar(query.limit(1))
