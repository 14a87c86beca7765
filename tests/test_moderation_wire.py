"""What a worker and its parent say to each other arrives as it was said, or not at all."""

import tomllib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.types import Message
from moderation.base import ModerationContext
from moderation.workers.wire import (
    MAX_LINE_BYTES,
    Garbled,
    Task,
    read_check,
    read_line,
    read_task,
    write_check,
    write_line,
    write_task,
)

TEXTS = st.text(st.characters(), max_size=50)  # lone surrogates among them
MESSAGES = st.builds(Message, st.sampled_from(["system", "user", "assistant"]), TEXTS)
CONTEXTS = st.builds(
    ModerationContext,
    st.lists(MESSAGES, min_size=1, max_size=5).map(tuple),
    st.sampled_from(["input", "output"]),
    st.booleans(),
    TEXTS,
)


@given(CONTEXTS, st.integers(min_value=0))
def test_a_check_arrives_as_it_was_asked_for(context: ModerationContext, number: int):
    line = write_check(number, context)
    assert line.isascii()
    assert line.count(b"\n") == 1
    message = read_line(line)
    assert message["check"] == number
    assert read_check(message) == context


@given(st.binary(max_size=200))
def test_no_line_does_worse_than_to_be_garbled(line: bytes):
    with suppress(Garbled):
        assert isinstance(read_line(line + b"\n"), dict)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"\n",
        b"\xff\x00\n",
        b"[]\n",
        b'"x"\n',
        b"[" * 100_000 + b"\n",
        b'{"done":' + b"9" * 5_000 + b"}\n",
        b"{" + b" " * MAX_LINE_BYTES + b"}\n",
    ],
    ids=range(9),
)
def test_what_is_no_message_is_garbled(line: bytes):
    with pytest.raises(Garbled):
        read_line(line)


def test_settings_arrive_with_every_kind_that_toml_has():
    config = tomllib.loads(
        'text = "é"\nnumber = 7\nreal = 1.5\nyes = true\nlist = [1, "x", [2]]\n'
        "day = 1979-05-27\nnoon = 12:00:00\nthen = 1979-05-27T07:32:00\n"
        "there = 1979-05-27T00:32:00.999-07:00\n[table]\ninner = { deep = 1979-05-27 }\n"
    )
    task = Task("module", "attribute", config, ("/a", "/b"), 8, 60.0)
    again = read_task(write_task(task))
    assert again.config == config
    assert (again.module, again.attribute, tuple(again.path)) == ("module", "attribute", task.path)


def test_a_setting_of_another_kind_is_refused_by_its_kind():
    with pytest.raises(TypeError, match="set is no kind of setting"):
        write_line({"config": {"words": {"a"}}})
