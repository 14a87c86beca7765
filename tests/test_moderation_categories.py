"""The names of what is looked for, and what others call it."""

import pytest

from moderation.categories import CATEGORIES, HAZARDS, find_uncovered, hazards_of, precedence


def test_every_hazard_is_told_in_categories_that_there_are():
    assert list(HAZARDS) == [f"S{number}" for number in range(1, 15)]
    for title, categories in HAZARDS.values():
        assert title and set(categories) <= set(CATEGORIES)


@pytest.mark.parametrize(
    ("category", "hazards"),
    [
        ("sexual/minors", ("S4",)),
        ("illicit/violent", ("S1", "S9")),
        ("hate/threatening", ("S1", "S10")),
        ("hate", ("S10",)),
        ("self-harm/intent", ("S11",)),
        ("pii/email", ("S7",)),
        ("secrets/jwt", ()),
        ("limits", ()),
        ("spoilers/film", ()),
        ("", ()),
    ],
)
def test_a_category_speaks_of_hazards(category, hazards):
    assert hazards_of(category) == hazards


def test_precedence_is_the_order_of_the_categories_and_the_unknown_come_last():
    places = [precedence(name) for name in (*CATEGORIES, "spoilers")]
    assert places == sorted(places) and len(set(places)) == len(places)
    assert precedence("pii/email") == precedence("pii")
    assert precedence("hate/other") == precedence("hate")


def test_a_kind_covers_its_category():
    assert "pii" not in find_uncovered(["pii/email"])
    assert set(find_uncovered([])) == set(CATEGORIES)
