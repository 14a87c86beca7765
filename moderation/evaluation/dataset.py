"""Labelled texts to judge moderators by: one JSON object a line, read as a stream.

    {"text": "...", "labels": {"hate": 1, "sexual": 0}, "source": "forum", "family": "post 7",
     "tags": ["quoted"], "language": "en", "stage": "input"}

Only ``labels`` and either ``text`` or ``messages`` are needed. A category that ``labels`` doesn't
name, or names with null, is unknown and left out of that category's figures.
"""

import json
import random
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chat.errors import InvalidRequest
from chat.types import Message, Stage
from moderation.text.language import detect_language

UNSAFE = "unsafe"
# What makes a text unsafe as a whole. The others (bias, personal data, swearing) are noted by the
# policies that come with Palaver, not refused.
HARMFUL = (
    "sexual/minors",
    "self-harm/intent",
    "self-harm/instructions",
    "self-harm",
    "illicit/violent",
    "illicit",
    "hate/threatening",
    "hate",
    "harassment/threatening",
    "harassment",
    "violence/graphic",
    "violence",
    "sexual",
    "jailbreak",
    "injection",
)
_LANGUAGE = "lang:"  # begins a tag that tells it
_ROLES = ("system", "user", "assistant")
_STAGES: tuple[Stage, ...] = ("input", "output")


@dataclass(frozen=True, slots=True)
class Sample:
    """A text, as the messages of which the last is judged, and what is known of it.

    ``family`` is what samples that resemble one another share (a template, a dialogue): intervals
    are drawn over families. ``slices`` are (kind, name) pairs to show figures for.
    """

    messages: tuple[Message, ...]
    labels: Mapping[str, bool]
    stage: Stage = "input"
    family: str = ""
    slices: tuple[tuple[str, str], ...] = field(default=())

    @property
    def is_unsafe(self) -> bool | None:
        """Whether any harmful category is known to apply; None if nothing of that is known.

        A sweeping judgement about people of which nobody says if it is hateful is neither.
        """
        if UNSAFE in self.labels:
            return self.labels[UNSAFE]
        known = [self.labels[name] for name in HARMFUL if name in self.labels]
        is_open = self.labels.get("bias", False) and "hate" not in self.labels
        return True if any(known) else None if is_open or not known else False


def read_samples(
    path: Path, stage: Stage = "input", on_bytes: Callable[[int], None] = lambda _: None
) -> Iterator[Sample]:
    """Yield the samples of a file, one at a time.

    Args:
        path: a file of JSON lines in UTF-8; empty lines are passed over.
        stage: of a text that doesn't say; messages that end with the assistant's are output.
        on_bytes: is told how many bytes were read, for a progress bar.

    Raises:
        InvalidRequest: there is no such file, a line isn't a sample, or there is none at all.
    """
    num_samples = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                on_bytes(len(line))
                if line.strip(b"\xef\xbb\xbf \t\r\n"):
                    yield _read_line(line, number, path.name, stage)
                    num_samples += 1
    except OSError as error:
        raise InvalidRequest(
            f"{path} can't be read ({error.strerror}); name a file of JSON lines."
        ) from error
    if not num_samples:
        raise InvalidRequest(
            f'{path} has no rows; each is a line like {{"text": ..., "labels": ...}}.'
        )


def _read_line(line: bytes, number: int, file: str, stage: Stage) -> Sample:
    try:
        return parse_sample(json.loads(line.decode("utf-8-sig")), stage, f"{file} line {number}")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"Line {number} of {file} is not UTF-8; save it as UTF-8.") from error
    except json.JSONDecodeError as error:
        raise InvalidRequest(
            f"Line {number} of {file} is not JSON ({error.msg} at character {error.pos + 1}); "
            "write one JSON object a line."
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"Line {number} of {file} can't be used: {error}.") from error


def draw_samples(samples: Iterable[Sample], count: int, seed: int = 0) -> list[Sample]:
    """Return `count` of the samples, each with the same chance, in the order in which they came.

    One pass, and no more of them in memory than are wanted (Vitter's algorithm R).
    """
    chance = random.Random(seed)
    kept: list[tuple[int, Sample]] = []
    for number, sample in enumerate(samples):
        if number < count:
            kept.append((number, sample))
        elif (place := chance.randint(0, number)) < count:
            kept[place] = (number, sample)
    return [sample for _, sample in sorted(kept, key=lambda each: each[0])]


