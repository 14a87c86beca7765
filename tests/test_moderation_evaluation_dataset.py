"""Files of labelled texts: what is read, what is complained of."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import InvalidRequest
from moderation.categories import CATEGORIES
from moderation.evaluation.dataset import (
    HARMFUL,
    draw_samples,
    guess_language,
    parse_sample,
    read_samples,
)


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def complain(path) -> str:
    with pytest.raises(InvalidRequest) as raised:
        list(read_samples(path))
    return str(raised.value)


def test_a_row_is_read_with_all_that_it_says(tmp_path):
    row = {
        "text": "Guten Tag, wie geht es dir?",
        "labels": {"hate": 1, "sexual": 0, "violence": None, "made-up": 1},
        "source": "forum",
        "family": "post 7",
        "split": "test",
        "tags": ["quoted", "identity:women"],
    }
    (sample,) = read_samples(write(tmp_path / "a.jsonl", row))
    assert sample.messages[-1].content == row["text"] and sample.stage == "input"
    assert sample.labels == {"hate": True, "sexual": False, "made-up": True}
    assert sample.family == "post 7" and sample.is_unsafe
    assert set(sample.slices) == {
        ("source", "forum"),
        ("family", "post 7"),
        ("tag", "quoted"),
        ("tag", "identity"),
        ("tag", "identity:women"),
        ("language", "de"),
    }


def test_messages_that_end_with_an_answer_are_judged_as_output():
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    assert parse_sample({"messages": messages, "labels": {}}).stage == "output"
    assert parse_sample({"messages": messages[:1], "labels": {}}).stage == "input"
    assert (
        parse_sample({"messages": messages[:1], "labels": {}, "stage": "output"}).stage == "output"
    )


def test_a_plain_text_is_what_the_caller_says(tmp_path):
    (sample,) = read_samples(write(tmp_path / "a.jsonl", {"text": "x", "labels": {}}), "output")
    assert sample.stage == "output" and sample.messages[0].role == "assistant"


def test_a_plain_text_is_what_its_own_row_says_before_what_the_caller_does():
    sample = parse_sample({"text": "Sure!", "labels": {}, "stage": "output"})
    assert sample.stage == "output" and sample.messages[0].role == "assistant"
    sample = parse_sample({"text": "Why?", "labels": {}, "stage": "input"}, stage="output")
    assert sample.stage == "input" and sample.messages[0].role == "user"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({}, None),
        ({"hate": 0}, False),
        ({"hate": 0, "illicit": 1}, True),
        ({"bias": 1}, None),  # noted, not refused
        ({"bias": 1, "hate": 0}, False),
        ({"bias": 1, "sexual": 0}, None),
        ({"hate": 1, "unsafe": 0}, False),
        ({"unsafe": 1}, True),
    ],
)
def test_unsafe_is_any_harmful_category_that_is_known(labels, expected):
    assert parse_sample({"text": "x", "labels": labels}).is_unsafe is expected


def test_harmful_categories_are_ours():
    assert set(HARMFUL) <= set(CATEGORIES)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "is not JSON"),
        ("[1]", "allowed is an object"),
        ("{}", "'text' or 'messages'"),
        ('{"text": "a", "messages": [], "labels": {}}', "not both"),
        ('{"text": 7, "labels": {}}', "'text' is 7"),
        ('{"text": "a"}', "'labels' is missing"),
        ('{"text": "a", "labels": {"hate": "yes"}}', "'hate' is 'yes'; allowed are 0, 1 and null"),
        ('{"text": "a", "labels": {"hate": 0.4}}', "0.4"),
        ('{"text": "a", "labels": {"hate": NaN}}', "nan"),
        ('{"text": "a", "labels": {"hate": []}}', "[]"),
        ('{"messages": [], "labels": {}}', "at least one message"),
        ('{"messages": [{"role": "bot", "content": "x"}], "labels": {}}', "'bot'"),
        ('{"messages": [{"role": "user"}], "labels": {}}', "message 1"),
        ('{"text": "a", "labels": {}, "tags": "x"}', "'tags'"),
        ('{"text": "a", "labels": {}, "stage": "both"}', "input and output"),
        ('{"text": "a", "labels": {}, "source": []}', "'source'"),
        ("[" * 100_000, "Line 2"),
    ],
)
def test_a_bad_line_is_named_with_its_number_and_what_is_allowed(tmp_path, line, words):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "fine", "labels": {}}\n' + line + "\n")
    said = complain(path)
    assert "Line 2 of rows.jsonl" in said and words in said
    assert len(said) < 300 and "\n" not in said


def test_a_line_that_is_not_utf8_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"text": "\xff", "labels": {}}\n')
    assert "Line 1 of rows.jsonl is not UTF-8" in complain(path)


def test_an_empty_file_and_none_at_all_are_complained_of(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n \n")
    assert "has no rows" in complain(path)
    assert "can't be read" in complain(tmp_path / "nowhere.jsonl")
    assert "can't be read" in complain(tmp_path)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "a", "labels": {}}\r\n{"text": "b", "labels": {}}\r\n')
    assert [sample.messages[0].content for sample in read_samples(path)] == ["a", "b"]


def test_half_a_surrogate_pair_is_read_as_it_is(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "\\ud800", "labels": {}}\n')
    (sample,) = read_samples(path)
    assert sample.messages[0].content == "\ud800"


def test_a_huge_file_is_read_as_a_stream(tmp_path):
    path = tmp_path / "rows.jsonl"
    with path.open("w") as file:
        for number in range(600):
            file.write(json.dumps({"text": f"{number} " + "x" * 4_000, "labels": {}}) + "\n")
    read = []
    tracemalloc.start()
    assert sum(1 for _ in read_samples(path, on_bytes=read.append)) == 600
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(read) == path.stat().st_size
    assert peak < 800_000


def test_rows_without_a_family_are_families_of_their_own(tmp_path):
    path = write(tmp_path / "a.jsonl", *[{"text": "x", "labels": {}}] * 3)
    assert len({sample.family for sample in read_samples(path)}) == 3


def test_a_draw_keeps_the_order_and_gives_all_the_same_chance(tmp_path):
    samples = [parse_sample({"text": str(number), "labels": {}}) for number in range(20)]
    counts = dict.fromkeys(range(20), 0)
    for seed in range(400):  # the same draws in every run
        drawn = [int(each.messages[0].content) for each in draw_samples(samples, 5, seed)]
        assert drawn == sorted(set(drawn)) and len(drawn) == 5
        for number in drawn:
            counts[number] += 1
    assert min(counts.values()) > 60 and max(counts.values()) < 145  # 100 each, within 4 sigma
    assert draw_samples(samples, 50) == samples


@pytest.mark.parametrize(
    ("text", "language"),
    [("Где библиотека?", "cyrillic"), ("早上好，今天几点开门？", "zh"), ("where is it", "en")],
)
def test_a_language_is_guessed_or_at_least_the_script(text, language):
    assert guess_language(text) == language


@pytest.mark.parametrize("row", [{"language": "ch"}, {"tags": ["x", "lang:ch"]}])
def test_a_language_that_is_told_is_not_guessed(row):
    sample = parse_sample({"text": "where is it", "labels": {}, **row})
    assert ("language", "ch") in sample.slices and ("language", "en") not in sample.slices


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["text", "messages", "labels", "tags", "role", "content", "stage"]),
                inner,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_json_holds_is_a_sample_or_one_complaint(row):
    try:
        assert parse_sample(row).messages
    except ValueError as error:
        assert str(error)
