"""What people asked, without any answer: for generating new ones, or to ask annotators about."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from chat.types import Message
from preferences.drops import Dropped, OnDrop, Options
from preferences.judgement import Judgement
from preferences.samples import Record, question_of
from preferences.seen import Seen, hash_texts
from preferences.splits import Split


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question with the conversation before it."""

    messages: tuple[Message, ...]
    id: str = ""
    conversation_id: str = ""
    split: Split = "train"
    tags: tuple[str, ...] = ()
    language: str = ""


def make_prompts(records: Iterable[Record], options: Options, on_drop: OnDrop) -> Iterator[Prompt]:
    """Yield each prompt once, word by word, and tell what is left out, and why.

    Records about one question have to come one after another. The prompts and the ``num`` of what
    is dropped add up to the questions.
    """
    seen = Seen()
    for question_id, group in groupby(records, key=question_of):
        record = _consented(group, options)
        if record is None:
            on_drop(Dropped(question_id, "no_consent"))
        elif not record.prompt or record.prompt[-1].role != "user":
            on_drop(Dropped(question_id, "not_a_question"))
        elif not seen.add(hash_texts(t for m in record.prompt for t in (m.role, m.content))):
            on_drop(Dropped(question_id, "duplicate"))
        else:
            yield _to_prompt(record, options)


def _consented(records: Iterable[Record], options: Options) -> Record | None:
    return next((r for r in records if r.consent or not options.require_consent), None)


def _to_prompt(record: Record, options: Options) -> Prompt:
    source = record.comparison if isinstance(record, Judgement) else record
    return Prompt(
        messages=record.prompt,
        id=source.question_id,
        conversation_id=source.conversation_id,
        split=options.splits.place(record.prompt, source.conversation_id),
        tags=record.tags,
        language=record.language,
    )
