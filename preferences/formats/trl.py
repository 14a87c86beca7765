"""The formats of TRL: preference, unpaired preference, language modelling, prompts alone.

After https://huggingface.co/docs/trl/dataset_formats, conversational and with explicit prompts.
The trainers ignore columns that they don't know; RewardTrainer reads ``margin``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from chat.errors import InvalidRequest
from chat.types import Message
from preferences.drops import OnDrop, Options
from preferences.formats.fields import (
    answer_of,
    flag_of,
    messages_of,
    text_of,
    texts_of,
    time_of,
)
from preferences.formats.format import Column, Entry, Format, Row
from preferences.formats.made import make_mark, make_pick
from preferences.judgement import Judgement
from preferences.pairs import make_pairs
from preferences.prompts import Prompt, make_prompts
from preferences.samples import Mark, Record, Sample, make_samples

_WHERE = (
    Column("conversation_id", "text", "the conversation"),
    Column("question_id", "text", "the question in it"),
)
_WHAT = (
    Column("tags", "texts", "tags of the votes"),
    Column("language", "text", "the language, as far as it is known"),
)
_WHO = (
    Column("annotators", "texts", "who voted, by pseudonym"),
    Column("created_at", "text", "when the newest vote was cast, as in ISO 8601"),
)
_SPLIT = Column("split", "text", "train, validation or test")


def to_messages(messages: Iterable[Message]) -> list[Row]:
    """Return messages as every format here writes them."""
    return [{"role": message.role, "content": message.content} for message in messages]


def said(text: str) -> list[Row]:
    """Return a text as the one message of an assistant."""
    return [{"role": "assistant", "content": text}]


def _preferences(records: Iterable[Record], options: Options, on_drop: OnDrop) -> Iterator[Entry]:
    judgements = (record for record in records if isinstance(record, Judgement))
    for pair in make_pairs(judgements, options, on_drop):
        yield Entry(
            pair.split,
            {
                "prompt": to_messages(pair.prompt),
                "chosen": said(pair.chosen.text),
                "rejected": said(pair.rejected.text),
                "margin": pair.margin,
                "weight": pair.weight,
                "num_votes": pair.num_votes,
                "agreement": pair.agreement,
                "kind": pair.kind,
                "id": pair.id,
                "chosen_id": pair.chosen.answer_id,
                "rejected_id": pair.rejected.answer_id,
                "chosen_model": pair.chosen.model,
                "rejected_model": pair.rejected.model,
                "comparison_ids": list(pair.comparison_ids),
                "conversation_id": pair.conversation_id,
                "question_id": pair.question_id,
                "annotators": list(pair.annotators),
                "created_at": pair.created_at.isoformat(),
                "tags": list(pair.tags),
                "language": pair.language,
                "split": pair.split,
            },
            pair.num_votes,
        )


def _parse_preference(row: Mapping[str, Any], at: datetime) -> Record:
    prompt = prompt_of(row)
    texts = (answer_of(row, "chosen", prompt), answer_of(row, "rejected", prompt))
    return make_pick(row, prompt, texts, time_of(row, "created_at", at))


def _unpaired(records: Iterable[Record], options: Options, on_drop: OnDrop) -> Iterator[Entry]:
    for sample in make_samples(records, options, on_drop):
        row = {
            "prompt": to_messages(sample.prompt),
            "completion": said(sample.candidate.text),
            "label": sample.is_good,
        }
        yield Entry(sample.split, row | _about(sample), sample.num_votes)


def _parse_unpaired(row: Mapping[str, Any], at: datetime) -> Record:
    prompt = prompt_of(row)
    return make_mark(row, prompt, answer_of(row, "completion", prompt), flag_of(row, "label"), at)


def _conversations(records: Iterable[Record], options: Options, on_drop: OnDrop) -> Iterator[Entry]:
    for sample in make_samples(records, options, on_drop, only_good=True):
        messages = to_messages(sample.prompt) + said(sample.candidate.text)
        yield Entry(sample.split, {"messages": messages} | _about(sample), sample.num_votes)


def _parse_conversation(row: Mapping[str, Any], at: datetime) -> Mark:
    messages = messages_of(row, "messages")
    if len(messages) < 2 or messages[-1].role != "assistant" or messages[-2].role != "user":
        raise InvalidRequest(
            "The conversation doesn't end with a question of the user and the assistant's answer; "
            "leave out what follows.",
            param="messages",
        )
    return make_mark(row, messages[:-1], messages[-1].content, True, at)


def _about(sample: Sample) -> Row:
    return {
        "id": sample.id,
        "num_votes": sample.num_votes,
        "agreement": sample.agreement,
        "origins": list(sample.origins),
        "answer_id": sample.candidate.answer_id,
        "model": sample.candidate.model,
        "conversation_id": sample.conversation_id,
        "question_id": sample.question_id,
        "annotators": list(sample.annotators),
        "created_at": sample.created_at.isoformat(),
        "tags": list(sample.tags),
        "language": sample.language,
        "split": sample.split,
    }


def _prompts(records: Iterable[Record], options: Options, on_drop: OnDrop) -> Iterator[Entry]:
    for prompt in make_prompts(records, options, on_drop):
        yield Entry(
            prompt.split,
            {
                "prompt": to_messages(prompt.messages),
                "conversation_id": prompt.conversation_id,
                "question_id": prompt.id,
                "tags": list(prompt.tags),
                "language": prompt.language,
                "split": prompt.split,
            },
        )


def _parse_prompt(row: Mapping[str, Any], at: datetime) -> Prompt:
    return Prompt(
        prompt_of(row),
        text_of(row, "question_id", ""),
        text_of(row, "conversation_id", ""),
        tags=texts_of(row, "tags"),
        language=text_of(row, "language", ""),
    )


def prompt_of(row: Mapping[str, Any]) -> tuple[Message, ...]:
    """Return the prompt of a row: a text, or messages that end with the user's."""
    prompt = messages_of(row, "prompt")
    return check_prompt(prompt, "prompt")


