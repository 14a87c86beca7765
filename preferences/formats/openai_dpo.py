"""OpenAI's format for direct preference optimisation, and of those who take the same.

After https://developers.openai.com/api/docs/guides/direct-preference-optimization: each output is
one message of the assistant, and no other key is allowed.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from preferences.drops import OnDrop, Options
from preferences.formats.fields import answer_of, messages_of, object_of
from preferences.formats.format import Column, Entry, Format
from preferences.formats.made import make_pick
from preferences.formats.trl import check_prompt, said, to_messages
from preferences.judgement import Judgement
from preferences.pairs import make_pairs
from preferences.samples import Record


def _rows(records: Iterable[Record], options: Options, on_drop: OnDrop) -> Iterator[Entry]:
    judgements = (record for record in records if isinstance(record, Judgement))
    for pair in make_pairs(judgements, options, on_drop):
        yield Entry(
            pair.split,
            {
                "input": {
                    "messages": to_messages(pair.prompt),
                    "tools": [],
                    "parallel_tool_calls": True,
                },
                "preferred_output": said(pair.chosen.text),
                "non_preferred_output": said(pair.rejected.text),
            },
            pair.num_votes,
        )


def _parse(row: Mapping[str, Any], at: datetime) -> Record:
    asked = object_of(row, "input")
    prompt = check_prompt(messages_of(asked, "messages"), "messages")
    texts = (
        answer_of(row, "preferred_output", prompt),
        answer_of(row, "non_preferred_output", prompt),
    )
    return make_pick({}, prompt, texts, at)


OPENAI_DPO = Format(
    "openai-dpo",
    "OpenAI's preference pairs for direct preference optimisation",
    "votes",
    (
        Column("input", "input", "the conversation up to the question, and tools (none)"),
        Column("preferred_output", "messages", "the better answer, one message"),
        Column("non_preferred_output", "messages", "the worse answer, one message"),
    ),
    _rows,
    _parse,
    suffixes=(".jsonl",),
)
