"""Rankings on their way out to training, a page at a time with a fixed number of queries."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Select, literal, select, tuple_
from sqlalchemy.orm import Session, aliased

from chat.types import Message
from storage.connection import Database
from storage.consents import has_consent
from storage.feedback import make_comparison
from storage.models import (
    ComparisonAnswerRow,
    ComparisonRow,
    ConversationRow,
    GenerationRow,
    MessageRow,
    RankingRow,
)
from storage.records import RankedComparison
from storage.rows import to_message, to_ranking

# Those on one question come together: what several people think of it meets.
_KEY = (
    ComparisonRow.conversation_id,
    ComparisonRow.question_id,
    RankingRow.comparison_id,
    RankingRow.annotator_id,
)
_PAGE = 500
# Longer branches than this don't come from chatting; it ends the walk in a damaged tree.
_MAX_DEPTH = 10_000


def export_rankings(database: Database, purpose: str | None) -> Iterator[RankedComparison]:
    """Yield every ranking with its prompt and answers, those on one question together.

    With a `purpose`, only what happened in conversations that may be used for it: see
    `storage.consents`.
    """
    last: tuple[str, ...] = ()
    while True:
        with database.read() as session:
            rows = session.execute(_select_page(last, purpose)).all()
            page = list(_join(session, [tuple(row) for row in rows]))
        if not rows:
            return
        yield from page
        ranking, comparison = rows[-1][:2]
        last = (
            comparison.conversation_id,
            comparison.question_id,
            comparison.id,
            ranking.annotator_id,
        )


def _select_page(
    last: tuple[str, ...], purpose: str | None
) -> Select[RankingRow, ComparisonRow, str, bool]:
    consent = has_consent(purpose or "training")
    query = (
        select(RankingRow, ComparisonRow, ConversationRow.owner_id, consent)
        .join(ComparisonRow, ComparisonRow.id == RankingRow.comparison_id)
        .join(ConversationRow, ConversationRow.id == ComparisonRow.conversation_id)
        .order_by(*_KEY)
        .limit(_PAGE)
    )
    if last:
        query = query.where(tuple_(*_KEY) > tuple_(*last))
    return query if purpose is None else query.where(consent)


def _join(session: Session, rows: list[tuple[Any, ...]]) -> Iterator[RankedComparison]:
    comparisons: dict[str, ComparisonRow] = {row[1].id: row[1] for row in rows}
    shown = _read_shown(session, comparisons)
    ids = {answer_id for each in shown.values() for answer_id in each}
    answers = {
        row.id: row for row in session.scalars(select(MessageRow).where(MessageRow.id.in_(ids)))
    }
    written = select(GenerationRow).where(GenerationRow.message_id.in_(ids))
    generations = {row.message_id: row for row in session.scalars(written)}
    prompts = _read_prompts(session, {row.question_id for row in comparisons.values()})
    for ranking, row, owner_id, consent in rows:
        comparison = make_comparison(row, shown[row.id])
        there = [answers[answer_id] for answer_id in comparison.answer_ids]
        known = [generations.get(answer.id) for answer in there]
        yield RankedComparison(
            comparison,
            to_ranking(ranking),
            prompts[row.question_id],
            {answer.id: to_message(answer) for answer in there},
            {a.id: g.model if g else "" for a, g in zip(there, known, strict=True)},
            {a.id: g.config if g else {} for a, g in zip(there, known, strict=True)},
            {answer.id: answer.finish_reason or "" for answer in there},
            owner_id,
            bool(consent),
            ranking.updated_at,
        )


def _read_shown(session: Session, ids: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    query = (
        select(ComparisonAnswerRow.comparison_id, ComparisonAnswerRow.answer_id)
        .where(ComparisonAnswerRow.comparison_id.in_(ids))
        .order_by(ComparisonAnswerRow.comparison_id, ComparisonAnswerRow.position)
    )
    shown: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for comparison_id, answer_id in session.execute(query):
        shown[comparison_id] += (answer_id,)
    return shown


def _read_prompts(
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
