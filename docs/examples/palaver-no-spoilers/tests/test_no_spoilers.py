"""The moderator keeps the contract, and finds what it is there to find."""

import pytest
from palaver_no_spoilers import NoSpoilers

from moderation.conformance import check_moderator


def test_it_keeps_the_contract() -> None:
    samples = ["In the end, the butler did it.", "Rosebud is a sl\u200bedge!"]
    assert check_moderator(NoSpoilers(), samples=samples) == []


def test_words_that_cannot_be_looked_for_are_refused() -> None:
    with pytest.raises(ValueError, match="words"):
        NoSpoilers(words=[""])
