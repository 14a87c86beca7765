"""Battles of two models as the arenas publish them, and as arena-rank reads them.

arena-rank takes ``model_a``, ``model_b`` and ``winner`` (model_a, model_b, tie or both_bad). The
other names are those of FastChat and of LMArena's public sets, whose files can be read too.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

from chat.errors import InvalidRequest
from chat.types import Message
from preferences.drops import Dropped, OnDrop, Options, Reason, fault_of, fault_of_answers
from preferences.formats.fields import messages_of, optional_number_of, text_of, texts_of, time_of
from preferences.formats.format import Column, Entry, Format, Row
from preferences.formats.made import content_id, make_judgement
from preferences.formats.trl import check_prompt, said, to_messages
from preferences.judgement import Candidate, Judgement
from preferences.samples import Record

# A battle of several turns: only the first answers follow the same prompt.
MULTI_TURN = "multi-turn"
_BOTH_BAD = frozenset({"both_bad", "tie (bothbad)", "bothbad"})


def _rows(records: Iterable[Record], options: Options, on_drop: OnDrop) -> Iterator[Entry]:
    for record in records:
        if isinstance(record, Judgement):
            yield from _battles_of(record, options, on_drop)


def _battles_of(judgement: Judgement, options: Options, on_drop: OnDrop) -> Iterator[Entry]:
    levels = judgement.levels()
    num_pairs = len(levels) * (len(levels) - 1) // 2
    ranked = [c for c in judgement.candidates if c.answer_id in levels]
    num_known = len(ranked) * (len(ranked) - 1) // 2
    if fault := fault_of(judgement, options):
        on_drop(Dropped(judgement.comparison.id, fault, num_pairs))
        return
    if num_known < num_pairs:
        on_drop(Dropped(judgement.comparison.id, "deleted", num_pairs - num_known))
    comparison = judgement.comparison
    split = options.splits.place(judgement.prompt, comparison.conversation_id)
    for one, other in combinations(ranked, 2):
        battle_id = comparison.id
        if num_pairs > 1:
            battle_id = f"{comparison.id}:{one.answer_id}:{other.answer_id}"
        if reason := _fault_of_battle(one, other, options):
            on_drop(Dropped(battle_id, reason))
        else:
            row = _to_row(judgement, battle_id, one, other)
            yield Entry(split, row | {"weight": 1 / num_pairs, "split": split})


def _fault_of_battle(one: Candidate, other: Candidate, options: Options) -> Reason | None:
    if one.model == other.model:
        return "same_model"
    return fault_of_answers((one, other), options)


def _to_row(judgement: Judgement, battle_id: str, one: Candidate, other: Candidate) -> Row:
    comparison = judgement.comparison
    asked = to_messages(judgement.prompt)
    moment = judgement.created_at
    return {
        "question_id": battle_id,
        "model_a": one.model,
        "model_b": other.model,
        "winner": _winner_of(judgement, one.answer_id, other.answer_id),
        "judge": judgement.annotator_id,
        "conversation_a": asked + said(one.text),
        "conversation_b": asked + said(other.text),
        "turn": sum(message.role == "user" for message in judgement.prompt),
        "anony": True,
        "language": judgement.language,
        "tstamp": (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp(),
        "tags": list(judgement.tags),
        "comparison_id": comparison.id,
        "conversation_id": comparison.conversation_id,
        "answer_a": one.answer_id,
        "answer_b": other.answer_id,
        "method": comparison.method,
        "probability": comparison.probability,
    }


def _winner_of(judgement: Judgement, one: str, other: str) -> str:
    levels = judgement.levels()
    if levels[one] != levels[other]:
        return "model_a" if levels[one] < levels[other] else "model_b"
    return "both_bad" if judgement.is_both_bad(one, other) else "tie"


def _parse(row: Mapping[str, Any], at: datetime) -> Judgement:
    said_by = messages_of(row, "conversation_a"), messages_of(row, "conversation_b")
    prompt, answers, is_whole = _part(*said_by)
    candidates = tuple(
        Candidate(
            text_of(row, f"answer_{side}", "") or content_id(prompt, side, text),
            text_of(row, f"model_{side}"),
            text,
            {},
            # The rest of what was judged isn't here: enough for a leaderboard, not to train on.
            finish_reason="stop" if is_whole else "length",
        )
        for side, text in zip("ab", answers, strict=True)
    )
    winner = text_of(row, "winner")
    battle_id = text_of(row, "question_id", "") or text_of(row, "id", "")
    judgement = make_judgement(
        {
            "question_id": battle_id,
            "comparison_ids": [battle_id] if battle_id else [],
            "conversation_id": text_of(row, "conversation_id", ""),
            "tags": [*texts_of(row, "tags"), *([] if is_whole else [MULTI_TURN])],
            "language": text_of(row, "language", ""),
        },
        prompt,
        candidates,
        _groups_of(winner, candidates[0].answer_id, candidates[1].answer_id),
        _moment_of(row, at),
        annotator_id=text_of(row, "judge", ""),
    )
    return replace(judgement, is_none_acceptable=winner in _BOTH_BAD)


def _part(
    one: tuple[Message, ...], other: tuple[Message, ...]
) -> tuple[tuple[Message, ...], tuple[str, str], bool]:
    """Return what both share, the answers at which they part, and whether these are the last."""
    last = min(len(one), len(other)) - 1
    shared = 0
    while shared < last and one[shared] == other[shared]:
        shared += 1
    prompt = check_prompt(one[: max(shared, 0)], "conversation_a")
    answers = one[shared], other[shared]
    if {answer.role for answer in answers} != {"assistant"}:
        raise InvalidRequest(
            "The two conversations don't part at answers of the assistant; both need the same "
            "questions in the same order.",
            param="conversation_b",
        )
    is_whole = len(one) == len(other) == shared + 1
    return prompt, (answers[0].content, answers[1].content), is_whole


def _groups_of(winner: str, one: str, other: str) -> tuple[tuple[str, ...], ...]:
    if one == other:
        raise InvalidRequest("Both answers have one id; give each its own.", param="answer_b")
    if winner == "model_a":
        return (one,), (other,)
    if winner == "model_b":
        return (other,), (one,)
    if winner == "tie" or winner in _BOTH_BAD:
        return ((one, other),)
    raise InvalidRequest(
        f"The winner is {winner[:60]!r}; allowed is model_a, model_b, tie or both_bad.",
        param="winner",
    )


def _moment_of(row: Mapping[str, Any], at: datetime) -> datetime:
    seconds = optional_number_of(row, "tstamp")
    if seconds is None:
        return time_of(row, "timestamp", at)
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidRequest(
            f"The column 'tstamp' is {seconds:g}; allowed are seconds since 1970.", param="tstamp"
        ) from None


ARENA = Format(
    "arena",
    "Battles of two models, as arena-rank reads them",
    "votes",
    (
        Column("question_id", "text", "the battle"),
        Column("model_a", "text", "who wrote the answer shown first"),
        Column("model_b", "text", "who wrote the answer shown later"),
        Column("winner", "text", "model_a, model_b, tie or both_bad"),
        Column("judge", "text", "who voted, by pseudonym"),
        Column("conversation_a", "messages", "the conversation with the first answer"),
        Column("conversation_b", "messages", "the conversation with the second answer"),
        Column("turn", "whole", "how many questions the user asked"),
        Column("anony", "flag", "true: the models weren't named"),
        Column("language", "text", "the language, as far as it is known"),
        Column("tstamp", "number", "when the vote was cast, in seconds since 1970"),
        Column("tags", "texts", "tags of the vote"),
        Column("comparison_id", "text", "the comparison; a ranking of k answers is many battles"),
        Column("conversation_id", "text", "the conversation"),
        Column("answer_a", "text", "the answer shown first"),
        Column("answer_b", "text", "the answer shown later"),
        Column("method", "text", "how the answers were drawn"),
        Column("probability", "number", "how likely that draw was"),
        Column("weight", "number", "1 / (k choose 2), for rankings of k answers"),
        Column("split", "text", "train, validation or test"),
    ),
    _rows,
    _parse,
)
