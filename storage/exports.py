"""What people think of answers on its way out, a page at a time with a fixed number of queries."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from heapq import merge
from typing import Any

from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import Session

from storage.connection import Database
from storage.consents import has_consent
from storage.feedback import make_comparison
from storage.marks import export_corrections, export_ratings, read_written
from storage.models import (
    ComparisonAnswerRow,
    ComparisonRow,
    ConversationRow,
    MessageRow,
    RankingRow,
)
from storage.prompts import in_code_order, read_prompts
from storage.records import MarkedAnswer, RankedComparison
from storage.rows import to_message, to_ranking

_PAGE = 500


def export_opinions(database: Database, purpose: str) -> Iterator[RankedComparison | MarkedAnswer]:
    """Yield rankings, thumbs and corrections in one stream, those on one question together.

    All of them: each says whether it may be used for `purpose` (see `storage.consents`).
    """
    return merge(
        export_rankings(database, purpose, is_filtered=False),
        export_corrections(database, purpose),
        export_ratings(database, purpose),
        key=_question_of,
    )


def _question_of(opinion: RankedComparison | MarkedAnswer) -> tuple[str, str]:
    source = opinion.comparison if isinstance(opinion, RankedComparison) else opinion
    return source.conversation_id, source.question_id


def export_rankings(
    database: Database, purpose: str | None, *, is_filtered: bool = True
) -> Iterator[RankedComparison]:
    """Yield every ranking with its prompt and answers, those on one question together.

    With a `purpose`, only what happened in conversations that may be used for it, unless not
    `is_filtered`: see `storage.consents`.
    """
    last: tuple[str, ...] = ()
    while True:
        with database.read() as session:
            query = _select_page(session, last, purpose, is_filtered=is_filtered)
            rows = session.execute(query).all()
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
    session: Session, last: tuple[str, ...], purpose: str | None, *, is_filtered: bool
) -> Select[RankingRow, ComparisonRow, str, bool]:
    consent = has_consent(purpose or "training")
    # Those on one question come together: what several people think of it meets.
    key = (
        in_code_order(session, ComparisonRow.conversation_id),
        in_code_order(session, ComparisonRow.question_id),
        RankingRow.comparison_id.expression,
        RankingRow.annotator_id.expression,
    )
    query = (
        select(RankingRow, ComparisonRow, ConversationRow.owner_id, consent)
        .join(ComparisonRow, ComparisonRow.id == RankingRow.comparison_id)
        .join(ConversationRow, ConversationRow.id == ComparisonRow.conversation_id)
        .order_by(*key)
        .limit(_PAGE)
    )
    if last:
        query = query.where(tuple_(*key) > tuple_(*last))
    return query if purpose is None or not is_filtered else query.where(consent)


def _join(session: Session, rows: list[tuple[Any, ...]]) -> Iterator[RankedComparison]:
    comparisons: dict[str, ComparisonRow] = {row[1].id: row[1] for row in rows}
    shown = _read_shown(session, comparisons)
    ids = {answer_id for each in shown.values() for answer_id in each}
    answers = {
        row.id: row for row in session.scalars(select(MessageRow).where(MessageRow.id.in_(ids)))
    }
    generations = read_written(session, ids)
    prompts = read_prompts(session, {row.question_id for row in comparisons.values()})
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
