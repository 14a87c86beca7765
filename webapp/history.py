"""A conversation's past: what the model may read of it, and where a sent one continues."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from chat.types import Message, StoredMessage

TITLE_LENGTH = 60


def title_of(question: str) -> str:
    """Return a conversation's title: the beginning of its first question, on one line."""
    line = " ".join(question.split())
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1].rstrip() + "…"


def without_refused_turns(history: Sequence[StoredMessage]) -> tuple[Message, ...]:
    """Return what the model may read of a conversation.

    A refused question was never put to the model, so it isn't afterwards either.
    """
    refused = {m.parent_id for m in history if m.finish_reason == "content_filter"}
    return tuple(
        m.message
        for m in history
        if m.id not in refused and m.finish_reason != "content_filter" and m.message.content
    )


def without_turns(messages: Sequence[Message], refused: Sequence[bool]) -> tuple[Message, ...]:
    """Return `messages` without the turns (a question and what follows it) of refused ones."""
    kept: list[Message] = []
    turn: list[Message] = []
    is_refused = False
    for message, is_bad in zip(messages, refused, strict=True):
        if message.role == "user":
            kept += [] if is_refused else turn
            turn, is_refused = [], False
        turn.append(message)
        is_refused = is_refused or (is_bad and message.role != "system")
    return (*kept, *([] if is_refused else turn))


def conversation_id_of(owner_id: str, messages: Sequence[Message]) -> str:
    """Return the same id for the same opening of the same owner: clients of /v1 send no id."""
    first = next((m.content for m in messages if m.role == "user"), "")
    system = "".join(m.content for m in messages if m.role == "system")
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{owner_id}\0{system}\0{first}").hex


def match_path(
    known: Sequence[StoredMessage], sent: Sequence[Message]
) -> tuple[str | None, tuple[StoredMessage, ...]]:
    """Follow `sent` from the root of a stored tree as far as it goes.

    Returns the id of the message that a next one follows, and those of `sent` that the store
    doesn't have yet, chained to the last that it has.
    """
    children = {(m.parent_id, m.message): m.id for m in known}
    parent_id: str | None = None
    missing: list[StoredMessage] = []
    for message in sent:
        found = None if missing else children.get((parent_id, message))
        if found is None:
            found = uuid.uuid4().hex
            missing.append(StoredMessage(found, parent_id, message, datetime.now(UTC)))
        parent_id = found
    return parent_id, tuple(missing)
