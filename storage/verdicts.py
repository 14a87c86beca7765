"""Verdicts of all conversations, as reviewers look at them: listed, counted, gone through."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Row, Select, and_, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session

from chat.errors import InvalidRequest
from chat.review import (
    ACTED,
    SHADOW,
    ActionCount,
    Bucket,
    JudgedText,
    ListedVerdict,
    Review,
    Scored,
    VerdictFilter,
    VerdictPage,
)
from chat.text import clean_text
from chat.types import Action, Stage
from storage.connection import Database
from storage.models import MessageRow, RefusalRow, ReviewRow, VerdictRow
from storage.rows import to_review, to_verdict

MAX_LISTED = 200
MAX_SEARCH_LENGTH = 200
_CHUNK = 500
_REFUSED = "content_filter"
_ROLES: dict[Stage, str] = {"input": "user", "output": "assistant"}
# What a bucket is called, by the database that gives it its name: like 2026-11-20 or 2026-11-20 18.
_SQLITE_LENGTH: dict[Bucket, int] = {"day": 10, "hour": 13}
_POSTGRESQL_FORM: dict[Bucket, str] = {"day": "YYYY-MM-DD", "hour": "YYYY-MM-DD HH24"}


def list_verdicts(
    session: Session, wanted: VerdictFilter, *, cursor: str, limit: int
) -> VerdictPage:
    """Return a page by two queries, however many verdicts there are."""
    if not 1 <= limit <= MAX_LISTED:
        raise InvalidRequest(f"limit is {limit}; allowed is 1 to {MAX_LISTED}.", param="limit")
    query = (
        select(VerdictRow, MessageRow, RefusalRow.content)
        .join(MessageRow, MessageRow.id == VerdictRow.message_id)
        .outerjoin(RefusalRow, _is_refusal())
        .where(*_conditions(wanted))
        .order_by(VerdictRow.id.desc())
        .limit(limit + 1)
    )
    if cursor:
        query = query.where(VerdictRow.id < clean_text(cursor))
    rows = session.execute(query).all()
    shown = rows[:limit]
    words = _read_words(session, [row.id for row, _, _ in shown])
    listed = tuple(_to_listed(row, message, kept, words[row.id]) for row, message, kept in shown)
    return VerdictPage(listed, shown[-1][0].id if len(rows) > limit else "")


def _is_refusal() -> ColumnElement[bool]:
    return and_(RefusalRow.message_id == VerdictRow.message_id, VerdictRow.stage == "output")


def _conditions(wanted: VerdictFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.ids:
        yield VerdictRow.id.in_(wanted.ids)
    if wanted.since is not None:
        yield VerdictRow.created_at >= wanted.since
    if wanted.until is not None:
        yield VerdictRow.created_at < wanted.until
    for name in ("stage", "category", "moderator", "outcome", "policy_version"):
        if value := getattr(wanted, name):
            yield getattr(VerdictRow, name) == value
    if wanted.action == ACTED:
        yield VerdictRow.action != "allow"
    elif wanted.action:
        yield VerdictRow.action == wanted.action
    if wanted.is_reviewed is not None:
        is_reviewed = exists(select(ReviewRow.id).where(ReviewRow.verdict_id == VerdictRow.id))
        yield is_reviewed if wanted.is_reviewed else ~is_reviewed
    if wanted.search.strip():
        yield _contains(wanted.search.strip())


def _contains(search: str) -> ColumnElement[bool]:
    if len(search) > MAX_SEARCH_LENGTH:
        raise InvalidRequest(
            f"search has {len(search)} characters; allowed are {MAX_SEARCH_LENGTH}.",
            param="search",
        )
    judged = func.lower(func.coalesce(RefusalRow.content, MessageRow.content))
    return judged.contains(clean_text(search).lower(), autoescape=True)


def _read_words(session: Session, verdict_ids: list[str]) -> dict[str, list[Review]]:
    """Return all that was said of these verdicts, the newest first."""
    words: dict[str, list[Review]] = defaultdict(list)
    query = select(ReviewRow).where(ReviewRow.verdict_id.in_(verdict_ids))
    for row in session.scalars(query.order_by(ReviewRow.id.desc())):
        words[row.verdict_id].append(to_review(row))
    return words


def latest_words(words: Iterable[Review]) -> tuple[Review, ...]:
    """Return the first of each reviewer's words on each verdict: the newest, if given that way."""
    latest: dict[tuple[str, str], Review] = {}
    for word in words:
        latest.setdefault((word.verdict_id, word.reviewer_id), word)
    return tuple(latest.values())


def _to_listed(
    row: VerdictRow, message: MessageRow, kept: str | None, words: list[Review]
) -> ListedVerdict:
    return ListedVerdict(
        row.id,
        row.message_id,
        message.conversation_id,
        to_verdict(row),
        judged_text(row.stage, message, kept),
        row.created_at,
        latest_words(words),
        len(words),
    )


