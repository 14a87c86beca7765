"""What must hold of judgements turned into arrays."""

import numpy as np
import pytest

from chat.errors import InvalidRequest
from preferences.battles import collect_battles
from preferences.style import STYLE_NAMES, measure_style
from preferences.synthetic import Crowd, make_battles, make_judgements
from preferences.winrates import count_wins
from tests.judgement_kit import judge


def rows(battles):
    """The battles as plain tuples, in any order."""
    return sorted(
        (battles.models[one], battles.models[other], outcome, round(weight, 9))
        for one, other, outcome, weight in zip(
            battles.first, battles.second, battles.outcome, battles.weight, strict=True
        )
    )


def test_a_ranking_of_four_is_six_pairs_that_weigh_one_vote():
    battles = collect_battles([judge("a>bc>d", shown="dcba")])
    assert battles.weight.sum() == pytest.approx(1)
    assert rows(battles) == [
        ("B", "A", 0.0, round(1 / 6, 9)),
        ("C", "A", 0.0, round(1 / 6, 9)),
        ("C", "B", 0.5, round(1 / 6, 9)),
        ("D", "A", 0.0, round(1 / 6, 9)),
        ("D", "B", 0.0, round(1 / 6, 9)),
        ("D", "C", 0.0, round(1 / 6, 9)),
    ]


def test_only_fresh_votes_on_different_models_count_and_the_rest_is_counted():
    battles = collect_battles(
        [
            judge("a>b"),
            judge("a>b", kind="repeat"),
            judge("a>b", kind="edit"),
            judge("a>b", models=("same", "same")),
            judge("a>b>c", blocked="c"),
        ]
    )
    assert len(battles) == 2
    assert battles.left_out == {"repeat": 1, "edit": 1, "same_model": 1, "blocked": 2}


def test_both_bad_is_marked_and_never_a_tie():
    votes = [judge("ab", is_none_acceptable=True), judge("ab", "bob"), judge("a>b", "eve")]
    battles = collect_battles(votes)
    assert battles.both_bad.tolist() == [True, False, False]
    counts = count_wins(battles)
    assert counts.both_bad == ((0, 1), (1, 0))
    assert counts.ties == ((0, 1), (1, 0))
    assert counts.wins == ((0, 1), (0, 0))
    assert (counts.num_battles(0, 1), counts.share(0, 1)) == (3, 0.75)
    assert counts.share(0, 0) is None


def test_one_may_prefer_an_answer_though_none_will_do():
    battles = collect_battles([judge("a>b", is_none_acceptable=True)])
    assert battles.outcome.tolist() == [1.0] and not battles.both_bad.any()


def test_nobody_and_nothing_give_an_empty_table():
    battles = collect_battles([], with_style=True)
    assert len(battles) == 0 and battles.covariates.shape == (0, len(STYLE_NAMES))
    assert count_wins(battles).to_json()["wins"] == []


def test_annotators_without_a_name_are_not_one_person():
    votes = [judge("a>b", "", minute=minute) for minute in range(3)]
    assert len(set(collect_battles(votes).cluster.tolist())) == 3


def test_slices_hold_the_rows_of_their_tag_language_model_and_month():
    battles = collect_battles(
        [
            judge("a>b>c", tags=("code", "code"), language="en"),
            judge("b>c", "bob", language="de", minute=60 * 24 * 40),
        ]
    )
    assert battles.slice_names() == (
        "language:de",
        "language:en",
        "model:A",
        "model:B",
        "model:C",
        "month:2026-03",
        "month:2026-04",
        "tag:code",
    )
    assert len(battles.only("tag:code")) == 3 and len(battles.only("language:de")) == 1
    assert len(battles.only("model:A")) == 2
    assert len(battles.only("model:C").only("month:2026-04")) == 1
    with pytest.raises(InvalidRequest, match="language:de"):
        battles.only("tag:code").only("language:de")


def test_style_is_measured_or_taken_as_given():
    votes = [judge("a>b", texts={"a": "long " * 30, "b": "short"})]
    words = STYLE_NAMES.index("words")
    assert collect_battles(votes, with_style=True).covariates[0, words] == pytest.approx(29 / 32)
    known = {"q-a": measure_style("short")}
    assert collect_battles(votes, with_style=True, styles=known).covariates[0, words] == 0
    assert collect_battles(votes).covariates.shape == (1, 0)


@pytest.mark.parametrize("crowd", [Crowd((0.0, 0.5, 1.0)), Crowd((0.0, 1.0, 2.0), num_shown=3)])
def test_the_short_way_from_synthetic_votes_gives_the_same_battles(crowd):
    by_objects = collect_battles(make_judgements(crowd, seed=3), with_style=True)
    by_arrays = make_battles(crowd, seed=3)
    assert by_objects.models == by_arrays.models
    for name in ("first", "second", "outcome", "weight"):
        assert np.allclose(getattr(by_objects, name), getattr(by_arrays, name))
    assert np.allclose(
        by_objects.covariates[:, STYLE_NAMES.index("words")], by_arrays.covariates[:, 0]
    )
    names = [by_objects.annotators[index] for index in by_objects.cluster]
    assert names == [by_arrays.annotators[index] for index in by_arrays.cluster]
