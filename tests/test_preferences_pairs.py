"""Pairs: what votes say of two answers, and every vote that isn't in them accounted for."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.types import Message
from preferences.drops import MEANINGS, Options, Tally
from preferences.pairs import make_pairs
from preferences.samples import question_of
from preferences.seen import Seen
from preferences.texts import fold_text, is_same_text
from tests.preferences_made import HOSTILE, NOON, UNTIMED, candidate, judgement, judgements


def pairs_of(*given_judgements, **options):
    tally = Tally()
    return list(make_pairs(given_judgements, Options(**options), tally)), tally.by_reason


def won(pairs):
    return [(pair.chosen.answer_id, pair.rejected.answer_id) for pair in pairs]


def num_pairs(judgement):
    num = len(judgement.levels())
    return num * (num - 1) // 2


def test_a_ranking_with_a_tie_gives_the_pairs_of_different_groups():
    pairs, dropped = pairs_of(judgement("a>b=c"))
    assert won(pairs) == [("a", "b"), ("a", "c")]
    assert dropped == {"tie": 1}
    assert {pair.weight for pair in pairs} == {1 / 3}
    assert {pair.margin for pair in pairs} == {1.0}


def test_the_margin_is_the_distance_over_the_largest_one():
    pairs, _ = pairs_of(judgement("a>b>c"))
    assert {(p.chosen.answer_id, p.rejected.answer_id): p.margin for p in pairs} == {
        ("a", "b"): 0.5, ("a", "c"): 1.0, ("b", "c"): 0.5,
    }  # fmt: skip


def test_the_margin_is_what_the_annotators_of_the_majority_said():
    votes = [
        judgement("a>b", annotator="1", strength=0.5),
        judgement("a>b", annotator="2"),
        judgement("b>a", annotator="3", strength=1.0),
    ]
    assert pairs_of(*votes, margin="strength")[0][0].margin == 0.25
    assert pairs_of(*votes, margin="none")[0][0].margin == 0.0


def test_votes_on_one_pair_are_one_row_with_its_majority():
    votes = [judgement(g, annotator=str(i)) for i, g in enumerate(["a>b", "a>b", "b>a", "a=b"])]
    [pair], dropped = pairs_of(*votes)
    assert won([pair]) == [("a", "b")]
    assert (pair.num_votes, pair.agreement, pair.weight) == (4, 0.5, 0.5)
    assert pair.annotators == ("0", "1", "2", "3")
    assert len(pair.comparison_ids) == 4
    assert not dropped


@pytest.mark.parametrize(
    ("groups", "reason"),
    [(["a=b"], "tie"), (["a>b", "b>a"], "disagreement"), (["a=b", "a=b", "a>b"], "tie"),
     (["a>b", "b>a", "a=b"], "disagreement")],
)  # fmt: skip
def test_votes_without_a_winner_are_dropped(groups, reason):
    votes = [judgement(g, annotator=str(i)) for i, g in enumerate(groups)]
    assert pairs_of(*votes) == ([], {reason: len(groups)})


def test_too_few_or_too_divided_votes_are_dropped():
    votes = [judgement(g, annotator=str(i)) for i, g in enumerate(["a>b", "a>b", "b>a"])]
    assert pairs_of(*votes, min_votes=4) == ([], {"too_few_votes": 3})
    assert pairs_of(*votes, min_agreement=0.7) == ([], {"disagreement": 3})
    assert len(pairs_of(*votes, min_votes=3, min_agreement=0.6)[0]) == 1


def test_a_person_votes_once_and_the_newest_vote_counts():
    first = judgement("a>b", comparison_id="1")
    second = judgement("b>a", comparison_id="2", created_at=NOON + timedelta(hours=1))
    for order in ([first, second], [second, first]):
        pairs, dropped = pairs_of(*order)
        assert won(pairs) == [("b", "a")]
        assert dropped == {"duplicate": 1}


def test_people_without_a_name_are_not_one_person():
    [pair], dropped = pairs_of(judgement(annotator=""), judgement(annotator=""))
    assert pair.num_votes == 2 and not dropped


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"consent": False}, "no_consent"),
        ({"kind": "check"}, "check"),
        ({"kind": "repeat"}, "repeat"),
        ({"kind": "edit"}, "weak"),
        ({"kind": "regenerate"}, "weak"),
        ({"prompt": ()}, "not_a_question"),
        ({"prompt": (Message("assistant", "Hello."),)}, "not_a_question"),
    ],
)
def test_a_judgement_that_may_not_be_used_is_dropped_with_all_its_pairs(changes, reason):
    assert pairs_of(judgement("a>b>c>d", **changes)) == ([], {reason: 6})


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        ({"is_blocked": True, "has_pii": True}, "blocked"),
        ({"finish_reason": "content_filter"}, "blocked"),
        ({"has_pii": True}, "pii"),
        ({"finish_reason": "length"}, "truncated"),
        ({"finish_reason": "cancelled"}, "truncated"),
        ({"finish_reason": "error"}, "truncated"),
        ({"text": " \n"}, "empty"),
        ({"text": "The  answer\nb."}, "duplicate"),
    ],
)
def test_one_bad_answer_takes_only_its_own_pairs(faults, reason):
    bad = candidate("a", **faults)
    pairs, dropped = pairs_of(judgement("a>b>c", candidates=[bad]))
    if reason == "duplicate":
        assert won(pairs) == [("a", "c"), ("b", "c")] or won(pairs) == [("a", "c")]
        assert dropped["duplicate"] + len(pairs) == 3
    else:
        assert (won(pairs), dropped) == ([("b", "c")], {reason: 2})


def test_what_was_dropped_can_be_asked_for():
    cut = [candidate("a", finish_reason="length")]
    assert len(pairs_of(judgement(candidates=cut), include_truncated=True)[0]) == 1
    blocked = [candidate("a", is_blocked=True)]
    assert len(pairs_of(judgement(candidates=blocked), include_unsafe=True)[0]) == 1
    assert len(pairs_of(judgement(consent=False), require_consent=False)[0]) == 1


def test_an_answer_deleted_since_takes_its_pairs_along():
    left = judgement("a>b>c", shown=(candidate("b"), candidate("c")))
    pairs, dropped = pairs_of(left)
    assert (won(pairs), dropped) == ([("b", "c")], {"deleted": 2})


def test_a_weak_signal_is_a_pair_of_its_own_and_never_a_vote():
    weak = judgement("b>a", kind="edit", annotator="other")
    [pair], dropped = pairs_of(weak, include_weak=True, min_votes=5)
    assert (pair.kind, dropped) == ("edit", {})
    [pair], dropped = pairs_of(judgement("a>b"), weak, include_weak=True)
    assert (pair.kind, pair.num_votes, won([pair]), dropped) == (
        "vote",
        1,
        [("a", "b")],
        {"weak": 1},
    )


def test_the_same_texts_asked_twice_are_one_row():
    prompt = (Message("user", "Hello?"),)
    one, other = (judgement(question=q, prompt=prompt) for q in ("q1", "q2"))
    pairs, dropped = pairs_of(one, other)
    assert (len(pairs), dropped) == (1, {"duplicate": 1})
    against = judgement("b>a", question="q3", prompt=prompt)
    assert len(pairs_of(one, against)[0]) == 2


@UNTIMED
@given(st.lists(judgements(), max_size=6), st.integers(1, 2), st.booleans(), st.booleans())
def test_every_vote_is_in_a_row_or_has_a_reason(made, min_votes, include_weak, include_unsafe):
    made.sort(key=question_of)
    options = Options(min_votes, include_weak=include_weak, include_unsafe=include_unsafe)
    tally = Tally()
    pairs = list(make_pairs(made, options, tally))
    total = sum(map(num_pairs, made))
    assert sum(pair.num_votes for pair in pairs) + tally.num == total
    assert set(tally.by_reason) <= set(MEANINGS)
    assert all(0 <= pair.weight <= 1 and 0 <= pair.margin <= 1 for pair in pairs)


def test_hostile_texts_pass_through_unchanged():
    for text in HOSTILE:
        [pair], _ = pairs_of(judgement(candidates=[candidate("a", text)]))
        assert pair.to_preference().chosen == Message("assistant", text)


def test_what_was_seen_is_known_beyond_what_fits_the_newest_set(monkeypatch):
    monkeypatch.setattr("preferences.seen._MOST_FRESH", 10)
    rng, seen, plain = Random(0), Seen(), set()
    for _ in range(3_000):
        number = rng.choice([rng.randrange(1_500), 2**64 - 1 - rng.randrange(50)])
        assert seen.add(number) == (number not in plain)
        plain.add(number)
    assert len(seen) == len(plain)


@UNTIMED
@given(st.text(max_size=200), st.text(max_size=200))
def test_texts_are_the_same_exactly_when_they_fold_the_same(one, other):
    assert is_same_text(one, other) == (fold_text(one) == fold_text(other))
    assert is_same_text(one, f"  {one}\n")
