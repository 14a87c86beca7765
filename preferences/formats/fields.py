"""Fields of a row that somebody else wrote: each as what it has to be, or a clear refusal."""

import math
import reprlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from chat.errors import InvalidRequest
from chat.types import Message


def text_of(row: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """Return a text; `default` stands for one that is missing or null."""
    value = _take(row, name, default)
    if not isinstance(value, str):
        raise _refusal(name, value, "a text")
    return value


def texts_of(row: Mapping[str, Any], name: str, *, is_needed: bool = False) -> tuple[str, ...]:
    """Return a list of texts; a missing one is empty unless it `is_needed`."""
    values = _take(row, name, None if is_needed else [])
    if not _is_list(values) or not all(isinstance(value, str) for value in values):
        raise _refusal(name, values, "a list of texts")
    return tuple(values)


def flag_of(row: Mapping[str, Any], name: str, default: bool | None = None) -> bool:
    """Return true or false."""
    value = _take(row, name, default)
    if not isinstance(value, bool):
        raise _refusal(name, value, "true or false")
    return value


def number_of(row: Mapping[str, Any], name: str, default: float | None = None) -> float:
    """Return a finite number."""
    value = _take(row, name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        raise _refusal(name, value, "a number")
    return value


def optional_number_of(row: Mapping[str, Any], name: str) -> float | None:
    """Return a finite number, or None where there is none."""
    return None if row.get(name) is None else number_of(row, name)


def time_of(row: Mapping[str, Any], name: str, default: datetime | None = None) -> datetime:
    """Return a moment, written as in ISO 8601."""
    value = _take(row, name, default)
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise _refusal(name, value, "a time such as 2026-01-31T12:00:00+00:00") from None


def object_of(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a value that has fields of its own."""
    value = _take(row, name, None)
    if not isinstance(value, Mapping):
        raise _refusal(name, value, "an object")
    return value


def items_of(row: Mapping[str, Any], name: str) -> Sequence[Any]:
    """Return a list of whatever."""
    values = _take(row, name, None)
    if not _is_list(values):
        raise _refusal(name, values, "a list")
    items: Sequence[Any] = values
    return items


def messages_of(row: Mapping[str, Any], name: str) -> tuple[Message, ...]:
    """Return a list of {role, content}; a bare text is a user's one message.

    Content in parts, as [{"type": "text", "text": ...}] or as one such part, is joined.
    """
    values = _take(row, name, None)
    if isinstance(values, str):
        return (Message("user", values),)
    if not _is_list(values):
        raise _refusal(name, values, "a text or a list of messages")
    return tuple(_message_of(value, name) for value in values)


def answer_of(row: Mapping[str, Any], name: str, prompt: tuple[Message, ...]) -> str:
    """Return the text of the one answer of a column: a text, or messages with one assistant's.

    The prompt may stand before it once more, as some data sets have it.
    """
    value = _take(row, name, None)
    if isinstance(value, str):
        return value
    messages = messages_of(row, name)
    if len(messages) > 1 and messages[:-1] == prompt:
        messages = messages[-1:]
    if len(messages) != 1 or messages[0].role != "assistant":
        raise _refusal(name, value, "one message of the assistant")
    return messages[0].content


def _message_of(value: Any, name: str) -> Message:
    if not isinstance(value, Mapping):
        raise _refusal(name, value, "messages, each with role and content")
    role = value.get("role")
    if role == "system" or role == "user" or role == "assistant":
        return Message(role, _content_of(value.get("content"), name))
    raise _refusal(f"{name}.role", role, "system, user or assistant")


def _content_of(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    parts = [value] if isinstance(value, Mapping) else value
    if not _is_list(parts):
        raise _refusal(f"{name}.content", value, "a text")
    texts = [part.get("text") if isinstance(part, Mapping) else None for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise _refusal(f"{name}.content", value, "a text, or parts that are texts")
    return "".join(map(str, texts))


def _is_finite(value: float) -> bool:
    # A whole number may be too large for math to look at.
    return isinstance(value, int) or math.isfinite(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _take(row: Mapping[str, Any], name: str, default: Any) -> Any:
    value = row.get(name)
    if value is None:
        value = default
    if value is None:
        raise InvalidRequest(f"The column {name!r} is missing; every row needs one.", param=name)
    return value


def _refusal(name: str, value: Any, allowed: str) -> InvalidRequest:
    shown = reprlib.repr(value)  # the beginning of what may be megabytes long
    return InvalidRequest(f"The column {name!r} is {shown}; allowed is {allowed}.", param=name)
