"""Rankings as they were made, with everything that is known of them: lossless both ways.

A row is a `Judgement`, field by field. Settings and draws are JSON in a text, because they
differ from row to row and columns don't. ``schema`` grows when fields change; rows of all versions
can be read.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from chat.errors import InvalidRequest
from chat.types import Comparison, Ranking
from preferences.drops import Dropped, OnDrop, Options, Reason, fault_of_answers
from preferences.formats.fields import (
    flag_of,
    items_of,
    messages_of,
    number_of,
    optional_number_of,
    text_of,
    texts_of,
    time_of,
)
from preferences.formats.format import Column, Entry, Format, Row
from preferences.formats.trl import to_messages
from preferences.judgement import Candidate, Judgement, check_ranking
from preferences.samples import Record

SCHEMA = 1


def _rows(records: Iterable[Record], options: Options, on_drop: OnDrop) -> Iterator[Entry]:
    for record in records:
        if not isinstance(record, Judgement):
            continue
        comparison = record.comparison
        if fault := _fault_of(record, options):
            on_drop(Dropped(comparison.id, fault))
        else:
            split = options.splits.place(record.prompt, comparison.conversation_id)
            yield Entry(split, to_row(record) | {"split": split})


def _fault_of(judgement: Judgement, options: Options) -> Reason | None:
    """Return why a judgement stays here; repeats, checks and weak signals may leave: see kind."""
    if options.require_consent and not judgement.consent:
        return "no_consent"
    if options.include_unsafe:
        return None
    reason = fault_of_answers(judgement.candidates, options)
    return reason if reason in ("blocked", "pii") else None


def to_row(judgement: Judgement) -> Row:
    """Return everything of a judgement, as JSON knows it."""
    comparison, ranking = judgement.comparison, judgement.ranking
    return {
        "schema": SCHEMA,
        "comparison_id": comparison.id,
        "conversation_id": comparison.conversation_id,
        "question_id": comparison.question_id,
        "answer_ids": list(comparison.answer_ids),
        "method": comparison.method,
        "probability": comparison.probability,
        "origin": comparison.origin,
        "draw": json.dumps(dict(comparison.draw)),
        "annotator_id": ranking.annotator_id,
        "groups": [list(group) for group in ranking.groups],
        "acceptable": sorted(ranking.acceptable),
        "is_none_acceptable": judgement.is_none_acceptable,
        "strength": ranking.strength,
        "comment": ranking.comment,
        "elapsed_s": ranking.elapsed_s,
        "prompt": to_messages(judgement.prompt),
        "candidates": [_candidate_row(candidate) for candidate in judgement.candidates],
        "created_at": judgement.created_at.isoformat(),
        "consent": judgement.consent,
        "kind": judgement.kind,
        "tags": list(judgement.tags),
        "language": judgement.language,
        "owner_id": judgement.owner_id,
        "original": None,
    }


def _candidate_row(candidate: Candidate) -> Row:
    return {
        "answer_id": candidate.answer_id,
        "model": candidate.model,
        "text": candidate.text,
        "settings": json.dumps(dict(candidate.settings)),
        "finish_reason": candidate.finish_reason,
        "is_blocked": candidate.is_blocked,
        "has_pii": candidate.has_pii,
    }


def from_row(row: Mapping[str, Any], at: datetime | None = None) -> Judgement:
    """Return the judgement of which `to_row` made this row; `at` stands for a missing time.

    Raises:
        InvalidRequest: the row isn't one of those.
    """
    row = _restore(row)
    comparison = Comparison(
        text_of(row, "comparison_id"),
        text_of(row, "conversation_id"),
        text_of(row, "question_id"),
        texts_of(row, "answer_ids", is_needed=True),
        text_of(row, "method", "uniform"),
        number_of(row, "probability", 1.0),
        text_of(row, "origin", "chat"),
        _json_of(row, "draw"),
    )
    ranking = _ranking_of(row, comparison.id)
    check_ranking(comparison, ranking)
    candidates = tuple(_candidate_of(item) for item in items_of(row, "candidates"))
    _check_shown(candidates, comparison)
    return Judgement(
        comparison=comparison,
        ranking=ranking,
        prompt=messages_of(row, "prompt"),
        candidates=candidates,
        created_at=time_of(row, "created_at", at),
        consent=flag_of(row, "consent", False),
        kind=text_of(row, "kind", "rank"),
        tags=texts_of(row, "tags"),
        language=text_of(row, "language", ""),
        owner_id=text_of(row, "owner_id", ""),
        is_none_acceptable=flag_of(row, "is_none_acceptable", False),
    )


def _check_shown(candidates: tuple[Candidate, ...], comparison: Comparison) -> None:
    """Refuse answers that weren't shown; one that was deleted since may be missing."""
    ids = [candidate.answer_id for candidate in candidates]
    if not set(ids) <= set(comparison.answer_ids) or len(set(ids)) < len(ids):
        raise InvalidRequest(
            "The column 'candidates' has an answer twice, or one that isn't among 'answer_ids'.",
            param="candidates",
        )


