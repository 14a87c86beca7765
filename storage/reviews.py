"""What reviewers think of verdicts, and what classifiers can learn of it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import get_args

from sqlalchemy import Select, func, insert, select
from sqlalchemy.orm import Session

from chat.errors import NotFound
from chat.review import INSTRUCTIONS, SHADOW, Review, TextRow
from chat.types import Stage
from storage.clock import follow, make_row_id
from storage.connection import Database
from storage.consents import has_consent
from storage.models import ConversationRow, MessageRow, RefusalRow, ReviewRow, VerdictRow
from storage.rows import to_review
from storage.users import ensure_user
from storage.verdicts import judged_text, latest_words

_PAGE = 100
_SOURCE = "reviews"
_STAGES: tuple[Stage, ...] = get_args(Stage)
_Word = tuple[Review, VerdictRow]


def record_review(session: Session, review: Review, now: datetime) -> None:
    """Add a word to what was said, as the newest even where the machine's clock lags."""
    verdict = select(VerdictRow.id).where(VerdictRow.id == review.verdict_id)
    if session.scalar(verdict) is None:
        raise NotFound(f"There is no verdict {review.verdict_id[:64]!r}; reload the list.")
    ensure_user(session, review.reviewer_id, now)
    newest = select(func.max(ReviewRow.created_at)).where(ReviewRow.verdict_id == review.verdict_id)
    at = follow(now, session.scalar(newest))
    values = {
        "id": make_row_id(at),
        "verdict_id": review.verdict_id,
        "reviewer_id": review.reviewer_id,
        "mark": review.mark,
        "categories": list(review.categories),
        "note": review.note,
        "created_at": at,
    }
    session.execute(insert(ReviewRow).values(**values))


def read_reviews(session: Session, verdict_id: str) -> list[Review]:
    query = select(ReviewRow).where(ReviewRow.verdict_id == verdict_id).order_by(ReviewRow.id)
    return [to_review(row) for row in session.scalars(query)]


def export_reviews(database: Database, purpose: str | None) -> Iterator[TextRow]:
    """Yield a row for each reviewed text, page by page.

    With a `purpose`, only texts of conversations that may be used for it: see `storage.consents`.
    """
    last = ""
    while True:
        with database.read() as session:
            messages = session.execute(_select_page(last, purpose)).all()
            words = _read_words(session, [message.id for message, _ in messages])
        for message, kept in messages:
            for stage in _STAGES:
                if row := _to_row(message, stage, kept, words[message.id, stage]):
                    yield row
        if len(messages) < _PAGE:
            return
        last = messages[-1][0].id


def _select_page(last: str, purpose: str | None) -> Select[MessageRow, str | None]:
    is_reviewed = (
        select(ReviewRow.id)
        .join(VerdictRow, VerdictRow.id == ReviewRow.verdict_id)
        .where(VerdictRow.message_id == MessageRow.id)
    )
    query = (
        select(MessageRow, RefusalRow.content)
        .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
        .outerjoin(RefusalRow, RefusalRow.message_id == MessageRow.id)
        .where(is_reviewed.exists())
        .order_by(MessageRow.id)
        .limit(_PAGE)
    )
    if last:
        query = query.where(MessageRow.id > last)
    return query if purpose is None else query.where(has_consent(purpose))


def _read_words(session: Session, message_ids: Sequence[str]) -> dict[tuple[str, str], list[_Word]]:
    """Return by message and stage what was said, each reviewer's newest word alone."""
    query = (
        select(ReviewRow, VerdictRow)
        .join(VerdictRow, VerdictRow.id == ReviewRow.verdict_id)
        .where(VerdictRow.message_id.in_(message_ids))
        .order_by(ReviewRow.id.desc())
    )
    rows = session.execute(query).all()
    verdicts = {verdict.id: verdict for _, verdict in rows}
    words: dict[tuple[str, str], list[_Word]] = defaultdict(list)
    for word in latest_words(to_review(review) for review, _ in rows):
        verdict = verdicts[word.verdict_id]
        words[verdict.message_id, verdict.stage].append((word, verdict))
    return words


def _to_row(
    message: MessageRow, stage: Stage, kept: str | None, words: Sequence[_Word]
) -> TextRow | None:
    text = judged_text(stage, message, kept if stage == "output" else None)
    labels, is_disputed = _label(words)
    if not text or not labels:
        return None
    marks = sorted({word.mark for word, _ in words})
    tags = (stage, *marks, *(["disputed"] if is_disputed else []))
    family = f"{_SOURCE}/{message.conversation_id}"
    return TextRow(text, labels, _SOURCE, family, tags=tags, stage=stage)


def _label(words: Sequence[_Word]) -> tuple[dict[str, int], bool]:
    """Return the labels, without those that reviewers don't agree on, and if there are such.

    `words` come newest first: of one reviewer's words on several verdicts on a text, the newest
    counts.
    """
    said: dict[str, dict[str, int]] = defaultdict(dict)
    for word, verdict in words:
        if verdict.reason == INSTRUCTIONS:  # it isn't about this text
            continue
        for category in word.categories:
            said[category].setdefault(word.reviewer_id, _label_of(word, verdict, category))
    agreed = {name: set(labels.values()) for name, labels in sorted(said.items())}
    labels = {name: values.pop() for name, values in agreed.items() if len(values) == 1}
    return labels, len(labels) < len(said)


def _label_of(word: Review, verdict: VerdictRow, category: str) -> int:
    if word.mark != "correct":
        return int(word.mark == "missed")
    if verdict.reason == SHADOW:  # it was never done, but rightly found or not
        return int(verdict.scores.get(category, 0.0) >= 0.5)
    return int(verdict.action != "allow")
