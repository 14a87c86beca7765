"""Single answers that people called good or bad, and prompts alone: what needs no pair."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Literal

from chat.types import Message
from preferences.drops import Dropped, OnDrop, Options, Reason, fault_of, fault_of_answers
from preferences.judgement import Candidate, Judgement
from preferences.seen import Seen, hash_texts
from preferences.splits import Split
from preferences.texts import distinct, in_utc

Origin = Literal["rating", "ranking", "correction"]


@dataclass(frozen=True, slots=True)
class Mark:
    """One person's word on one answer, apart from any other: good or bad.

    It comes from thumbs up or down, from a ranking that says which answers are acceptable, or
    from a correction: then the candidate is the corrected answer, and good.
    """

    conversation_id: str
    question_id: str
    prompt: tuple[Message, ...]
    candidate: Candidate
    is_good: bool
    annotator_id: str
    created_at: datetime
    consent: bool
    origin: Origin = "rating"
    tags: tuple[str, ...] = ()
    language: str = ""


Record = Judgement | Mark


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer with what the majority says of it; ``agreement`` is the share of the majority."""

    id: str
    prompt: tuple[Message, ...]
    candidate: Candidate
    is_good: bool
    num_votes: int
    agreement: float
    origins: tuple[Origin, ...]
    annotators: tuple[str, ...]
    created_at: datetime
    conversation_id: str
    question_id: str
    split: Split
    tags: tuple[str, ...] = ()
    language: str = ""


def marks_of(judgement: Judgement) -> Iterator[Mark]:
    """Yield what a judgement says of each answer's quality; nothing where nobody was asked."""
    accepted = judgement.ranking.acceptable
    if not accepted and not judgement.is_none_acceptable:
        return
    levels = judgement.levels()
    for candidate in judgement.candidates:
        if candidate.answer_id in levels:
            yield Mark(
                judgement.comparison.conversation_id,
                judgement.comparison.question_id,
                judgement.prompt,
                candidate,
                candidate.answer_id in accepted,
                judgement.annotator_id,
                judgement.created_at,
                judgement.consent,
                "ranking",
                judgement.tags,
                judgement.language,
            )


def question_of(record: Record) -> str:
    """Return the id of the question that a record is about: what streams are ordered by."""
    if isinstance(record, Mark):
        return record.question_id
    return record.comparison.question_id


def num_marks(record: Record) -> int:
    """Return how many marks are in a record."""
    return 1 if isinstance(record, Mark) else sum(1 for _ in marks_of(record))


def make_samples(
    records: Iterable[Record], options: Options, on_drop: OnDrop, *, only_good: bool = False
) -> Iterator[Sample]:
    """Yield each marked answer once, and tell what is left out, and why.

    Records about one question have to come one after another. ``sum(sample.num_votes)`` and the
    ``num`` of what is dropped add up to the marks of all records (see `num_marks`).
    """
    seen = Seen()
    for _, group in groupby(records, key=question_of):
        split: Split | None = None
        for marks in _collect_marks(group, options, on_drop):
            # One question, one prompt, one place.
            split = split or options.splits.place(marks[0].prompt, marks[0].conversation_id)
            sample = _decide(marks, options, split, only_good)
            if isinstance(sample, Sample) and not seen.add(_content_of(sample)):
                sample = "duplicate"
            if isinstance(sample, Sample):
                yield sample
            else:
                on_drop(Dropped(_id_of(marks[0]), sample, len(marks)))


def _collect_marks(
    records: Iterable[Record], options: Options, on_drop: OnDrop
) -> Iterator[list[Mark]]:
    by_answer: dict[str, dict[str, Mark]] = {}
    for record in records:
        fault = fault_of(record, options) if isinstance(record, Judgement) else None
        for mark in marks_of(record) if isinstance(record, Judgement) else (record,):
            reason = fault or _fault_of_mark(mark, options)
            marks = by_answer.setdefault(mark.candidate.answer_id, {})
            # Somebody without a name may be somebody else each time.
            who = mark.annotator_id or f"\0{len(marks)}"
            if reason is None and who in marks:
                reason = "duplicate"
                if _moment(mark) >= _moment(marks[who]):
                    marks[who] = mark
            if reason is None:
                marks[who] = mark
            else:
                on_drop(Dropped(_id_of(mark), reason))
    return (list(marks.values()) for marks in by_answer.values() if marks)


def _fault_of_mark(mark: Mark, options: Options) -> Reason | None:
    if options.require_consent and not mark.consent:
        return "no_consent"
    if not mark.prompt or mark.prompt[-1].role != "user":
        return "not_a_question"
    return fault_of_answers((mark.candidate,), options)


def _decide(marks: list[Mark], options: Options, split: Split, only_good: bool) -> Sample | Reason:
    good = [mark for mark in marks if mark.is_good]
    bad = [mark for mark in marks if not mark.is_good]
    # Who writes the right answer doesn't wait for others to agree.
    is_corrected = any(mark.origin == "correction" for mark in marks)
    if len(marks) < options.min_votes and not is_corrected:
        return "too_few_votes"
    agreement = max(len(good), len(bad)) / len(marks)
    if len(good) == len(bad) or agreement < options.min_agreement:
        return "disagreement"
    if only_good and len(bad) > len(good):
        return "unaccepted"
    return _to_sample(marks, max(good, bad, key=len), agreement, split)


def _to_sample(marks: list[Mark], majority: list[Mark], agreement: float, split: Split) -> Sample:
    newest = majority[0] if len(majority) == 1 else max(majority, key=_moment)
    return Sample(
        id=_id_of(newest),
        prompt=newest.prompt,
        candidate=newest.candidate,
        is_good=newest.is_good,
        num_votes=len(marks),
        agreement=agreement,
        origins=distinct([mark.origin for mark in marks]),
        annotators=distinct([mark.annotator_id for mark in marks]),
        created_at=max([mark.created_at for mark in marks], key=in_utc),
        conversation_id=newest.conversation_id,
        question_id=newest.question_id,
        split=split,
        tags=distinct([tag for mark in marks for tag in mark.tags]),
        language=newest.language,
    )


def _id_of(mark: Mark) -> str:
    return f"{mark.question_id}:{mark.candidate.answer_id}"


def _moment(mark: Mark) -> datetime:
    return in_utc(mark.created_at)


def _content_of(sample: Sample) -> int:
    texts = [text for message in sample.prompt for text in (message.role, message.content)]
    return hash_texts([*texts, sample.candidate.text])
