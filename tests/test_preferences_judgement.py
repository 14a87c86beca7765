"""What must hold of the record of a vote, and of the check at the edge."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import InvalidRequest
from chat.types import Comparison, Ranking
from preferences.judgement import check_ranking
from tests.judgement_kit import judge

SHOWN = Comparison("cmp", "conv", "q", ("a", "b", "c"))


@pytest.mark.parametrize(
    ("groups", "named"),
    [
        ((("a",), ("b",), ("c", "x")), "'x'"),
        ((("a",), ("b",)), "'c'"),
        ((("a", "b"), ("b", "c")), "'b'"),
        ((), "'a', 'b', 'c'"),
        ((("a", "b", "c"), ()), "empty group"),
        ((("\ud800", "a"), ("b", "c")), "ud800"),
    ],
)
def test_a_ranking_of_other_answers_than_those_shown_is_refused_by_name(groups, named):
    with pytest.raises(InvalidRequest) as caught:
        check_ranking(SHOWN, Ranking("cmp", "ann", groups))
    assert named in str(caught.value) and caught.value.param == "groups"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"comparison_id": "other"}, "comparison_id"),
        ({"acceptable": frozenset({"x"})}, "acceptable"),
        ({"strength": 1.5}, "strength"),
        ({"strength": float("nan")}, "strength"),
        ({"elapsed_s": -1.0}, "elapsed_s"),
        ({"elapsed_s": float("inf")}, "elapsed_s"),
    ],
)
def test_what_makes_no_sense_beside_the_groups_is_refused_too(change, param):
    good = Ranking("cmp", "ann", (("a",), ("b", "c")), frozenset({"a"}), "", 0.5, 3.0)
    check_ranking(SHOWN, good)
    with pytest.raises(InvalidRequest) as caught:
        check_ranking(SHOWN, replace(good, **change))
    assert caught.value.param == param


@given(st.permutations(list("abc")), st.sets(st.integers(1, 2)))
def test_each_way_to_group_all_answers_is_accepted(order, cuts):
    ends = [0, *sorted(cuts), 3]
    groups = tuple(tuple(order[one:other]) for one, other in pairwise(ends))
    check_ranking(SHOWN, Ranking("cmp", "ann", groups))


def test_an_item_is_the_same_in_whatever_order_it_is_shown():
    assert judge("a>b", shown="ab").item == judge("b>a", "bob", shown="ba", minute=9).item
    assert judge("a>b").item != judge("a>c").item
    assert judge("a>b").item != judge("a>b", item="other").item


def test_nobody_asked_is_not_the_same_as_none_will_do():
    assert not judge("ab").is_both_bad("q-a", "q-b")
    assert judge("ab", is_none_acceptable=True).is_both_bad("q-a", "q-b")
    only_c = judge("c>ab", acceptable=frozenset({"q-c"}))
    assert only_c.is_both_bad("q-a", "q-b") and not only_c.is_both_bad("q-a", "q-c")