def judged_text(stage: str, message: MessageRow, kept: str | None) -> str | None:
    """Return what was judged; None for a refused answer that wasn't kept: see `RefusalRow`."""
    if kept is None and stage == "output" and message.finish_reason == _REFUSED:
        return None
    return message.content if kept is None else kept


def count_actions(
    session: Session, since: datetime, until: datetime, bucket: Bucket
) -> list[ActionCount]:
    name = _name_bucket(session, bucket)
    columns = (VerdictRow.moderator, VerdictRow.category, VerdictRow.action)
    query = (
        select(name, *columns, func.count())
        .where(VerdictRow.created_at >= since, VerdictRow.created_at < until)
        .group_by(name, *columns)
        .order_by(name, *columns)
    )
    return [
        ActionCount(_read_bucket(at), moderator, category, cast(Action, action), count)
        for at, moderator, category, action, count in session.execute(query)
    ]


def _name_bucket(session: Session, bucket: Bucket) -> ColumnElement[Any]:
    name: ColumnElement[Any]
    if session.get_bind().dialect.name == "sqlite":
        name = func.substr(VerdictRow.created_at, 1, _SQLITE_LENGTH[bucket])
    else:
        in_utc = func.timezone("UTC", VerdictRow.created_at)
        name = func.to_char(in_utc, _POSTGRESQL_FORM[bucket])
    return name.label("bucket")


def _read_bucket(name: str) -> datetime:
    return datetime.fromisoformat(name).replace(tzinfo=UTC)


def iterate_scores(database: Database, since: datetime) -> Iterator[Scored]:
    """Yield the verdicts since then, the newest first, each page in a transaction of its own."""
    columns = (
        VerdictRow.id,
        VerdictRow.message_id,
        VerdictRow.stage,
        VerdictRow.moderator,
        VerdictRow.scores,
        VerdictRow.action,
        VerdictRow.category,
        VerdictRow.reason,
    )
    query = select(*columns).where(VerdictRow.created_at >= since, VerdictRow.outcome == "judged")
    query = query.order_by(VerdictRow.id.desc()).limit(_CHUNK)
    last = ""
    while True:
        page_query = query.where(VerdictRow.id < last) if last else query
        with database.read() as session:
            page = session.execute(page_query).all()
        yield from map(_to_scored, page)
        if len(page) < _CHUNK:
            return
        last = page[-1].id


def _to_scored(row: Row[Any]) -> Scored:
    return Scored(
        row.id,
        row.message_id,
        row.stage,
        row.moderator,
        row.scores,
        row.action,
        row.category,
        row.reason == SHADOW,
    )


def iterate_texts(
    database: Database, since: datetime, stage: Stage, limit: int
) -> Iterator[JudgedText]:
    """Yield at most `limit` texts of a stage since then, the newest first, page by page."""
    key = tuple_(MessageRow.created_at, MessageRow.id)
    query = _select_texts(since, stage).order_by(MessageRow.created_at.desc(), MessageRow.id.desc())
    last: tuple[datetime, str] | None = None
    while limit > 0:
        page_query = query if last is None else query.where(key < tuple_(*last))
        with database.read() as session:
            page = session.execute(page_query.limit(min(limit, _CHUNK))).all()
        for message_id, content, kept, at in page:
            yield JudgedText(message_id, stage, content if kept is None else kept, at)
        if len(page) < min(limit, _CHUNK):
            return
        last = page[-1].created_at, page[-1].id
        limit -= len(page)


def count_texts(session: Session, since: datetime, stage: Stage) -> int:
    query = select(func.count()).select_from(_select_texts(since, stage).subquery())
    return session.scalar(query) or 0


def _select_texts(since: datetime, stage: Stage) -> Select[Any, Any, Any, Any]:
    query = (
        select(MessageRow.id, MessageRow.content, RefusalRow.content.label("kept"),
               MessageRow.created_at)
        .outerjoin(RefusalRow, RefusalRow.message_id == MessageRow.id)
        .where(MessageRow.created_at >= since, MessageRow.role == _ROLES[stage])
    )  # fmt: skip
    # Where an answer was refused and not kept, its message is a template of ours.
    is_real = or_(
        MessageRow.finish_reason.is_(None),
        MessageRow.finish_reason != _REFUSED,
        RefusalRow.message_id.is_not(None),
    )
    return query.where(is_real)


def list_values(session: Session) -> dict[str, list[str]]:
    """Return what there is to filter by: the moderators, categories and policy versions."""
    columns = (VerdictRow.moderator, VerdictRow.category, VerdictRow.policy_version)
    return {
        column.key: sorted(filter(None, session.scalars(select(column).distinct())))
        for column in columns
    }
