"""Text from outside becomes safe to store and show, and otherwise stays as it is."""

from hypothesis import given
from hypothesis import strategies as st

from chat.text import clean_text


def test_nul_and_lone_surrogates_become_replacement_characters():
    assert clean_text("a\x00b\ud800c") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"


def test_line_ends_become_newlines():
    assert clean_text("a\r\nb\rc\n") == "a\nb\nc\n"


def test_right_to_left_text_and_emoji_stay_as_they_are():
    text = "שלום \u202eمرحبا\u202c 👩‍👩‍👧‍👦 🇫🇷"
    assert clean_text(text) == text


@given(st.text(st.characters(codec=None)))
def test_cleaned_text_can_always_be_encoded_and_cleaning_twice_changes_nothing(text):
    cleaned = clean_text(text)
    assert b"\x00" not in cleaned.encode("utf-8")
    assert clean_text(cleaned) == cleaned
