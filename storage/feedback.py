"""What people think of the answers: comparisons, rankings and ratings."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from chat.errors import InvalidRequest, NotFound
from chat.types import Comparison, Correction, Ranking, Rating
from storage.conversations import find_conversation, find_message
from storage.models import (
    ComparisonAnswerRow,
    ComparisonRow,
    ConversationRow,
    CorrectionRow,
    MessageRow,
    RankingRow,
    RatingRow,
)
from storage.rows import from_comparison, to_rating
from storage.upsert import insert_if_missing, insert_or_update
from storage.users import ensure_user


def record_comparison(
    session: Session, owner_id: str, comparison: Comparison, now: datetime
) -> None:
    find_conversation(session, owner_id, comparison.conversation_id)
    _check_distinct(comparison.answer_ids)
    for answer_id in comparison.answer_ids:
        answer = find_message(session, comparison.conversation_id, answer_id)
        if answer.role != "assistant" or answer.parent_id != comparison.question_id:
            raise InvalidRequest(
                f"The message {answer_id[:64]!r} doesn't answer the question; "
                "compare answers to one question.",
                param="answer_ids",
            )
    insert_if_missing(session, ComparisonRow, from_comparison(comparison, now))
    _insert_answers(session, comparison)


def _insert_answers(session: Session, comparison: Comparison) -> None:
    """What was shown is a fact: sent again it changes nothing, sent differently it is refused."""
    shown = _read_answer_ids(session, comparison.id)
    if not shown:
        session.execute(
            insert(ComparisonAnswerRow),
            [
                {"comparison_id": comparison.id, "position": position, "answer_id": answer_id}
                for position, answer_id in enumerate(comparison.answer_ids)
            ],
        )
    elif shown != comparison.answer_ids:
        raise InvalidRequest(
            f"The comparison {comparison.id[:64]!r} is there already, with other answers; "
            "give each comparison an id of its own.",
            param="id",
        )


def find_comparison(session: Session, owner_id: str, comparison_id: str) -> Comparison:
    """Return a comparison in a conversation of `owner_id`, or raise NotFound."""
    query = (
        select(ComparisonRow)
        .join(ConversationRow, ConversationRow.id == ComparisonRow.conversation_id)
        .where(ComparisonRow.id == comparison_id, ConversationRow.owner_id == owner_id)
    )
    row = session.scalar(query)
    if row is None:
        raise NotFound(f"There is no comparison {comparison_id[:64]!r}; ask for a new one.")
    return to_comparison(session, row)


def to_comparison(session: Session, row: ComparisonRow) -> Comparison:
    return make_comparison(row, _read_answer_ids(session, row.id))


def make_comparison(row: ComparisonRow, answer_ids: tuple[str, ...]) -> Comparison:
    return Comparison(
        row.id,
        row.conversation_id,
        row.question_id,
        answer_ids,
        row.method,
        row.probability,
        row.origin,
        row.draw or {},
    )


def _read_answer_ids(session: Session, comparison_id: str) -> tuple[str, ...]:
    query = select(ComparisonAnswerRow.answer_id).where(
        ComparisonAnswerRow.comparison_id == comparison_id
    )
    return tuple(session.scalars(query.order_by(ComparisonAnswerRow.position)))


def withdraw_ranking(
    session: Session, owner_id: str, comparison_id: str, annotator_id: str
) -> None:
    find_comparison(session, owner_id, comparison_id)
    session.execute(
        delete(RankingRow).where(
            RankingRow.comparison_id == comparison_id, RankingRow.annotator_id == annotator_id
        )
    )


def record_correction(
    session: Session, owner_id: str, correction: Correction, now: datetime
) -> None:
    """Put a corrected answer beside the one that it corrects, and on display."""
    _check_rateable(session, owner_id, correction.corrects_id)
    old = session.get_one(MessageRow, correction.corrects_id)
    conversation = find_conversation(session, owner_id, old.conversation_id, lock=True)
    ensure_user(session, correction.author_id, now)
    message = {
        "id": correction.answer_id,
        "conversation_id": old.conversation_id,
        "parent_id": old.parent_id,
        "role": "assistant",
        "content": correction.text,
        "finish_reason": None,
        "created_at": now,
    }
    session.execute(insert(MessageRow).values(**message))
    values = {
        "message_id": correction.answer_id,
        "corrects_id": correction.corrects_id,
        "author_id": correction.author_id,
        "created_at": now,
    }
    session.execute(insert(CorrectionRow).values(**values))
    conversation.current_leaf_id = correction.answer_id
    conversation.updated_at = now


def record_ranking(session: Session, owner_id: str, ranking: Ranking, now: datetime) -> None:
    shown = find_comparison(session, owner_id, ranking.comparison_id).answer_ids
    ranked = [answer_id for group in ranking.groups for answer_id in group]
    _check_distinct(ranked)
    _check_shown([*ranked, *ranking.acceptable], shown)
    strength = ranking.strength
    if strength is not None and not 0 <= strength <= 1:
        raise InvalidRequest(f"strength is {strength}; allowed is 0 to 1.", param="strength")
    ensure_user(session, ranking.annotator_id, now)
    values = {
        "comparison_id": ranking.comparison_id,
        "annotator_id": ranking.annotator_id,
        "groups": [list(group) for group in ranking.groups if group],
        "acceptable": sorted(ranking.acceptable),
        "comment": ranking.comment,
        "strength": strength,
        "elapsed_s": ranking.elapsed_s,
        "is_none_acceptable": ranking.is_none_acceptable,
        "created_at": now,
        "updated_at": now,
    }
    insert_or_update(session, RankingRow, values)


def record_rating(session: Session, owner_id: str, rating: Rating, now: datetime) -> None:
    _check_rateable(session, owner_id, rating.answer_id)
    if rating.value not in (-1, 1):
        raise InvalidRequest(f"value is {rating.value}; allowed are -1 and 1.", param="value")
    ensure_user(session, rating.annotator_id, now)
    values = {
        "answer_id": rating.answer_id,
        "annotator_id": rating.annotator_id,
        "value": rating.value,
        "tags": list(rating.tags),
        "comment": rating.comment,
        "created_at": now,
        "updated_at": now,
    }
    insert_or_update(session, RatingRow, values)


def withdraw_rating(session: Session, owner_id: str, answer_id: str, annotator_id: str) -> None:
    _check_rateable(session, owner_id, answer_id)
    session.execute(
        delete(RatingRow).where(
            RatingRow.answer_id == answer_id, RatingRow.annotator_id == annotator_id
        )
    )


def read_ratings(session: Session, owner_id: str, conversation_id: str) -> list[Rating]:
    find_conversation(session, owner_id, conversation_id)
    query = (
        select(RatingRow)
        .join(MessageRow, MessageRow.id == RatingRow.answer_id)
        .where(MessageRow.conversation_id == conversation_id)
        .order_by(RatingRow.created_at)
    )
    return [to_rating(row) for row in session.scalars(query)]


def _check_rateable(session: Session, owner_id: str, answer_id: str) -> None:
    query = (
        select(MessageRow.id)
        .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
        .where(
            MessageRow.id == answer_id,
            MessageRow.role == "assistant",
            ConversationRow.owner_id == owner_id,
        )
    )
    if session.scalar(query) is None:
        raise NotFound(f"There is no answer {answer_id[:64]!r}; read the conversation again.")


def _check_distinct(answer_ids: Iterable[str]) -> None:
    listed = list(answer_ids)
    if not listed or len(set(listed)) < len(listed):
        raise InvalidRequest(
            f"{len(listed)} answers are named, {len(set(listed))} of them different; "
            "name at least one, and each once.",
            param="answer_ids",
        )


def _check_shown(answer_ids: Iterable[str], shown: tuple[str, ...]) -> None:
    for answer_id in answer_ids:
        if answer_id not in shown:
            raise InvalidRequest(
                f"The answer {answer_id[:64]!r} was not shown in this comparison; "
                "rank what was shown.",
                param="groups",
            )