def _restore(row: Mapping[str, Any]) -> Mapping[str, Any]:
    if (schema := number_of(row, "schema", SCHEMA)) > SCHEMA:
        raise InvalidRequest(
            f"The row has schema {schema:g}; this version reads up to {SCHEMA}. Import it with a "
            "newer one.",
            param="schema",
        )
    if not (original := text_of(row, "original", "")):
        return row
    try:
        restored = json.loads(original)
    except (ValueError, RecursionError):
        restored = None
    if not isinstance(restored, dict) or restored.get("original"):
        raise InvalidRequest("The column 'original' is no row in JSON.", param="original")
    return restored


def _ranking_of(row: Mapping[str, Any], comparison_id: str) -> Ranking:
    groups = [texts_of({"groups": g}, "groups", is_needed=True) for g in items_of(row, "groups")]
    return Ranking(
        comparison_id,
        text_of(row, "annotator_id", ""),
        tuple(groups),
        frozenset(texts_of(row, "acceptable")),
        text_of(row, "comment", ""),
        optional_number_of(row, "strength"),
        optional_number_of(row, "elapsed_s"),
    )


def _candidate_of(item: Any) -> Candidate:
    if not isinstance(item, Mapping):
        raise InvalidRequest(
            "The column 'candidates' holds something that is no candidate.", param="candidates"
        )
    return Candidate(
        text_of(item, "answer_id"),
        text_of(item, "model", ""),
        text_of(item, "text"),
        _settings_of(item),
        text_of(item, "finish_reason", "stop"),
        flag_of(item, "is_blocked", False),
        flag_of(item, "has_pii", False),
    )


def _settings_of(item: Mapping[str, Any]) -> Mapping[str, float]:
    settings = _json_of(item, "settings")
    return {name: number_of(settings, name) for name in settings}


def _json_of(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    try:
        found = json.loads(text_of(row, name, "{}"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidRequest(
            f'The column {name!r} is no object in JSON, such as {{"temperature": 0.7}}.',
            param=name,
        )
    return found


RANKINGS = Format(
    "rankings",
    "Rankings as they were made, with the order shown: lossless",
    "rankings",
    (
        Column("schema", "whole", "the version of these columns"),
        Column("comparison_id", "text", "what was compared"),
        Column("conversation_id", "text", "the conversation"),
        Column("question_id", "text", "the question in it"),
        Column("answer_ids", "texts", "the answers in the order shown"),
        Column("method", "text", "how they were drawn"),
        Column("probability", "number", "how likely that draw was"),
        Column("origin", "text", "where they were shown: chat, studio, api or import"),
        Column("draw", "text", "what they were drawn from, in JSON"),
        Column("annotator_id", "text", "who ranked, by pseudonym"),
        Column("groups", "groups", "answers of equal rank together, the best group first"),
        Column("acceptable", "texts", "the answers that will do"),
        Column("is_none_acceptable", "flag", "true: the annotator said that none will do"),
        Column("strength", "number", "how much better the first is than the last, 0 to 1", True),
        Column("comment", "text", "what the annotator wrote"),
        Column("elapsed_s", "number", "how long it took, in seconds", True),
        Column("prompt", "messages", "the conversation up to the question"),
        Column("candidates", "candidates", "the answers: text, model, settings, how it ended"),
        Column("created_at", "text", "when it was ranked, as in ISO 8601"),
        Column("consent", "flag", "whether the owner agreed to this use"),
        Column("kind", "text", "rank, pick, repeat, check, edit or regenerate"),
        Column("tags", "texts", "tags"),
        Column("language", "text", "the language, as far as it is known"),
        Column("owner_id", "text", "who asked, by pseudonym"),
        Column("original", "text", "the row in JSON, where UTF-8 can't hold its texts", True),
        Column("split", "text", "train, validation or test"),
    ),
    _rows,
    from_row,
)
