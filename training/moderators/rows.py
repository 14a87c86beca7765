"""The rows that classifiers are trained on, calibrated and judged by: JSONL, one text a line.

    {"text": "...", "labels": {"hate": 1, "sexual": 0}, "source": "davidson", "family": "post 7",
     "split": "train", "tags": ["identity:women"]}

Instead of ``text`` a row may have ``messages``. A category that ``labels`` doesn't name is
unknown, and masked in training.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from chat.errors import SetupError
from chat.types import Message
from training.documents import read_lines, to_message

Split: TypeAlias = Literal["train", "calibration", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True, slots=True)
class Row:
    """A text (or a conversation: then `text` is its messages, joined) and what is known of it.

    ``family`` is what rows that resemble one another share (a template, a post, a dialogue, a
    topic): a family is never on both sides of a split. ``source`` is the pack it came from.
    """

    text: str
    labels: Mapping[str, int]
    source: str
    family: str
    split: Split = "train"
    tags: tuple[str, ...] = ()
    messages: tuple[Message, ...] = field(default=())


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a .jsonl or .jsonl.zst file.

    Raises:
        SetupError: there is no such file, or a line isn't a row; names the file and the line.
    """
    try:
        with closing(read_lines(path)) as lines:
            for number, line in enumerate(lines, 1):
                yield _parse_line(line, f"Line {number} of {path.name}")
    except OSError as error:
        raise SetupError(
            f"{path} can't be read ({error.strerror}); name a file of JSON rows."
        ) from error
    except UnicodeDecodeError as error:
        raise SetupError(f"{path.name} is not UTF-8 text; save it as UTF-8.") from error


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write rows as JSONL, in order, and return how many there were."""
    num_rows = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row_to_json(row), ensure_ascii=False) + "\n")
            num_rows += 1
    return num_rows


def row_to_json(row: Row) -> dict[str, Any]:
    """Return a row as it stands in a file."""
    said: dict[str, Any] = {"text": row.text}
    if row.messages:
        said = {"messages": [{"role": m.role, "content": m.content} for m in row.messages]}
    return said | {
        "labels": dict(row.labels),
        "source": row.source,
        "family": row.family,
        "split": row.split,
        "tags": list(row.tags),
    }


def row_from_json(row: Mapping[str, Any]) -> Row:
    """Return the row that a line of a file holds.

    Raises:
        ValueError, KeyError, TypeError: it isn't one; the message says why.
    """
    if not isinstance(row, dict):
        raise ValueError("a row is a JSON object")
    if ("text" in row) == ("messages" in row):
        raise ValueError("a row has either 'text' or 'messages'")
    messages = tuple(to_message(turn) for turn in row.get("messages", ()))
    text = "\n".join(m.content for m in messages) if messages else row.get("text", "")
    if not isinstance(text, str):
        raise ValueError("'text' is not a string")
    return Row(
        text,
        _labels(row.get("labels", {})),
        _string(row, "source"),
        _string(row, "family"),
        _split(row.get("split", "train")),
        tuple(str(tag) for tag in row.get("tags", ())),
        messages,
    )


def _parse_line(line: str, place: str) -> Row:
    try:
        return row_from_json(json.loads(line))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SetupError(f"{place} is not a row of training data: {error}.") from error


def _labels(given: object) -> Mapping[str, int]:
    if not isinstance(given, dict):
        raise ValueError("'labels' is not an object of categories")
    for category, label in given.items():
        if isinstance(label, bool) or label not in (0, 1):
            raise ValueError(f"the label of '{category}' is {label!r}; allowed are 0 and 1")
    return dict(given)


def _string(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"'{name}' is not a string")
    return value


def _split(name: object) -> Split:
    for split in SPLITS:
        if split == name:
            return split
    raise ValueError(f"'{name}' is not a split; allowed are {', '.join(SPLITS)}")
