"""Conversations as Anthropic's HH-RLHF has them: two transcripts, one preferred to the other.

After https://huggingface.co/datasets/Anthropic/hh-rlhf: turns begin with "\\n\\nHuman: " and
"\\n\\nAssistant: ". The two are alike up to the last answer.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chat.errors import InvalidRequest
from chat.types import Message
from preferences.formats.fields import text_of
from preferences.formats.format import Column, Format
from preferences.formats.made import make_pick
from preferences.formats.trl import check_prompt
from preferences.judgement import Judgement

_TURN = re.compile(r"\n\n(Human|Assistant):[ \t]?")


def _parse(row: Mapping[str, Any], at: datetime) -> Judgement:
    chosen, rejected = (_messages_of(row, name) for name in ("chosen", "rejected"))
    if chosen[:-1] != rejected[:-1]:
        raise InvalidRequest(
            "The two conversations differ before their last answer; there must be one prompt.",
            param="rejected",
        )
    prompt = check_prompt(chosen[:-1], "chosen")
    return make_pick({}, prompt, (chosen[-1].content, rejected[-1].content), at)


def _messages_of(row: Mapping[str, Any], name: str) -> tuple[Message, ...]:
    start, *parts = _TURN.split(text_of(row, name))
    if start.strip() or not parts or parts[-2] != "Assistant":
        raise InvalidRequest(
            f"The column {name!r} is no transcript that begins with '\\n\\nHuman: ' and ends with "
            "an answer after '\\n\\nAssistant: '.",
            param=name,
        )
    return tuple(
        Message("user" if speaker == "Human" else "assistant", text.strip())
        for speaker, text in zip(parts[::2], parts[1::2], strict=True)
    )


HH = Format(
    "hh",
    "Pairs of transcripts as in Anthropic's HH-RLHF (to read only)",
    "votes",
    (
        Column("chosen", "text", "the conversation with the better answer at its end"),
        Column("rejected", "text", "the conversation with the worse answer at its end"),
    ),
    parse=_parse,
)
