"""What must hold of the model and its fit, by hand numbers and by derivatives taken numerically."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.errors import InvalidRequest
from preferences.davidson import (
    Design,
    collapse,
    fit,
    gradient,
    information,
    log_likelihood,
    outcome_shares,
    slopes,
)


def make_design(seed=0, num_models=4, count=60, num_extra=2):
    rng = np.random.default_rng(seed)
    first = rng.integers(num_models, size=count)
    second = (first + rng.integers(1, num_models, size=count)) % num_models
    won = rng.integers(-1, 2, size=count).astype(float)
    extra = rng.normal(size=(count, num_extra))
    return Design(num_models, first, second, won, rng.uniform(0.1, 2, count), extra)


def two_models(wins, ties, losses):
    won = np.array([1.0] * wins + [0.0] * ties + [-1.0] * losses)
    count = len(won)
    zeros, ones = np.zeros(count, dtype=np.int64), np.ones(count, dtype=np.int64)
    return Design(2, zeros, ones, won, np.ones(count), np.zeros((count, 0)))


def numeric_slope(function, at, step=1e-5):
    ways = np.eye(len(at)) * step
    return np.array([(function(at + way) - function(at - way)) / (2 * step) for way in ways])


def test_the_shares_are_davidsons():
    strong, weak, nu = 3.0, 0.5, 0.8
    first, tie, second = outcome_shares(np.array([math.log(strong / weak)]), math.log(nu))
    total = strong + weak + nu * math.sqrt(strong * weak)
    assert first[0] == pytest.approx(strong / total)
    assert tie[0] == pytest.approx(nu * math.sqrt(strong * weak) / total)
    assert second[0] == pytest.approx(weak / total)


def test_the_derivatives_are_those_of_the_likelihood():
    design = make_design()
    at = np.random.default_rng(1).normal(size=design.num_parameters)
    rise = numeric_slope(lambda where: log_likelihood(design, where), at)
    assert np.allclose(gradient(design, slopes(design, at)), rise, atol=1e-6)
    curve = -numeric_slope(lambda where: gradient(design, slopes(design, where)), at)
    assert np.allclose(information(design, slopes(design, at)), curve, atol=1e-6)


def test_two_models_have_the_estimates_that_one_finds_by_hand():
    found = fit(two_models(60, 20, 20), ridge=1e-9).parameters
    assert found[0] - found[1] == pytest.approx(math.log(60 / 20), abs=1e-5)
    assert math.exp(found[2]) == pytest.approx(20 / math.sqrt(60 * 20), abs=1e-5)


def test_the_expected_votes_of_known_strengths_give_these_strengths_back():
    theta, log_tie, advantage = np.array([-1.0, 0.2, 0.8]), -0.4, 0.3
    first, second = np.nonzero(~np.eye(3, dtype=bool))
    shares = outcome_shares(theta[first] - theta[second] + advantage, log_tie)
    rows = Design(
        3,
        np.tile(first, 3),
        np.tile(second, 3),
        np.repeat([1.0, 0.0, -1.0], len(first)),
        np.concatenate(shares) * 1000,
        np.ones((3 * len(first), 1)),
    )
    found = fit(rows, ridge=1e-8).parameters
    assert np.allclose(found, [*theta, log_tie, advantage], atol=1e-5)


def test_at_rest_the_penalised_likelihood_has_no_slope_and_thetas_sum_to_0():
    design = make_design(seed=5)
    found = fit(design, ridge=0.1)
    rise = gradient(design, slopes(design, found.parameters)) - 0.1 * found.parameters
    assert np.abs(rise).max() < 1e-6
    assert found.parameters[:4].sum() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("ridge", [1e-4, 0.1, 10.0])
@pytest.mark.parametrize(
    "counts", [(1, 0, 0), (0, 1, 0), (5000, 0, 0), (0, 5000, 0), (0, 0, 3), (1, 0, 1), (4999, 0, 1)]
)
def test_no_wins_no_ties_and_nothing_else_stay_finite(counts, ridge):
    found = fit(two_models(*counts), ridge=ridge).parameters
    assert np.isfinite(found).all() and np.abs(found).max() < 40
    assert np.sign(found[0] - found[1]).round() == np.sign(counts[0] - counts[2])


def test_numbers_that_are_none_are_refused_as_unsettled():
    design = make_design()
    broken = replace(design, weight=np.where(np.arange(60) == 7, np.nan, design.weight))
    with pytest.raises(InvalidRequest, match="settle") as caught:
        fit(broken)
    assert caught.value.code == "unconverged"


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(1, 200), st.floats(0.0, 3.0))
def test_collapsing_changes_nothing_but_the_number_of_rows(seed, count, constant):
    design = make_design(seed, count=count, num_extra=0)
    design = replace(design, extra=np.full((count, 1), constant))
    fewer, place = collapse(design)
    assert len(fewer.first) == len(np.unique(place)) <= min(count, 3 * 4 * 3)
    for name in ("first", "second", "won", "extra"):
        assert np.array_equal(getattr(fewer, name)[place], getattr(design, name))
    at = np.random.default_rng(seed).normal(size=design.num_parameters)
    assert log_likelihood(fewer, at) == pytest.approx(log_likelihood(design, at))


def test_rows_that_a_covariate_tells_apart_are_kept():
    design = make_design()
    same, place = collapse(design)
    assert same is design and np.array_equal(place, np.arange(60))
