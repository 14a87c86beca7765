"""A conversation that is too long loses its oldest turns, whole, and that is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.context import fit_context
from chat.errors import InvalidRequest
from chat.template import ChatTemplate
from chat.tokenizer import Tokenizer
from chat.types import Message
from tests.conftest import TEMPLATE, write_byte_tokenizer

CHAT = ChatTemplate(TEMPLATE)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    path = tmp_path_factory.mktemp("context") / "tokenizer.json"
    return Tokenizer.load(write_byte_tokenizer(path))


def turns(count):
    pairs = [(Message("user", f"q{i}"), Message("assistant", f"a{i}")) for i in range(count)]
    return [message for pair in pairs for message in pair][:-1]


def test_a_short_conversation_is_read_whole(tokenizer):
    prompt = fit_context(turns(3), CHAT, tokenizer, 1000)
    assert prompt.num_dropped == 0
    assert list(prompt.ids) == CHAT.encode(turns(3), tokenizer)


def test_the_oldest_turns_are_dropped_whole_and_counted(tokenizer):
    wanted = CHAT.encode(turns(5)[4:], tokenizer)
    prompt = fit_context(turns(5), CHAT, tokenizer, len(wanted) + 1)
    assert prompt.num_dropped == 4
    assert list(prompt.ids) == wanted


def test_the_system_message_stays(tokenizer):
    messages = [Message("system", "Be kind."), *turns(5)]
    wanted = CHAT.encode([messages[0], *turns(5)[-1:]], tokenizer)
    prompt = fit_context(messages, CHAT, tokenizer, len(wanted))
    assert list(prompt.ids) == wanted


def test_a_message_that_fits_in_no_context_is_refused_with_numbers(tokenizer):
    with pytest.raises(InvalidRequest, match=r"100,?003 tokens.*at most 50") as caught:
        fit_context([Message("user", "x" * 100_000)], CHAT, tokenizer, 50)
    assert caught.value.code == "context_length_exceeded"


@given(count=st.integers(1, 12), limit=st.integers(6, 120))
def test_what_is_kept_fits_and_one_turn_more_would_not(tokenizer, count, limit):
    messages = turns(count)
    prompt = fit_context(messages, CHAT, tokenizer, limit)
    assert len(prompt.ids) <= limit
    assert messages[prompt.num_dropped].role == "user"
    if prompt.num_dropped:
        longer = CHAT.encode(messages[prompt.num_dropped - 2 :], tokenizer)
        assert len(longer) > limit
