"""Files of changes: what was written is what is read, and everything else is found out."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.hub.changes import (
    DamagedFile,
    Names,
    decode,
    encode,
    has_deletions,
    is_change_file,
    time_of,
)

values = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())
columns = st.dictionaries(st.text(), values, max_size=4)
records = st.fixed_dictionaries({"table": st.text(), "row": columns}) | st.fixed_dictionaries(
    {"table": st.text(), "key": columns, "deleted": st.just(True)}
)


@given(st.lists(records, max_size=20), st.integers(1, 200))
def test_records_come_back_as_they_went_whatever_the_size_of_the_files(rows, max_bytes):
    files = list(encode(rows, max_bytes=max_bytes))
    assert [row for content in files for row in decode("name", content)] == rows


@given(st.lists(records, min_size=1, max_size=5), st.data())
def test_a_file_that_was_cut_off_is_found_out(rows, data):
    [content] = encode(rows)
    end = data.draw(st.integers(0, len(content) - 2))
    with pytest.raises(DamagedFile, match="name"):
        decode("name", content[:end])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"{}",
        b"[]\n",
        b'{"table": "t"}\n{"records": 1}\n',
        b'{"table": 1, "row": {}}\n{"records": 1}\n',
        b'{"table": "t", "key": {}}\n{"records": 1}\n',
        b'{"table": "t", "row": {}}\n{"records": 2}\n',
        b"[" * 100_000,
    ],
)
def test_what_is_no_file_of_changes_is_damaged(content):
    with pytest.raises(DamagedFile):
        decode("name", content)


def test_one_record_larger_than_a_file_gets_a_file_of_its_own():
    rows = [{"table": "t", "row": {"x": "y" * 1000}}] * 3
    assert len(list(encode(rows, max_bytes=10))) == 3


def test_names_sort_by_time_even_when_the_clock_is_set_back():
    times = iter([10, 5, 20, 20])
    start = datetime(2026, 11, 20, tzinfo=UTC)
    names = Names(lambda: start + timedelta(seconds=next(times)))
    given_names = [names.next() for _ in range(4)]
    assert given_names == sorted(given_names) and len(set(given_names)) == 4
    assert all(is_change_file(name) for name in given_names)
    assert time_of(given_names[0]) == start + timedelta(seconds=10)


def test_two_processes_never_give_the_same_name():
    start = datetime(2026, 11, 20, tzinfo=UTC)
    assert Names(lambda: start).next() != Names(lambda: start).next()


@pytest.mark.parametrize("name", ["palaver.json", "changes/x.jsonl", "changes/../x", "README.md"])
def test_other_files_are_not_taken_for_changes(name):
    assert not is_change_file(name)


def test_a_lone_surrogate_travels():
    [content] = encode([{"table": "t", "row": {"text": "\ud800"}}])
    assert decode("n", content) == [{"table": "t", "row": {"text": "\ud800"}}]
    assert json.loads(content.splitlines()[-1]) == {"records": 1}


def test_names_come_after_all_that_are_there_but_for_those_of_another_time(caplog):
    start = datetime(2026, 11, 20, tzinfo=UTC)
    ahead = Names(lambda: start + timedelta(days=3)).next()
    absurd = Names(lambda: start + timedelta(days=4000)).next()
    names = Names(lambda: start)
    names.follow(["palaver.json", ahead])
    assert names.next() > ahead and not caplog.text
    names.follow([ahead, absurd])
    assert ahead < names.next() < absurd
    assert "far future" in caplog.text
    names.follow([])


def test_a_time_that_there_is_not_is_no_name():
    assert not is_change_file("changes/20261350T250000.000000Z-abcdef01-000001.jsonl")


def test_deletions_are_seen():
    assert not has_deletions([{"table": "t", "row": {"deleted": True}}])
    assert has_deletions([{"table": "t", "row": {}}, {"table": "t", "key": {}, "deleted": True}])
