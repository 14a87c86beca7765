"""What a worker process and its parent say to each other: one JSON object a line, never pickle.

The parent begins with a Task. The worker answers with ``manifest``, or with the ``cause`` why there
is none. Then come checks, several at a time, each with a number: the worker says ``began`` when it
takes one up, and ``done`` with a ``verdict`` or the kind of an ``error``.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any, cast

from chat.types import Message, Role, Stage, Verdict
from moderation.base import ModerationContext

# What a worker may say at once. A megabyte holds the spans of any text that people write.
MAX_LINE_BYTES = 1_000_000
_TOML = "toml value"


class Garbled(Exception):
    """A line that isn't what the protocol allows."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker has to load, and how.

    ``path`` is the parent's sys.path, so that both find the same modules. ``stuck_s``: a worker
    whose interpreter nobody but one call got to use for so long ends itself. With
    ``is_manifest_only`` nothing will be judged, so no more is loaded than the manifest needs.
    """

    module: str
    attribute: str
    config: Mapping[str, object]
    path: tuple[str, ...]
    num_threads: int
    stuck_s: float
    is_manifest_only: bool = False


def write_line(message: Mapping[str, object]) -> bytes:
    """Return `message` as a line of ASCII; lone surrogates in texts survive as escapes.

    Raises:
        TypeError: a value is of a kind that neither JSON nor TOML has.
    """
    line = json.dumps(message, separators=(",", ":"), default=_write_date)
    return line.encode("ascii") + b"\n"


def read_line(line: bytes, max_bytes: int = MAX_LINE_BYTES) -> dict[str, Any]:
    """Return the message in `line`.

    Raises:
        Garbled: it is too long, cut short, no JSON, or no object.
    """
    if len(line) > max_bytes or not line.endswith(b"\n"):
        raise Garbled("too long, or cut short")
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise Garbled("no JSON") from None  # without its cause, which quotes the line
    if not isinstance(message, dict):
        raise Garbled("no object")
    return message


def write_task(task: Task) -> bytes:
    """Return the line that a worker begins with; see `write_line` for what it raises."""
    return write_line({name: getattr(task, name) for name in Task.__dataclass_fields__})


def read_task(line: bytes) -> Task:
    """Return the task in `line`, which the parent wrote."""
    return Task(**json.loads(line, object_hook=_read_date))


def write_check(number: int, context: ModerationContext) -> bytes:
    """Return the line that asks for one check."""
    return write_line(
        {
            "check": number,
            "stage": context.stage,
            "is_partial": context.is_partial,
            "locale": context.locale,
            "messages": [(message.role, message.content) for message in context.messages],
        }
    )


def read_check(message: Mapping[str, Any]) -> ModerationContext:
    """Return the context of a check that the parent asked for."""
    messages = tuple(Message(cast(Role, role), text) for role, text in message["messages"])
    stage = cast(Stage, message["stage"])
    return ModerationContext(messages, stage, message["is_partial"], message["locale"])


def pack_verdict(verdict: Verdict) -> dict[str, object]:
    """Return what a worker found, as `moderation.reading.read_verdict` reads it."""
    return {
        "scores": dict(verdict.scores),
        "spans": [(span.start, span.end, span.category, span.score) for span in verdict.spans],
        "reason": verdict.reason,
        "outcome": verdict.outcome,
        "settled": verdict.settled,
    }


def _write_date(value: object) -> object:
    """TOML has dates and times, JSON hasn't."""
    if isinstance(value, date | time):
        return {_TOML: value.isoformat()}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no kind of setting")


def _read_date(value: dict[str, Any]) -> object:
    return tomllib.loads(f"it = {value[_TOML]}")["it"] if value.keys() == {_TOML} else value
