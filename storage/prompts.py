"""What was said before a question, and where conversations begin: for whoever exports them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, collate, func, literal, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from chat.types import Message
from storage.connection import Database
from storage.models import MessageRow
from storage.rows import to_message

# Longer branches than this don't come from chatting; it ends the walk in a damaged tree.
_MAX_DEPTH = 10_000
_CHUNK = 500


def in_code_order(session: Session, column: InstrumentedAttribute[Any]) -> ColumnElement[str]:
    """Return a column of ids to order by, as Python orders them: PostgreSQL follows a language."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    return column.expression if is_sqlite else collate(column, "C")


def read_prompts(
    session: Session, question_ids: Iterable[str]
) -> Mapping[str, tuple[Message, ...]]:
    """Return for each question the messages from the root to it, all by one recursive query."""
    start = (
        select(
            MessageRow.id.label("leaf"),
            MessageRow.id,
            MessageRow.parent_id,
            literal(0).label("depth"),
        )
        .where(MessageRow.id.in_(question_ids))
        .cte("paths", recursive=True)
    )
    parent = aliased(MessageRow)
    step = (
        select(start.c.leaf, parent.id, parent.parent_id, start.c.depth + 1)
        .join(start, parent.id == start.c.parent_id)
        .where(start.c.depth < _MAX_DEPTH)
    )
    paths = start.union_all(step)
    query = (
        select(paths.c.leaf, MessageRow)
        .join(paths, MessageRow.id == paths.c.id)
        .order_by(paths.c.leaf, paths.c.depth.desc())
    )
    prompts: dict[str, tuple[Message, ...]] = defaultdict(tuple)
    for leaf, message in session.execute(query):
        prompts[leaf] += (to_message(message),)
    return prompts


def export_openings(database: Database) -> Iterator[tuple[str, Message]]:
    """Yield the first user messages of the conversations that have several of them.

    Each comes with the id of its conversation: somebody edited the first question.
    """
    with database.read() as session:
        ids = _find_forked(session)
    for start in range(0, len(ids), _CHUNK):
        with database.read() as session:
            yield from _read_openings(session, ids[start : start + _CHUNK])


def _find_forked(session: Session) -> list[str]:
    plain = (
        select(MessageRow.conversation_id)
        .where(MessageRow.parent_id.is_(None), MessageRow.role == "user")
        .group_by(MessageRow.conversation_id)
        .having(func.count() > 1)
    )
    root = aliased(MessageRow)
    told = (
        select(root.conversation_id)
        .join(MessageRow, MessageRow.parent_id == root.id)
        .where(root.parent_id.is_(None), root.role == "system", MessageRow.role == "user")
        .group_by(root.conversation_id)
        .having(func.count() > 1)
    )
    return sorted({*session.scalars(plain), *session.scalars(told)})


def _read_openings(session: Session, ids: list[str]) -> list[tuple[str, Message]]:
    root = aliased(MessageRow)
    query = (
        select(MessageRow)
        .outerjoin(root, root.id == MessageRow.parent_id)
        .where(
            MessageRow.conversation_id.in_(ids),
            MessageRow.role == "user",
            or_(
                MessageRow.parent_id.is_(None),
                (root.role == "system") & root.parent_id.is_(None),
            ),
        )
    )
    return [(row.conversation_id, to_message(row)) for row in session.scalars(query)]
