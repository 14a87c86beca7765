"""What must hold of the limits against vote-stuffing."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preferences.caps import cap_votes, question_key
from tests.judgement_kit import judge


def test_the_first_votes_of_a_person_and_day_are_kept():
    votes = [judge("a>b", "eve", item=str(minute), minute=minute) for minute in range(10)]
    votes += [judge("a>b", "ann", item="x"), judge("a>b", "eve", item="y", minute=60 * 24)]
    capped = cap_votes(votes[::-1], per_day=3)
    kept = [(one.annotator_id, one.comparison.question_id) for one in capped.kept]
    assert sorted(kept) == [("ann", "x"), ("eve", "0"), ("eve", "1"), ("eve", "2"), ("eve", "y")]
    assert capped.to_json() == {"kept": 5, "dropped": {"too_many_a_day": 7}}


def test_a_day_is_the_same_wherever_the_clock_stands():
    east = timezone(timedelta(hours=9))
    votes = [
        judge("a>b", item="x", minute=0),
        judge("a>b", item="y", minute=1),
    ]
    moved = [
        type(vote)(**{
            **{name: getattr(vote, name) for name in vote.__slots__},
            "created_at": datetime.fromtimestamp(vote.created_at.timestamp(), east),
        })
        for vote in votes
    ]  # fmt: skip
    assert len(cap_votes([votes[0], moved[1]], per_day=1).kept) == 1


def test_a_question_that_everybody_asks_counts_so_many_times():
    asked = ["Hi", " hi ", "HI", "ｈｉ", "hi\n", "bye"]
    votes = [
        judge("a>b", f"person-{place}", item=str(place), minute=place, question=question)
        for place, question in enumerate(asked)
    ]
    capped = cap_votes(votes, per_prompt=2)
    assert [one.prompt[-1].content for one in capped.kept] == ["Hi", " hi ", "bye"]
    assert capped.dropped == {"too_many_of_a_prompt": 3}


def test_weak_signals_are_neither_counted_nor_dropped():
    votes = [judge("a>b", item=str(place), kind="edit") for place in range(5)]
    assert len(cap_votes([*votes, judge("a>b")], per_day=1, per_prompt=1).kept) == 6


def test_no_limit_drops_nothing():
    votes = [judge("a>b", minute=minute) for minute in range(30)]
    capped = cap_votes(votes)
    assert len(capped.kept) == 30 and not capped.dropped
    assert cap_votes([]).kept == ()


@given(st.text())
def test_any_question_has_a_key(question):
    key = question_key(judge("a>b", question=question or "?"))
    assert key == " ".join(key.split())


@pytest.mark.parametrize("limit", [0, 1, 7])
def test_kept_and_dropped_are_all_there_were(limit):
    votes = [
        judge("a>b", f"p{place % 3}", item=str(place % 5), minute=place) for place in range(40)
    ]
    capped = cap_votes(votes, per_day=limit, per_prompt=limit)
    assert len(capped.kept) + sum(capped.dropped.values()) == 40