def parse_sample(row: object, stage: Stage = "input", place: str = "") -> Sample:
    """Return the sample that a row of JSON holds; `place` names it where it has no family.

    Raises:
        ValueError: it holds none; the message says what is wrong and what is allowed.
    """
    if not isinstance(row, dict):
        raise ValueError(f"it is {_shown(row)}; allowed is an object with 'text' and 'labels'")
    messages = _messages(row, stage)
    said_by = messages[-1].role
    found = row.get("stage", "output" if said_by == "assistant" else "input")
    if found not in _STAGES:
        raise ValueError(f"'stage' is {_shown(found)}; allowed are input and output")
    source = _string(row, "source")
    tags = [tag for tag in _tags(row) if not tag.startswith(_LANGUAGE)]
    family = _string(row, "family")
    slices = [(kind, name) for kind, name in (("source", source), ("family", family)) if name]
    slices += [("tag", name) for tag in tags for name in (_head(tag), tag)]
    return Sample(
        messages,
        _labels(row),
        "output" if found == "output" else "input",
        family or place,
        (*slices, ("language", _language(row, messages[-1].content))),
    )


def _language(row: Mapping[str, object], text: str) -> str:
    told = [tag.removeprefix(_LANGUAGE) for tag in _tags(row) if tag.startswith(_LANGUAGE)]
    return _string(row, "language") or next(iter(told), "") or guess_language(text)


def guess_language(text: str) -> str:
    """Return a guess at the language of `text`, or the script where no language is known."""
    letters = [char for char in text[:400] if char.isalpha()]
    scripts = [unicodedata.name(char, "?").split(" ")[0].lower() for char in letters]
    main = max(set(scripts), key=scripts.count, default="latin")
    return detect_language(text) if main in ("latin", "cjk") else main


def _messages(row: Mapping[str, object], stage: Stage) -> tuple[Message, ...]:
    if ("text" in row) == ("messages" in row):
        raise ValueError("it needs either 'text' or 'messages', and not both")
    if "text" in row:
        text = row["text"]
        if not isinstance(text, str):
            raise ValueError(f"'text' is {_shown(text)}; allowed is a string")
        is_question = row.get("stage", stage) == "input"
        return (Message("user" if is_question else "assistant", text),)
    given = row["messages"]
    if not isinstance(given, list) or not given:
        raise ValueError(
            f"'messages' is {_shown(given)}; allowed is a list of at least one message"
        )
    return tuple(_message(each, number) for number, each in enumerate(given, 1))


def _message(given: object, number: int) -> Message:
    if not isinstance(given, dict) or not isinstance(given.get("content"), str):
        raise ValueError(f"message {number} is no object with a 'role' and a 'content' in a string")
    role = given.get("role")
    if role == "system":
        return Message("system", given["content"])
    if role not in _ROLES:
        raise ValueError(
            f"message {number} has the role {_shown(role)}; allowed are {', '.join(_ROLES)}"
        )
    return Message("user" if role == "user" else "assistant", given["content"])


def _labels(row: Mapping[str, object]) -> Mapping[str, bool]:
    given = row.get("labels")
    if not isinstance(given, dict):
        raise ValueError(f"'labels' is {_shown(given)}; allowed is an object of categories")
    for category, label in given.items():
        if label is not None and label not in (0, 1):
            raise ValueError(
                f"the label of {category!r} is {_shown(label)}; allowed are 0, 1 and null (unknown)"
            )
    return {category: bool(label) for category, label in given.items() if label is not None}


def _tags(row: Mapping[str, object]) -> Iterable[str]:
    tags = row.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise ValueError(f"'tags' is {_shown(tags)}; allowed is a list of strings")
    return tags


def _head(tag: str) -> str:
    """Return what tags of a kind share: "identity" of "identity:women", "quoted" of itself."""
    return re.split("[:/]", tag, maxsplit=1)[0]


def _string(row: Mapping[str, object], key: str) -> str:
    value = row.get(key)
    if value is not None and not isinstance(value, str | int):
        raise ValueError(f"{key!r} is {_shown(value)}; allowed is a string")
    return "" if value is None else str(value)


def _shown(value: object) -> str:
    """Return `value` short enough for an error."""
    shown = "missing" if value is None else repr(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."
