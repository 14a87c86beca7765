"""Thumbs and corrections on their way out, a page at a time with a fixed number of queries."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, select, tuple_
from sqlalchemy.orm import Session

from storage.connection import Database
from storage.consents import has_consent
from storage.models import ConversationRow, CorrectionRow, GenerationRow, MessageRow, RatingRow
from storage.prompts import in_code_order, read_prompts
from storage.records import MarkedAnswer
from storage.rows import to_message

_PAGE = 500
_Key = tuple[ColumnElement[Any], ...]
_Page = Select[Any, MessageRow, str, bool]


def export_ratings(database: Database, purpose: str) -> Iterator[MarkedAnswer]:
    """Yield every thumb, in the order of conversations and questions."""
    return _iterate(database, purpose, _select_ratings)


def export_corrections(database: Database, purpose: str) -> Iterator[MarkedAnswer]:
    """Yield every corrected answer, in the order of conversations and questions."""
    return _iterate(database, purpose, _select_corrections)


def _select_ratings(session: Session, purpose: str) -> tuple[_Page, _Key]:
    query = select(RatingRow, MessageRow, ConversationRow.owner_id, has_consent(purpose))
    query = query.join(MessageRow, MessageRow.id == RatingRow.answer_id)
    return query, (*_place(session), RatingRow.answer_id.expression, _person(RatingRow))


def _person(table: type[RatingRow]) -> ColumnElement[str]:
    return table.annotator_id.expression


def _select_corrections(session: Session, purpose: str) -> tuple[_Page, _Key]:
    query = select(CorrectionRow, MessageRow, ConversationRow.owner_id, has_consent(purpose))
    query = query.join(MessageRow, MessageRow.id == CorrectionRow.message_id)
    return query, (*_place(session), CorrectionRow.message_id.expression)


def _place(session: Session) -> _Key:
    conversation = in_code_order(session, MessageRow.conversation_id)
    return conversation, in_code_order(session, MessageRow.parent_id)


def _iterate(
    database: Database,
    purpose: str,
    select_page: Callable[[Session, str], tuple[_Page, _Key]],
) -> Iterator[MarkedAnswer]:
    last: tuple[str, ...] = ()
    while True:
        with database.read() as session:
            query, key = select_page(session, purpose)
            query = query.join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
            query = query.where(MessageRow.parent_id.is_not(None)).order_by(*key).limit(_PAGE)
            if last:
                query = query.where(tuple_(*key) > tuple_(*last))
            rows = [tuple(row) for row in session.execute(query)]
            page = list(_join(session, rows))
        if not rows:
            return
        yield from page
        last = _end_of(page[-1])


def _end_of(marked: MarkedAnswer) -> tuple[str, ...]:
    place = (marked.conversation_id, marked.question_id, marked.answer_id)
    return place if marked.is_correction else (*place, marked.annotator_id)


def _join(session: Session, rows: Sequence[tuple[Any, ...]]) -> Iterator[MarkedAnswer]:
    prompts = read_prompts(session, {message.parent_id for _, message, *_ in rows})
    generations = read_written(session, [message.id for _, message, *_ in rows])
    for word, message, owner_id, consent in rows:
        known = generations.get(message.id)
        is_correction = isinstance(word, CorrectionRow)
        yield MarkedAnswer(
            message.conversation_id,
            message.parent_id,
            prompts[message.parent_id],
            message.id,
            to_message(message),
            known.model if known else "",
            known.config if known else {},
            message.finish_reason or "",
            word.author_id if is_correction else word.annotator_id,
            is_correction or word.value > 0,
            is_correction,
            () if is_correction else tuple(word.tags),
            owner_id,
            bool(consent),
            word.created_at if is_correction else word.updated_at,
        )


def read_written(session: Session, answer_ids: Iterable[str]) -> dict[str, GenerationRow]:
    """Return how these answers came about; those that people wrote are left out."""
    query = select(GenerationRow).where(GenerationRow.message_id.in_(list(answer_ids)))
    return {row.message_id: row for row in session.scalars(query)}
