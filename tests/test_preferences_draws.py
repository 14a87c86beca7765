"""Draws: who answers, with exactly the probability that is recorded."""

import itertools
import math
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import InvalidRequest
from preferences.draws import (
    Source,
    draw_sources,
    drop_identical,
    is_asked,
    shuffle_answers,
)
from tests.preferences_made import UNTIMED

WEIGHTS = st.lists(st.floats(0.01, 100), min_size=1, max_size=6)


def pool(weights):
    return [Source(f"m{index}", {}, weight) for index, weight in enumerate(weights)]


def chance_of_order(weights, order):
    """The chance of drawing exactly these, in this order, each once: from the definition."""
    left, chance = sum(weights), 1.0
    for index in order:
        chance *= weights[index] / left
        left -= weights[index]
    return chance


@UNTIMED
@given(WEIGHTS, st.integers(1, 6), st.integers())
def test_the_probability_is_that_of_all_orders_of_what_was_drawn(weights, num, seed):
    num = min(num, len(weights))
    draw = draw_sources(pool(weights), num, Random(seed))
    drawn = [int(source.model[1:]) for source in draw.sources]
    assert len(set(drawn)) == num
    orders = itertools.permutations(drawn)
    expected = math.fsum(chance_of_order(weights, order) for order in orders)
    assert draw.probability == pytest.approx(min(expected, 1.0), rel=1e-6)


@pytest.mark.parametrize("weights", [(1, 1, 1), (5, 1, 1), (1, 2, 3, 4)])
def test_draws_happen_as_often_as_their_probability_says(weights):
    rng, counts, chances = Random(1), Counter(), {}
    for _ in range(20_000):
        draw = draw_sources(pool(weights), 2, rng)
        key = frozenset(source.model for source in draw.sources)
        counts[key] += 1
        chances[key] = draw.probability
    assert len(counts) == math.comb(len(weights), 2)
    assert math.fsum(chances.values()) == pytest.approx(1.0)
    for key, count in counts.items():
        assert count / 20_000 == pytest.approx(chances[key], abs=0.015)


def test_with_fewer_sources_than_answers_each_answers_once_more():
    draw = draw_sources(pool([3, 1]), 5, Random(0))
    counts = Counter(source.model for source in draw.sources)
    assert sorted(counts.values()) == [2, 3]
    assert draw.probability == pytest.approx(0.75 if counts["m0"] == 3 else 0.25)
    assert {source.model for source in draw.sources[:2]} == {"m0", "m1"}


def test_one_source_is_drawn_again_and_again_for_sure():
    draw = draw_sources([Source("tiny", {"temperature": 0.7})], 4, Random(0))
    assert (len(draw.sources), draw.probability, draw.method) == (4, 1.0, "same")


def test_a_source_named_twice_is_one_with_both_weights():
    twice = [Source("a", {"top_k": 5}), Source("a", {"top_k": 5}), Source("b", weight=2.0)]
    draw = draw_sources(twice, 2, Random(0))
    assert sorted(source.model for source in draw.sources) == ["a", "b"]
    assert draw.method == "uniform"


def test_one_model_at_two_settings_is_two_sources():
    sources = [Source("a", {"temperature": 0.1}), Source("a", {"temperature": 1.0}, 3.0)]
    draw = draw_sources(sources, 2, Random(0))
    assert {source.settings["temperature"] for source in draw.sources} == {0.1, 1.0}
    assert draw.method == "weighted"


def test_a_weight_of_nothing_is_never_drawn():
    sources = [Source("off", weight=0.0), Source("on")]
    assert {s.model for s in draw_sources(sources, 8, Random(0)).sources} == {"on"}


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_a_weight_that_is_no_weight_is_named(weight):
    with pytest.raises(InvalidRequest, match="'odd'"):
        draw_sources([Source("odd", weight=weight)], 2, Random(0))


@pytest.mark.parametrize(
    ("sources", "num"), [([], 2), (pool([0.0]), 2), (pool([1.0]), 0), (pool([1.0]), 9)]
)
def test_draws_of_nothing_are_refused(sources, num):
    with pytest.raises(InvalidRequest):
        draw_sources(sources, num, Random(0))


def test_every_order_is_shown_as_often():
    rng = Random(2)
    counts = Counter(shuffle_answers(("a", "b", "c"), rng) for _ in range(12_000))
    assert len(counts) == 6
    assert all(abs(count - 2_000) < 250 for count in counts.values())


def test_nobody_is_asked_while_the_queue_is_long():
    rng = Random(0)
    assert not any(is_asked(1.0, 5, 4, rng) for _ in range(100))
    assert all(is_asked(1.0, 4, 4, rng) for _ in range(100))
    assert not any(is_asked(0.0, 0, 4, rng) for _ in range(100))
    assert 150 < sum(is_asked(0.2, 0, 4, rng) for _ in range(1_000)) < 250


@pytest.mark.parametrize("rate", [-0.1, 1.1, math.nan])
def test_a_rate_beyond_0_to_1_is_refused(rate):
    with pytest.raises(InvalidRequest, match="0 to 1"):
        is_asked(rate, 0, 4, Random(0))


def test_answers_that_look_the_same_are_asked_about_once():
    same = ["Hi  there.\n", " Hi there.", "Ｈｉ there.", "Hi there!", "Hi\u00a0there."]
    assert drop_identical(same) == (0, 3)
    assert drop_identical(["é", "e\u0301"]) == (0,)
    assert drop_identical([]) == ()
    assert drop_identical(["\ud800", "\ud801", "\ud800"]) == (0, 1)


def test_a_text_of_combining_marks_takes_no_time_to_fold():
    slow = "a" + "\u0301\u0316" * 200_000  # composed as a whole, this takes minutes
    assert drop_identical([slow, slow + "!"]) == (0, 1)
