"""Whole chats on their way out, as records for JSON; they name no user."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from chat.types import StoredMessage, Verdict
from storage.connection import Database
from storage.consents import has_consent
from storage.conversations import read_generations, read_verdicts
from storage.feedback import read_ratings
from storage.models import ConversationRow
from storage.tree import read_messages


def export_chats(database: Database, purpose: str | None) -> Iterator[dict[str, Any]]:
    """Yield conversation by conversation, each read in a transaction of its own.

    With a `purpose`, only those that may be used for it by then: see `storage.consents`.
    """
    last: str | None = None
    while True:
        with database.read() as session:
            row = _find_next(session, last, purpose)
            chat = None if row is None else _to_chat(session, row)
        if row is None or chat is None:
            return
        yield chat
        last = row.id


def _find_next(session: Session, last: str | None, purpose: str | None) -> ConversationRow | None:
    query = select(ConversationRow).order_by(ConversationRow.id).limit(1)
    if last is not None:
        query = query.where(ConversationRow.id > last)
    return session.scalar(query if purpose is None else query.where(has_consent(purpose)))


def _to_chat(session: Session, row: ConversationRow) -> dict[str, Any]:
    verdicts = read_verdicts(session, row.owner_id, row.id)
    generations = read_generations(session, row.owner_id, row.id)
    ratings = _group_ratings(session, row)
    messages = [
        _to_message(step)
        | {
            "generation": asdict(generations[step.id]) if step.id in generations else None,
            "verdicts": [_to_verdict(verdict, step) for verdict in verdicts.get(step.id, ())],
            "ratings": ratings[step.id],
        }
        for step in read_messages(session, row.id)
    ]
    return {
        "id": row.id,
        "title": row.title,
        "created_at": row.created_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
        "current_leaf_id": row.current_leaf_id,
        "messages": messages,
    }


def _to_message(step: StoredMessage) -> dict[str, Any]:
    return {
        "id": step.id,
        "parent_id": step.parent_id,
        "role": step.message.role,
        "content": step.message.content,
        "created_at": step.created_at.isoformat(),
        "finish_reason": step.finish_reason,
    }


def _to_verdict(verdict: Verdict, step: StoredMessage) -> dict[str, Any]:
    record = asdict(verdict)
    del record["settled"]  # it only matters while a text is being judged
    if verdict.stage == "output" and step.finish_reason == "content_filter":
        record["spans"] = []  # they lie in what was refused, and the message is a template
    return record


def _group_ratings(session: Session, row: ConversationRow) -> dict[str, list[dict[str, Any]]]:
    ratings: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for rating in read_ratings(session, row.owner_id, row.id):
        ratings[rating.answer_id].append(
            {
                "value": rating.value,
                "tags": list(rating.tags),
                "comment": rating.comment,
                "is_owner": rating.annotator_id == row.owner_id,
            }
        )
    return ratings
