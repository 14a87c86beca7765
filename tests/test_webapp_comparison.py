"""Answers side by side as HTML, and what the page sends about them."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chat.errors import InvalidRequest
from chat.types import (
    Compared,
    Comparison,
    Generation,
    GenerationConfig,
    Message,
    Ranking,
    StoredMessage,
    ThreadMessage,
    Timings,
    Usage,
)
from tests.test_webapp_view import HOSTILE, assert_tame
from webapp.ui.actions import read_action, read_asked
from webapp.ui.comparison import Ballots, LiveComparison, ballot, live, rank_name, vote_line
from webapp.ui.language import choose, read_languages
from webapp.ui.thread import ThreadView

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = choose("en")
VIEW = ThreadView(WORDS, "CPUExecutionProvider")


def answer(answer_id, text="Fine.", model="secret-model"):
    made = Generation(model, GenerationConfig(), Usage(1, 1), Timings())
    stored = StoredMessage(answer_id, "q", Message("assistant", text), NOW, "stop")
    return ThreadMessage(stored, (answer_id,), made)


def compared(num_answers=2, ranking=None, **changes):
    shown = tuple(answer(f"a{number}", **changes) for number in range(num_answers))
    comparison = Comparison("cmp", "chat", "q", tuple(each.stored.id for each in shown))
    return Compared(comparison, shown, ranking)


def ranking(*groups, **more):
    return Ranking("cmp", "ana", groups, **more)


def thread(what, open_id="", answer_id="a0"):
    shown = next(each for each in what.answers if each.stored.id == answer_id)
    return VIEW.thread([shown], "", Ballots([what], open_id))


@pytest.mark.parametrize("num_answers", range(2, 9))
def test_each_answer_can_get_every_rank_and_is_named_to_those_who_cannot_see(num_answers):
    what = compared(num_answers)
    html = ballot(what, what.answers[0], WORDS)
    assert html.count('type="radio" name="rank-') == num_answers**2
    assert html.count('<fieldset class="ranks"><legend>Rank of answer ') == num_answers
    for letter in "ABCDEFGH"[:num_answers]:
        assert f'aria-label="Answer {letter}"' in html
    assert html.count("checked") == (num_answers == 2)  # no rank is suggested
    assert ('class="strength"' in html) is (num_answers == 2)
    assert_tame(html)


def test_who_wrote_what_is_not_said_before_it_is_ranked():
    what = compared()
    assert "secret-model" not in thread(what, open_id="cmp")
    passed_over = thread(what)
    assert "secret-model" not in passed_over and 'data-do="ballot"' in passed_over
    said = thread(replace(what, ranking=ranking(("a1",), ("a0",))))
    assert "1st Answer B (secret-model); 2nd Answer A (secret-model)" in said
    assert 'data-do="ballot"' in said and 'data-do="withdraw"' in said


def test_nothing_is_said_of_who_writes_and_how_fast_while_they_write():
    html = live(LiveComparison("Hi", ("", "")).grown(1, "Two *words*").ended(0, "One."), WORDS)
    assert "Answer A" in html and "Answer B" in html and "<em>words</em>" in html
    assert "tokens" not in html
    assert html.index("One.") < html.index("Two")


def test_ties_and_none_acceptable_are_told():
    said = vote_line(compared(3, ranking(("a2", "a0"), ("a1",), is_none_acceptable=True)), WORDS)
    assert "1st Answer C (secret-model) = Answer A (secret-model); 2nd Answer B" in said
    assert "None of them is acceptable" in said


def test_what_was_said_before_is_filled_in():
    said = ranking(("a1",), ("a0",), acceptable=frozenset({"a1"}), comment="Hm.", strength=0.6)
    html = ballot(compared(2, said), answer("a0"), WORDS)
    assert 'name="rank-a0" value="2" checked' in html
    assert 'name="rank-a1" value="1" checked' in html
    assert 'value="clearly" checked' in html and ">Hm.</textarea>" in html
    assert html.count('data-mark="acceptable" checked') == 1


def test_whatever_is_compared_stays_text():
    what = compared(2, text=HOSTILE, model=HOSTILE)
    assert_tame(ballot(what, what.answers[0], WORDS))
    assert_tame(vote_line(replace(what, ranking=ranking(("a0", "a1"), comment=HOSTILE)), WORDS))
    assert_tame(live(LiveComparison(HOSTILE, (HOSTILE, HOSTILE)), WORDS))


def test_where_nothing_can_be_compared_it_is_not_offered():
    assert 'data-do="compare"' not in VIEW.thread([answer("a0")])
    assert 'data-do="compare"' in VIEW.thread([answer("a0")], "", Ballots())


def test_the_newest_comparison_of_an_answer_counts():
    newest, oldest = compared(2), compared(3)
    assert Ballots([newest, oldest]).of("a0") is newest
    assert Ballots([newest, oldest]).of("a2") is oldest
    assert Ballots([newest, oldest]).of("x") is None


@pytest.mark.parametrize("code", read_languages())
def test_every_text_of_a_comparison_is_there_in_every_language(code):
    words = read_languages()[code]
    what = compared(2, ranking(("a0", "a1"), is_none_acceptable=True))
    html = ballot(what, what.answers[0], words) + vote_line(what, words)
    html += live(LiveComparison("Hi", ("", "")), words)
    assert "{" not in html
    assert len({rank_name(rank, words) for rank in range(1, 9)}) == 8


def test_a_vote_becomes_groups_by_rank():
    sent = {
        "do": "vote",
        "id": "cmp",
        "ranks": {"a": 3, "b": 1, "c": 3},
        "acceptable": ["b"],
        "strength": "much",
        "text": "Hm.",
    }
    made = read_action(json.dumps(sent)).to_ranking("ana")
    assert made.groups == (("b",), ("a", "c"))
    assert (made.acceptable, made.strength, made.comment) == ({"b"}, 1.0, "Hm.")
    tie = read_action(json.dumps({**sent, "ranks": {"a": 2, "b": 2}})).to_ranking("ana")
    assert (tie.groups, tie.strength) == ((("a", "b"),), None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"ranks": {"a": 0}},
        {"ranks": {"a": 9}},
        {"ranks": {str(number): 1 for number in range(9)}},
        {"ranks": ["a"]},
        {"strength": "very"},
        {"acceptable": ["x" * 201]},
    ],
)
def test_what_is_no_vote_is_refused(wrong):
    with pytest.raises(InvalidRequest):
        read_action(json.dumps({"do": "vote", "id": "cmp", **wrong}))


def test_a_comparison_is_asked_for_of_an_earlier_question():
    asked = read_asked(json.dumps({"regenerates": "q", "compares": True}))
    assert asked.is_anything and asked.compares