def check_prompt(prompt: Sequence[Message], name: str) -> tuple[Message, ...]:
    """Refuse a prompt that doesn't end with something the user said."""
    if not prompt or prompt[-1].role != "user":
        raise InvalidRequest(
            f"The column {name!r} doesn't end with something that the user said; answers belong "
            "in columns of their own.",
            param=name,
        )
    return tuple(prompt)


_ABOUT = (
    Column("id", "text", "the question and the answer: the same in every export"),
    Column("num_votes", "whole", "how many people said something of the answer"),
    Column("agreement", "number", "the share of them that said the same"),
    Column("origins", "texts", "rating, ranking or correction"),
    Column("answer_id", "text", "the answer"),
    Column("model", "text", "who wrote it; empty for people"),
    *_WHERE,
    *_WHO,
    *_WHAT,
    _SPLIT,
)
_PROMPT = Column("prompt", "messages", "the conversation up to the question")

TRL_PREFERENCE = Format(
    "trl-preference",
    "TRL preference pairs: for RewardTrainer and DPOTrainer",
    "votes",
    (
        _PROMPT,
        Column("chosen", "messages", "the better answer, one message"),
        Column("rejected", "messages", "the worse answer, one message"),
        Column("margin", "number", "how much better, from 0 to 1; RewardTrainer reads it"),
        Column("weight", "number", "1 / (k choose 2) times agreement, for rankings of k answers"),
        Column("num_votes", "whole", "how many people judged the two"),
        Column("agreement", "number", "the share of them that preferred the chosen one"),
        Column("kind", "text", "vote, or the weak signal it is: edit, regenerate"),
        Column("id", "text", "the question and both answers: the same in every export"),
        Column("chosen_id", "text", "the better answer"),
        Column("rejected_id", "text", "the worse answer"),
        Column("chosen_model", "text", "who wrote the better answer"),
        Column("rejected_model", "text", "who wrote the worse answer"),
        Column("comparison_ids", "texts", "where the two were compared"),
        *_WHERE,
        *_WHO,
        *_WHAT,
        _SPLIT,
    ),
    _preferences,
    _parse_preference,
)
TRL_UNPAIRED = Format(
    "trl-unpaired",
    "TRL unpaired preference: single answers called good or bad, for KTOTrainer",
    "marks",
    (
        _PROMPT,
        Column("completion", "messages", "the answer, one message"),
        Column("label", "flag", "true where it is good"),
        *_ABOUT,
    ),
    _unpaired,
    _parse_unpaired,
)
SFT = Format(
    "sft",
    "Conversations that end with a good or corrected answer: for SFTTrainer",
    "marks",
    (Column("messages", "messages", "the conversation, the good answer last"), *_ABOUT),
    _conversations,
    _parse_conversation,
)
PROMPT_ONLY = Format(
    "prompt-only",
    "What people asked, without answers",
    "questions",
    (_PROMPT, *_WHERE, *_WHAT, _SPLIT),
    _prompts,
    _parse_prompt,
)
