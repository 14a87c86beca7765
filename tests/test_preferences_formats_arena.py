"""Battles: as arena-rank reads them, and as the arenas publish theirs."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chat.errors import InvalidRequest
from chat.types import Message
from preferences.drops import Options, Tally
from preferences.formats import ARENA
from preferences.pairs import make_pairs
from tests.preferences_made import CHAT, NOON, candidate, judgement


def rows_of(*records):
    tally = Tally()
    return list(ARENA.rows(records, Options(), tally)), tally.by_reason


def read(row):
    return ARENA.read(json.loads(json.dumps(row)), NOON)


def outcome_as_arena_rank_maps_it(winner):
    """As arena_rank.utils.data_utils.default_outcome_map; strangers would silently be ties."""
    return {"model_a": 1.0, "model_b": 0.0, "tie": 0.5, "both_bad": 0.5}[winner]


def test_battles_have_the_columns_that_arena_rank_reads_the_earlier_shown_first():
    rows, _ = rows_of(judgement("c>a=b"))
    assert [(row["model_a"], row["model_b"], row["winner"]) for row in rows] == [
        ("model-a", "model-b", "tie"),
        ("model-a", "model-c", "model_b"),
        ("model-b", "model-c", "model_b"),
    ]
    assert [outcome_as_arena_rank_maps_it(row["winner"]) for row in rows] == [0.5, 0.0, 0.0]
    assert len({row["question_id"] for row in rows}) == 3
    assert rows[0]["tstamp"] == NOON.timestamp() and rows[0]["weight"] == 1 / 3


def test_a_tie_of_two_bad_answers_is_both_bad_only_where_somebody_asked():
    assert rows_of(judgement("a=b"))[0][0]["winner"] == "tie"
    bad = judgement("a=b", is_none_acceptable=True)
    assert rows_of(bad)[0][0]["winner"] == "both_bad"
    assert rows_of(judgement("a=b", acceptable=frozenset("b")))[0][0]["winner"] == "tie"


def test_a_model_does_not_battle_itself():
    twins = [candidate("a", model="tiny"), candidate("b", model="tiny")]
    assert rows_of(judgement(candidates=twins)) == ([], {"same_model": 1})


@pytest.mark.parametrize("changes", [{}, {"is_none_acceptable": True, "groups": "a=b"}])
def test_battles_come_back(changes):
    made = judgement(prompt=CHAT, tags=("code",), language="en", **changes)
    [row], _ = rows_of(made)
    again = replace(read(row), consent=True)
    assert again.candidates == made.candidates
    assert again.ranking == made.ranking and again.created_at == NOON
    [row_again], _ = rows_of(again)
    assert {**row, "method": 0, "comparison_id": 0} == {
        **row_again,
        "method": 0,
        "comparison_id": 0,
    }


def conversation(*texts):
    return [
        {"role": "assistant" if n % 2 else "user", "content": text} for n, text in enumerate(texts)
    ]


def test_battles_of_the_public_sets_are_read():
    fastchat = {
        "question_id": "58210e39b3fd4441a2bd4a518bb44c2d", "model_a": "chatglm-6b",
        "model_b": "koala-13b", "winner": "tie (bothbad)", "judge": "arena_user_973",
        "conversation_a": conversation("Hi?", "Yes."), "conversation_b": conversation("Hi?", "No."),
        "turn": 1, "anony": True, "language": "English", "tstamp": 1682351591.1322,
        "openai_moderation": {}, "toxic_chat_tag": {},
    }  # fmt: skip
    made = read(fastchat)
    assert made.is_none_acceptable and made.annotator_id == "arena_user_973"
    assert made.created_at - datetime(2023, 4, 24, tzinfo=UTC) < timedelta(days=1)
    parts = [{"type": "text", "text": "Hi?", "image": None}]
    lmarena = {
        "id": "7", "model_a": "x", "model_b": "y", "winner": "model_b", "language": "en",
        "conversation_a": [{"role": "user", "content": parts}, *conversation("", "A")[1:]],
        "conversation_b": [{"role": "user", "content": parts}, *conversation("", "B")[1:]],
        "timestamp": "2025-06-01T10:00:00+00:00",
    }  # fmt: skip
    made = read(lmarena)
    assert made.prompt == (Message("user", "Hi?"),)
    assert made.ranking.groups[0] == (made.candidates[1].answer_id,)
    assert made.comparison.id == "7"


def test_a_battle_of_several_turns_counts_but_is_not_trained_on():
    made = read({
        "model_a": "x", "model_b": "y", "winner": "model_a",
        "conversation_a": conversation("Hi?", "A1", "More?", "A2"),
        "conversation_b": conversation("Hi?", "B1", "More?", "B2"),
    })  # fmt: skip
    assert made.prompt == (Message("user", "Hi?"),) and "multi-turn" in made.tags
    tally = Tally()
    assert not list(make_pairs([replace(made, consent=True)], Options(), tally))
    assert tally.by_reason == {"truncated": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"winner": "left"}, "'left'"),
        ({"winner": None}, "'winner'"),
        ({"conversation_b": conversation("Other?", "No.")}, "part|end with"),
        ({"conversation_a": []}, "end with|conversation"),
        ({"tstamp": 1e300}, "tstamp"),
        ({"model_a": None}, "model_a"),
    ],
)
def test_a_broken_battle_is_refused_and_the_fault_named(changes, message):
    row = {
        "model_a": "x", "model_b": "y", "winner": "tie",
        "conversation_a": conversation("Hi?", "Yes."), "conversation_b": conversation("Hi?", "No."),
    }  # fmt: skip
    with pytest.raises(InvalidRequest, match=message):
        read(row | changes)
