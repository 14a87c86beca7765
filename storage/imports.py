"""Rankings that come from elsewhere, with the conversations that they are about."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from chat.errors import InvalidRequest
from chat.text import clean_text
from chat.types import Message
from storage.clock import follow, make_row_id
from storage.columns import MAX_ID_LENGTH
from storage.feedback import find_comparison
from storage.models import (
    Base,
    ComparisonAnswerRow,
    ComparisonRow,
    ConsentRow,
    ConversationRow,
    GenerationRow,
    MessageRow,
    RankingRow,
)
from storage.records import RankedComparison
from storage.rows import from_comparison
from storage.upsert import insert_if_missing, insert_or_update
from storage.users import ensure_user

VERSION = "import"
_TITLE_LENGTH = 60
_WORDS = ("groups", "acceptable", "comment", "strength", "elapsed_s", "is_none_acceptable")


@dataclass(frozen=True, slots=True)
class _Step:
    """A message at its place, as it is to be stored."""

    id: str
    parent_id: str | None
    message: Message
    finish_reason: str | None = None


def import_ranking(session: Session, ranked: RankedComparison, purpose: str, now: datetime) -> bool:
    """Store a ranking under the ids that it has; say whether it is new here, or newer.

    What was asked and answered must be here as it is there, or not at all. A comparison that
    somebody made here is left alone. Nothing is written of what is refused.

    Raises:
        InvalidRequest: an id is taken by something else, or can't be one.
    """
    _check_ids(ranked)
    conversation = session.get(ConversationRow, ranked.comparison.conversation_id)
    if conversation and conversation.owner_id != ranked.owner_id:
        if session.get(ComparisonRow, ranked.comparison.id):
            return False  # it was exported here
        raise _taken("conversation", conversation.id)
    steps = list(_steps_of(ranked))
    found = _find_messages(session, [step.id for step in steps])
    missing = [step for step in steps if not _is_there(found.get(step.id), step, ranked)]
    known = _find_same(session, ranked)
    if known and _is_known(session, ranked):
        _withhold(session, ranked, purpose, now)
        return False
    _insert(session, ranked, missing, is_compared=known, now=now)
    _withhold(session, ranked, purpose, now)
    return True


def _check_ids(ranked: RankedComparison) -> None:
    comparison = ranked.comparison
    ids = (
        comparison.id,
        comparison.conversation_id,
        comparison.question_id,
        *comparison.answer_ids,
        ranked.owner_id,
        ranked.ranking.annotator_id,
    )
    for each in ids:
        if not 0 < len(each) <= MAX_ID_LENGTH or clean_text(each) != each:
            raise InvalidRequest(
                f"The id {each[:64]!r} can't be stored; allowed are 1 to {MAX_ID_LENGTH} "
                "characters that UTF-8 knows."
            )
    if not ranked.prompt:
        raise InvalidRequest("The prompt is empty; there must be a question.", param="prompt")


def _steps_of(ranked: RankedComparison) -> Iterator[_Step]:
    comparison = ranked.comparison
    parent_id: str | None = None
    # What came before the question has no ids of its own: the same words give the same ones.
    path = blake2b(comparison.conversation_id.encode(), digest_size=16)
    for message in ranked.prompt[:-1]:
        said = f"{message.role}:{clean_text(message.content)}"
        path.update(f"{len(said)}:{said}".encode())
        yield _Step(f"prompt-{path.hexdigest()}", parent_id, message)
        parent_id = f"prompt-{path.hexdigest()}"
    yield _Step(comparison.question_id, parent_id, ranked.prompt[-1])
    for answer_id, answer in ranked.answers.items():
        reason = ranked.finish_reasons.get(answer_id) or None
        yield _Step(answer_id, comparison.question_id, answer, reason)


def _find_messages(session: Session, ids: list[str]) -> dict[str, MessageRow]:
    rows = session.scalars(select(MessageRow).where(MessageRow.id.in_(ids)))
    return {row.id: row for row in rows}


def _is_there(found: MessageRow | None, step: _Step, ranked: RankedComparison) -> bool:
    if found is None:
        return False
    place = (found.conversation_id, found.parent_id, found.role, found.content)
    conversation_id = ranked.comparison.conversation_id
    message = step.message
    if place != (conversation_id, step.parent_id, message.role, clean_text(message.content)):
        raise _taken("message", step.id)
    return True


def _find_same(session: Session, ranked: RankedComparison) -> bool:
    comparison = ranked.comparison
    if session.get(ComparisonRow, comparison.id) is None:
        return False
    found = find_comparison(session, ranked.owner_id, comparison.id)
    there = tuple(each for each in comparison.answer_ids if each in ranked.answers)
    if (found.question_id, found.answer_ids) != (comparison.question_id, there):
        raise _taken("comparison", comparison.id)
    return True


def _is_known(session: Session, ranked: RankedComparison) -> bool:
    key = (ranked.comparison.id, ranked.ranking.annotator_id)
    found = session.get(RankingRow, key)
    if found is None:
        return False
    said = _ranking_of(ranked)
    is_same = all(getattr(found, name) == said[name] for name in _WORDS)
    return is_same or found.updated_at >= ranked.ranked_at


def _taken(noun: str, name: str) -> InvalidRequest:
    return InvalidRequest(
        f"There is another {noun} with the id {name[:64]!r} here; give each an id of its own.",
        param="id",
    )


def _insert(
    session: Session,
    ranked: RankedComparison,
    missing: list[_Step],
    *,
    is_compared: bool,
    now: datetime,
) -> None:
    comparison = ranked.comparison
    for user_id in (ranked.owner_id, ranked.ranking.annotator_id):
        ensure_user(session, user_id, now)
    answers = [each for each in comparison.answer_ids if each in ranked.answers]
    conversation = {
        "id": comparison.conversation_id,
        "owner_id": ranked.owner_id,
        "title": " ".join(ranked.prompt[-1].content.split())[:_TITLE_LENGTH],
        "current_leaf_id": answers[0] if answers else comparison.question_id,
        "created_at": ranked.ranked_at,
        "updated_at": ranked.ranked_at,
    }
    insert_if_missing(session, ConversationRow, conversation)
    _insert_all(session, MessageRow, [_message_of(step, ranked) for step in missing])
    written = [
        _generation_of(step.id, ranked)
        for step in missing
        if ranked.models.get(step.id) or ranked.configs.get(step.id)
    ]
    _insert_all(session, GenerationRow, written)
    if not is_compared:
        _insert_comparison(session, ranked, answers)
    insert_or_update(session, RankingRow, _ranking_of(ranked))


def _insert_all(session: Session, table: type[Base], rows: list[dict[str, Any]]) -> None:
    """Insert rows by one statement, past the mapper, which takes longer than the database."""
    if rows:
        session.execute(insert(Base.metadata.tables[table.__tablename__]), rows)


def _message_of(step: _Step, ranked: RankedComparison) -> dict[str, Any]:
    return {
        "id": step.id,
        "conversation_id": ranked.comparison.conversation_id,
        "parent_id": step.parent_id,
        "role": step.message.role,
        "content": step.message.content,
        "finish_reason": step.finish_reason,
        "created_at": ranked.ranked_at,
    }


def _generation_of(answer_id: str, ranked: RankedComparison) -> dict[str, Any]:
    unknown = ("prompt_tokens", "completion_tokens", "queued_ms", "first_token_ms", "total_ms")
    return {
        "message_id": answer_id,
        "model": ranked.models.get(answer_id, ""),
        "config": dict(ranked.configs.get(answer_id, {})),
        "num_dropped": 0,
        **dict.fromkeys(unknown, 0),
    }


def _insert_comparison(session: Session, ranked: RankedComparison, answers: list[str]) -> None:
    comparison = ranked.comparison
    _insert_all(session, ComparisonRow, [from_comparison(comparison, ranked.ranked_at)])
    shown = [
        {"comparison_id": comparison.id, "position": position, "answer_id": answer_id}
        for position, answer_id in enumerate(answers)
    ]
    _insert_all(session, ComparisonAnswerRow, shown)


def _ranking_of(ranked: RankedComparison) -> dict[str, Any]:
    ranking = ranked.ranking
    return {
        "comparison_id": ranking.comparison_id,
        "annotator_id": ranking.annotator_id,
        "groups": [list(group) for group in ranking.groups],
        "acceptable": sorted(ranking.acceptable),
        "comment": ranking.comment,
        "strength": ranking.strength,
        "elapsed_s": ranking.elapsed_s,
        "is_none_acceptable": ranking.is_none_acceptable,
        "created_at": ranked.ranked_at,
        "updated_at": ranked.ranked_at,
    }


def _withhold(session: Session, ranked: RankedComparison, purpose: str, now: datetime) -> None:
    """Keep the consent that came along: all that is said of a conversation has to carry it."""
    chat = ranked.comparison.conversation_id
    query = select(ConsentRow.granted, ConsentRow.created_at).where(
        ConsentRow.conversation_id == chat, ConsentRow.purpose == purpose
    )
    words = session.execute(query).all()
    if words and (ranked.has_consent or not all(granted for granted, _ in words)):
        return
    at = follow(now, max((at for _, at in words), default=None))
    values = {
        "id": make_row_id(at),
        "user_id": ranked.owner_id,
        "conversation_id": chat,
        "purpose": purpose,
        "granted": ranked.has_consent,
        "version": VERSION,
        "created_at": at,
    }
    _insert_all(session, ConsentRow, [values])
