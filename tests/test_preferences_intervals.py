"""What must hold of quantiles and intervals, by published tables."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preferences.intervals import Estimate, t_quantile, wilson


@pytest.mark.parametrize(
    ("level", "dof", "quantile"),
    [
        (0.95, 1, 12.7062),
        (0.95, 2, 4.30265),
        (0.95, 5, 2.57058),
        (0.95, 30, 2.04227),
        (0.99, 10, 3.16927),
        (0.80, 120, 1.28865),
        (0.95, 1e9, 1.95996),
        (0.95, 1e5, 1.95999),
    ],
)
def test_students_t_as_in_the_tables(level, dof, quantile):
    assert t_quantile(level, np.array([float(dof)]))[0] == pytest.approx(quantile, rel=2e-5)


def test_fewer_degrees_of_freedom_reach_further_and_none_have_no_end():
    reach = t_quantile(0.95, np.array([0.0, 0.3, 1.0, 1.5, 2.0, 100.0]))
    assert math.isinf(reach[0]) and (np.diff(reach) < 0).all()
    assert math.isinf(t_quantile(0.95, np.array([float("nan")]))[0])


def test_wilsons_interval_as_published():
    half = wilson(5, 10)
    assert (half.value, half.num_cases) == (0.5, 10)
    assert (half.lower, half.upper) == (
        pytest.approx(0.2366, abs=1e-4),
        pytest.approx(0.7634, abs=1e-4),
    )
    assert wilson(0, 10).upper == pytest.approx(0.2775, abs=1e-4)
    assert wilson(0, 10).lower == 0.0 and wilson(10, 10).upper == 1.0


def test_no_cases_give_no_value():
    assert wilson(0, 0) == Estimate(None, None, None, 0)


@given(st.integers(1, 1000), st.floats(0, 1))
def test_a_share_lies_in_its_interval(total, share):
    found = wilson(share * total, total)
    assert 0 <= found.lower <= found.value <= found.upper <= 1


def test_json_has_no_infinity():
    assert Estimate(math.nan, -math.inf, None, 3).to_json() == {
        "value": None,
        "lower": None,
        "upper": None,
        "num_cases": 3,
    }
