"""Records made of rows from elsewhere, which know less than our own.

Ids are made of the content: the same row gets the same ones each time, so that importing a file
twice doubles nothing. Consent is False: whoever imports answers for the right to use it, and says
so. Where the order shown is unknown, a hash decides it: were the chosen answer always first, place
would look like merit.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chat.errors import InvalidRequest
from chat.types import Comparison, Message, Ranking
from preferences.formats.fields import text_of, texts_of, time_of
from preferences.judgement import Candidate, Judgement
from preferences.samples import Mark
from preferences.seen import hash_texts

IMPORTED = "imported"


def content_id(prompt: tuple[Message, ...], *texts: str) -> str:
    """Return an id that says "this prompt and these texts", and nothing else."""
    said = [text for message in prompt for text in (message.role, message.content)]
    return f"{IMPORTED}-{hash_texts([*said, *texts]):016x}"


def make_pick(
    row: Mapping[str, Any], prompt: tuple[Message, ...], texts: tuple[str, str], at: datetime
) -> Judgement:
    """Return the judgement that the first of two texts is better than the second.

    Raises:
        InvalidRequest: they are one answer.
    """
    named = [text_of(row, name, "") for name in ("chosen_model", "rejected_model")]
    ids = [text_of(row, name, "") for name in ("chosen_id", "rejected_id")]
    candidates = [
        Candidate(answer_id or content_id(prompt, text), model, text, {})
        for answer_id, model, text in zip(ids, named, texts, strict=True)
    ]
    groups = tuple((candidate.answer_id,) for candidate in candidates)
    if groups[0] == groups[1]:
        raise InvalidRequest(
            "The better and the worse answer are one; leave such rows out.", param="rejected"
        )
    if hash_texts(texts) % 2:
        candidates.reverse()
    return make_judgement(row, prompt, tuple(candidates), groups, at)


def make_judgement(
    row: Mapping[str, Any],
    prompt: tuple[Message, ...],
    candidates: tuple[Candidate, ...],
    groups: tuple[tuple[str, ...], ...],
    at: datetime,
    *,
    annotator_id: str | None = None,
) -> Judgement:
    """Return a judgement with the ids that the row has, and others made of its content."""
    question_id = text_of(row, "question_id", "") or content_id(prompt)
    compared = texts_of(row, "comparison_ids")
    people = texts_of(row, "annotators")
    made_id = content_id(prompt, *(text for c in candidates for text in (c.answer_id, c.text)))
    comparison = Comparison(
        compared[0] if compared else made_id,
        text_of(row, "conversation_id", "") or question_id,
        question_id,
        tuple(candidate.answer_id for candidate in candidates),
        IMPORTED,
        origin="import",
    )
    if annotator_id is None:
        annotator_id = people[0] if len(people) == 1 else ""
    ranking = Ranking(comparison.id, annotator_id, groups)
    kind = text_of(row, "kind", "vote")
    return Judgement(
        comparison,
        ranking,
        prompt,
        candidates,
        at,
        consent=False,
        kind="pick" if kind == "vote" else kind,
        tags=texts_of(row, "tags"),
        language=text_of(row, "language", ""),
    )


def make_mark(
    row: Mapping[str, Any], prompt: tuple[Message, ...], text: str, is_good: bool, at: datetime
) -> Mark:
    """Return the mark that a row with one answer stands for."""
    question_id = text_of(row, "question_id", "") or content_id(prompt)
    people = texts_of(row, "annotators")
    is_corrected = "correction" in texts_of(row, "origins")
    answer_id = text_of(row, "answer_id", "") or content_id(prompt, text)
    return Mark(
        text_of(row, "conversation_id", "") or question_id,
        question_id,
        prompt,
        Candidate(answer_id, text_of(row, "model", ""), text, {}),
        is_good,
        people[0] if len(people) == 1 else "",
        time_of(row, "created_at", at),
        consent=False,
        origin="correction" if is_corrected else "rating",
        tags=texts_of(row, "tags"),
        language=text_of(row, "language", ""),
    )
