"""Comparisons as the page shows them: with their answers, and what somebody thought of them."""

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from chat.errors import NotFound
from chat.types import WEAK_METHODS, Compared, ThreadMessage
from storage.conversations import find_conversation
from storage.feedback import make_comparison
from storage.models import (
    ComparisonAnswerRow,
    ComparisonRow,
    ConversationRow,
    GenerationRow,
    MessageRow,
    RankingRow,
)
from storage.rows import to_generation, to_ranking, to_stored_message

ORIGIN = "chat"


def list_compared(
    session: Session, owner_id: str, conversation_id: str, annotator_id: str
) -> list[Compared]:
    """Return the comparisons that can be ranked, the newest first, by three queries.

    One with fewer than two answers left is none any more.
    """
    find_conversation(session, owner_id, conversation_id)
    is_theirs = and_(
        RankingRow.comparison_id == ComparisonRow.id, RankingRow.annotator_id == annotator_id
    )
    query = (
        select(ComparisonRow, RankingRow)
        .outerjoin(RankingRow, is_theirs)
        .where(
            ComparisonRow.conversation_id == conversation_id,
            ComparisonRow.origin == ORIGIN,
            ComparisonRow.method.not_in(WEAK_METHODS),
        )
        .order_by(ComparisonRow.created_at.desc(), ComparisonRow.id.desc())
    )
    rows = session.execute(query).all()
    answers = _read_answers(session, [row.id for row, _ in rows]) if rows else {}
    return [
        Compared(
            make_comparison(row, tuple(answer.stored.id for answer in answers[row.id])),
            tuple(answers[row.id]),
            None if ranking is None else to_ranking(ranking),
        )
        for row, ranking in rows
        if len(answers[row.id]) > 1
    ]


def find_question(session: Session, owner_id: str, answer_id: str) -> tuple[str, str]:
    """Return the ids of an answer's conversation and of its question."""
    query = (
        select(MessageRow.conversation_id, MessageRow.parent_id)
        .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
        .where(
            MessageRow.id == answer_id,
            MessageRow.role == "assistant",
            MessageRow.parent_id.is_not(None),
            ConversationRow.owner_id == owner_id,
        )
    )
    row = session.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"There is no answer {answer_id[:64]!r} to a question; ask for a new one.")
    return str(row[0]), str(row[1])


def _read_answers(
    session: Session, comparison_ids: Iterable[str]
) -> defaultdict[str, list[ThreadMessage]]:
    """Return the answers of each comparison, in the order shown."""
    query = (
        select(ComparisonAnswerRow.comparison_id, MessageRow, GenerationRow)
        .join(MessageRow, MessageRow.id == ComparisonAnswerRow.answer_id)
        .outerjoin(GenerationRow, GenerationRow.message_id == MessageRow.id)
        .where(ComparisonAnswerRow.comparison_id.in_(list(comparison_ids)))
        .order_by(ComparisonAnswerRow.comparison_id, ComparisonAnswerRow.position)
    )
    answers: defaultdict[str, list[ThreadMessage]] = defaultdict(list)
    for comparison_id, message, generation in session.execute(query):
        made = None if generation is None else to_generation(generation)
        shown = ThreadMessage(to_stored_message(message), (message.id,), made)
        answers[comparison_id].append(shown)
    return answers
