"""Sampling settings outside what is allowed are refused by name."""

import pytest

from chat.errors import InvalidRequest
from chat.types import GenerationConfig


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_new_tokens", 0),
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("temperature", 2.1),
        ("top_k", -1),
        ("top_p", 1.5),
        ("min_p", float("inf")),
        ("repetition_penalty", 0.0),
        ("seed", 2**64),
        ("max_new_tokens", 10**400),
        ("temperature", 10**400),
        ("stop", ("a", "b", "c", "d", "e")),
        ("stop", ("",)),
    ],
)
def test_a_value_out_of_range_is_refused_naming_the_field_and_what_is_allowed(name, value):
    with pytest.raises(InvalidRequest, match=name) as caught:
        GenerationConfig(**{name: value})
    assert caught.value.param == name
    assert "allowed" in str(caught.value)


def test_the_bounds_themselves_are_allowed():
    config = GenerationConfig(temperature=0, top_p=1, top_k=0, seed=2**64 - 1, stop=("a",) * 4)
    assert config.temperature == 0
