"""Rows into nouns and back; nothing else outside of the queries touches a row."""

from collections.abc import Iterable
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, cast

from chat.review import Mark, Review
from chat.types import (
    Comparison,
    Conversation,
    FinishReason,
    Generation,
    GenerationConfig,
    Message,
    Ranking,
    Rating,
    Role,
    Span,
    StoredMessage,
    Timings,
    Turn,
    Usage,
    Verdict,
)
from storage.clock import make_row_id
from storage.models import (
    ConversationRow,
    GenerationRow,
    MessageRow,
    RankingRow,
    RatingRow,
    ReviewRow,
    VerdictRow,
)

# What only matters while a text is being judged has no column.
_VERDICT_COLUMNS = frozenset(VerdictRow.__table__.columns.keys())


def to_conversation(row: ConversationRow, training_consent: bool) -> Conversation:
    return Conversation(
        row.id, row.owner_id, row.title, row.created_at, row.updated_at, training_consent
    )


def to_message(row: MessageRow) -> Message:
    return Message(cast(Role, row.role), row.content)


def to_stored_message(row: MessageRow) -> StoredMessage:
    reason = cast(FinishReason | None, row.finish_reason)
    return StoredMessage(row.id, row.parent_id, to_message(row), row.created_at, reason)


def to_generation(row: GenerationRow) -> Generation:
    known = {field.name for field in fields(GenerationConfig)}
    config = {name: value for name, value in row.config.items() if name in known}
    config["stop"] = tuple(config.get("stop", ()))
    return Generation(
        row.model,
        GenerationConfig(**config),
        Usage(row.prompt_tokens, row.completion_tokens),
        Timings(row.queued_ms, row.first_token_ms, row.total_ms),
        row.num_dropped,
        row.system_prompt,
        row.instructions,
        row.persona,
    )


def from_generation(turn: Turn) -> dict[str, Any]:
    return {
        "message_id": turn.answer_id,
        "model": turn.model,
        "config": asdict(turn.config),
        **asdict(turn.usage),
        **asdict(turn.timings),
        "num_dropped": turn.num_dropped,
        "system_prompt": turn.system_prompt,
        "instructions": turn.instructions,
        "persona": turn.persona,
    }


def to_verdict(row: VerdictRow) -> Verdict:
    plain = {
        field.name: getattr(row, field.name)
        for field in fields(Verdict)
        if field.name in _VERDICT_COLUMNS and field.name not in ("scores", "spans")
    }
    return Verdict(**plain, scores=dict(row.scores), spans=tuple(Span(*s) for s in row.spans))


def from_verdict(verdict: Verdict, message_id: str, at: datetime, position: int) -> dict[str, Any]:
    names = {field.name for field in fields(Verdict)} & _VERDICT_COLUMNS
    values = {name: getattr(verdict, name) for name in names}
    values["scores"] = dict(verdict.scores)
    values["spans"] = [[span.start, span.end, span.category, span.score] for span in verdict.spans]
    return values | {
        "id": make_row_id(at, position),
        "message_id": message_id,
        "created_at": at,
    }


def to_rating(row: RatingRow) -> Rating:
    value: Any = row.value
    return Rating(row.answer_id, row.annotator_id, value, tuple(row.tags), row.comment)


def from_comparison(comparison: Comparison, at: datetime) -> dict[str, Any]:
    return {
        "id": comparison.id,
        "conversation_id": comparison.conversation_id,
        "question_id": comparison.question_id,
        "method": comparison.method,
        "probability": comparison.probability,
        "origin": comparison.origin,
        "draw": dict(comparison.draw) or None,
        "created_at": at,
    }


def to_ranking(row: RankingRow) -> Ranking:
    return Ranking(
        row.comparison_id,
        row.annotator_id,
        tuple(tuple(group) for group in row.groups),
        frozenset(row.acceptable),
        row.comment,
        row.strength,
        row.elapsed_s,
        row.is_none_acceptable,
    )


def to_review(row: ReviewRow) -> Review:
    mark = cast(Mark, row.mark)
    categories = tuple(row.categories)
    return Review(row.verdict_id, row.reviewer_id, mark, categories, row.note, row.created_at)


def to_messages(rows: Iterable[MessageRow]) -> list[StoredMessage]:
    return [to_stored_message(row) for row in rows]
