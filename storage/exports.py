"""Rankings on their way out to training."""

from collections.abc import Iterator

from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import Session

from storage.connection import Database
from storage.consents import has_consent
from storage.feedback import to_comparison
from storage.models import (
    ComparisonRow,
    ConversationRow,
    GenerationRow,
    MessageRow,
    RankingRow,
)
from storage.records import RankedComparison
from storage.rows import to_message, to_ranking
from storage.tree import read_path

_Key = tuple[str, str]
_PAGE = 100


def export_rankings(database: Database, purpose: str | None) -> Iterator[RankedComparison]:
    """Yield every ranking with its prompt and answers, page by page.

    With a `purpose`, only what happened in conversations that may be used for it: see
    `storage.consents`.
    """
    last: _Key = ("", "")
    while True:
        with database.read() as session:
            rows = session.execute(_select_page(last, purpose)).all()
            page = [_join(session, ranking, comparison) for ranking, comparison in rows]
        if not rows:
            return
        yield from page
        last = (rows[-1][0].comparison_id, rows[-1][0].annotator_id)


def _select_page(last: _Key, purpose: str | None) -> Select[RankingRow, ComparisonRow]:
    key = tuple_(RankingRow.comparison_id, RankingRow.annotator_id)
    query = (
        select(RankingRow, ComparisonRow)
        .join(ComparisonRow, ComparisonRow.id == RankingRow.comparison_id)
        .join(ConversationRow, ConversationRow.id == ComparisonRow.conversation_id)
        .order_by(RankingRow.comparison_id, RankingRow.annotator_id)
        .limit(_PAGE)
    )
    if last != ("", ""):
        query = query.where(key > tuple_(*last))
    return query if purpose is None else query.where(has_consent(purpose))


def _join(session: Session, ranking: RankingRow, row: ComparisonRow) -> RankedComparison:
    comparison = to_comparison(session, row)
    path = read_path(session, comparison.conversation_id, comparison.question_id)
    answers = select(MessageRow).where(MessageRow.id.in_(comparison.answer_ids))
    models = select(GenerationRow).where(GenerationRow.message_id.in_(comparison.answer_ids))
    known = {found.message_id: found.model for found in session.scalars(models)}
    return RankedComparison(
        comparison,
        to_ranking(ranking),
        tuple(step.message for step in path),
        {answer.id: to_message(answer) for answer in session.scalars(answers)},
        {answer_id: known.get(answer_id, "") for answer_id in comparison.answer_ids},
        ranking.strength,
        ranking.updated_at,
    )
