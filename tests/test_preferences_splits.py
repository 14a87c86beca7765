"""Splits that no prompt and no conversation straddles, and pseudonyms that name nobody."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import InvalidRequest
from chat.types import Message
from preferences.pseudonyms import pseudonym, pseudonymise
from preferences.splits import SPLITS, Splits, split_of
from tests.preferences_made import UNTIMED, judgement


def test_a_split_is_stable_and_as_large_as_it_should_be():
    places = Counter(
        split_of((Message("user", f"Question {i}"),), "", (0.8, 0.15, 0.05)) for i in range(5_000)
    )
    shares = [places[name] / 5_000 for name in SPLITS]
    assert shares == pytest.approx([0.8, 0.15, 0.05], abs=0.02)
    asked = (Message("user", "What is a boat?"),)
    assert split_of(asked, "") == "train"
    assert {split_of(asked, "", (0.5, 0.25, 0.25), str(salt)) for salt in range(30)} == set(SPLITS)


def test_a_prompt_and_its_variants_never_straddle():
    shares = (0.4, 0.3, 0.3)
    for i in range(200):
        first = Message("user", f"Tell me of Café {i}")
        variants = [
            (first,),
            (Message("system", "Be brief."), first),
            (first, Message("assistant", "Well."), Message("user", "More!")),
            (Message("user", f"  tell ME\nof CAFE\u0301 {i} "),),
        ]
        assert len({split_of(v, f"chat-{n}", shares) for n, v in enumerate(variants)}) == 1


@UNTIMED
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 8)), max_size=40), st.text())
def test_joined_conversations_never_straddle_even_when_edited(rows, salt):
    splits = Splits((0.4, 0.3, 0.3), salt)
    made = [((Message("user", f"prompt {p}"),), f"chat {c}") for p, c in rows]
    for prompt, chat in made:
        splits.join(prompt, chat)
    by_prompt, by_chat = {}, {}
    for prompt, chat in made:
        place = splits.place(prompt, chat)
        assert by_prompt.setdefault(prompt, place) == place
        assert by_chat.setdefault(chat, place) == place


def test_without_joins_both_ways_to_place_agree():
    prompt = (Message("user", "Hello?"),)
    assert Splits(salt="x").place(prompt, "chat") == split_of(prompt, "chat", salt="x")
    assert split_of((), "chat-1") == split_of((Message("system", "Hi."),), "chat-1")


@pytest.mark.parametrize("shares", [(1.0, 1.0, 0.0), (0.5, 0.6, -0.1), (0.5, 0.5)])
def test_shares_that_are_no_division_are_refused(shares):
    with pytest.raises(InvalidRequest, match="add up to 1"):
        Splits(shares)


def test_everything_can_be_for_training():
    splits = Splits((1.0, 0.0, 0.0))
    assert {splits.place((Message("user", str(i)),), "") for i in range(500)} == {"train"}


def test_pseudonyms_are_stable_keyed_and_of_16_hex_digits():
    name = pseudonym(b"key", "ada")
    assert name == pseudonym(b"key", "ada") and len(name) == 16 and int(name, 16) >= 0
    assert len({name, pseudonym(b"other", "ada"), pseudonym(b"key", "eve")}) == 3
    # printf ada | openssl dgst -sha256 -hmac key
    assert name == "708a727d2475357e"
    assert pseudonym(b"key", "") == ""
    assert pseudonym(b"key", "\ud800")
    with pytest.raises(AssertionError):
        pseudonym(b"", "ada")


def test_a_judgement_under_pseudonyms_names_nobody():
    made = replace(judgement(annotator="ada", comparison_id="c"), owner_id="bob")
    hidden = pseudonymise(made, b"key")
    assert "ada" not in repr(hidden.ranking) and "bob" not in repr(hidden)
    assert hidden.annotator_id == pseudonym(b"key", "ada")
    assert replace(hidden, ranking=made.ranking, owner_id="bob") == made
