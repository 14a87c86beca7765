"""A chat as a file that its owner can take along."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Literal

from chat.types import Thread, ThreadMessage

Format = Literal["md", "json"]
SPEAKERS = {"user": "You", "assistant": "Answer", "system": "Instructions"}


def write_transcript(thread: Thread, form: Format) -> str:
    """Return the branch on display: as Markdown to read, or as JSON with all that is known."""
    return _write_json(thread) if form == "json" else "\n".join(_write_markdown(thread))


def file_name(thread: Thread, form: Format) -> str:
    """Return a name for the file, of letters and digits that every system takes."""
    title = "".join(c if c.isascii() and c.isalnum() else "-" for c in thread.conversation.title)
    slug = "-".join(part for part in title.lower().split("-") if part)[:50].rstrip("-")
    return f"{slug or 'chat'}.{form}"


def _write_markdown(thread: Thread) -> Iterator[str]:
    yield f"# {thread.conversation.title}\n"
    for message in thread.messages:
        stored = message.stored
        yield f"## {SPEAKERS[stored.message.role]}\n"
        yield f"{stored.message.content}\n"
        if stored.finish_reason == "cancelled":
            yield "*Stopped.*\n"


def _write_json(thread: Thread) -> str:
    conversation = thread.conversation
    record = {
        "id": conversation.id,
        "title": conversation.title,
        "created_at": conversation.created_at.isoformat(),
        "updated_at": conversation.updated_at.isoformat(),
        "training_consent": conversation.training_consent,
        "messages": [_to_record(message) for message in thread.messages],
    }
    return json.dumps(record, ensure_ascii=False, indent=2) + "\n"


def _to_record(message: ThreadMessage) -> dict[str, object]:
    stored = message.stored
    record: dict[str, object] = {
        "id": stored.id,
        "role": stored.message.role,
        "content": stored.message.content,
        "created_at": stored.created_at.isoformat(),
        "versions": list(message.versions),
    }
    if stored.finish_reason:
        record["finish_reason"] = stored.finish_reason
    if message.generation:
        # What the operator tells the model is theirs to show.
        generation = asdict(message.generation)
        del generation["system_prompt"]
        record["generation"] = generation
    if message.rating:
        rating = message.rating
        record["rating"] = {
            "value": rating.value,
            "tags": list(rating.tags),
            "comment": rating.comment,
        }
    return record
