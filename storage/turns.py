"""One turn into the store: a question, its answer, and how both came about."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from chat.errors import InvalidRequest
from chat.types import Message, StoredMessage, Turn, Verdict
from storage.clock import Clock
from storage.conversations import find_conversation, find_message
from storage.models import ConversationRow, GenerationRow, MessageRow, RefusalRow, VerdictRow
from storage.records import Consent
from storage.rows import from_generation, from_verdict
from storage.upsert import insert_if_missing
from storage.users import ensure_user, set_consent


def record_turn(
    session: Session,
    clock: Clock,
    owner_id: str,
    turn: Turn,
    title: str,
    history: Sequence[StoredMessage],
    consent: Consent | None,
) -> None:
    conversation = _open_conversation(session, owner_id, turn.conversation_id, title, clock.now())
    if session.get(MessageRow, turn.answer_id):
        _check_same_answer(session, turn)
        return
    chat = turn.conversation_id
    for step in history:
        _ensure_message(session, chat, step.id, step.parent_id, step.message, clock.now())
    _ensure_message(session, chat, turn.question_id, turn.parent_id, turn.question, clock.now())
    now = clock.now()
    _insert_message(
        session, chat, turn.answer_id, turn.question_id, turn.answer, now, turn.finish_reason
    )
    session.execute(insert(GenerationRow).values(**from_generation(turn)))
    _insert_verdicts(session, turn, now)
    if turn.refused:
        refusal = {"message_id": turn.answer_id, "content": turn.refused}
        session.execute(insert(RefusalRow).values(**refusal))
    if consent is not None:
        word = (consent.purpose, consent.granted, consent.version)
        set_consent(session, owner_id, *word, turn.conversation_id, now)
    conversation.current_leaf_id = turn.answer_id
    conversation.updated_at = now


def _open_conversation(
    session: Session, owner_id: str, conversation_id: str, title: str, now: datetime
) -> ConversationRow:
    ensure_user(session, owner_id, now)
    values = {"id": conversation_id, "owner_id": owner_id, "title": title}
    insert_if_missing(session, ConversationRow, values | {"created_at": now, "updated_at": now})
    # The lock makes the same turn, sent twice at once, one turn (PostgreSQL; SQLite has one
    # writer anyway).
    return find_conversation(session, owner_id, conversation_id, lock=True)


def _ensure_message(
    session: Session,
    conversation_id: str,
    message_id: str,
    parent_id: str | None,
    message: Message,
    at: datetime,
) -> None:
    """Insert a message unless it is there already, at this very place."""
    if parent_id is not None:
        find_message(session, conversation_id, parent_id)
    if not session.get(MessageRow, message_id):
        _insert_message(session, conversation_id, message_id, parent_id, message, at, None)
    found = find_message(session, conversation_id, message_id)
    if (found.parent_id, found.role) != (parent_id, message.role):
        raise InvalidRequest(
            f"The message {message_id[:64]!r} is there already, at another place; "
            "give each message an id of its own.",
            param="messages",
        )


def _insert_message(
    session: Session,
    conversation_id: str,
    message_id: str,
    parent_id: str | None,
    message: Message,
    at: datetime,
    finish_reason: str | None,
) -> None:
    values: dict[str, Any] = {
        "id": message_id,
        "conversation_id": conversation_id,
        "parent_id": parent_id,
        "role": message.role,
        "content": message.content,
        "finish_reason": finish_reason,
        "created_at": at,
    }
    session.execute(insert(MessageRow).values(**values))


def _insert_verdicts(session: Session, turn: Turn, at: datetime) -> None:
    judged = {
        "input": (turn.question_id, turn.question.content),
        "output": (turn.answer_id, turn.refused or turn.answer.content),
    }
    rows = []
    for position, verdict in enumerate(turn.verdicts):
        message_id, text = judged[verdict.stage]
        rows.append(from_verdict(_follow_line_ends(verdict, text), message_id, at, position))
    if rows:
        session.execute(insert(VerdictRow), rows)


def _follow_line_ends(verdict: Verdict, text: str) -> Verdict:
    """Move what was found in `text` to where it lies once a ``\\r\\n`` of a model is a ``\\n``."""
    if "\r\n" not in text:
        return verdict
    spans = (
        replace(
            span,
            start=span.start - text.count("\r\n", 0, span.start),
            end=span.end - text.count("\r\n", 0, span.end),
        )
        for span in verdict.spans
    )
    return replace(verdict, spans=tuple(spans))


def _check_same_answer(session: Session, turn: Turn) -> None:
    answer = find_message(session, turn.conversation_id, turn.answer_id)
    if answer.parent_id != turn.question_id:
        raise InvalidRequest(
            f"The message {turn.answer_id[:64]!r} answers another question; "
            "give each answer an id of its own.",
            param="answer_id",
        )
