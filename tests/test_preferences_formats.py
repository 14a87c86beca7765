"""Formats: rows as those who read them expect them, and the way back."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import InvalidRequest
from chat.types import Message
from preferences.drops import Options, Tally
from preferences.formats import FORMATS, find_format
from preferences.formats.rankings import from_row, to_row
from preferences.pairs import make_pairs
from preferences.samples import Mark, num_marks, question_of
from tests.preferences_made import (
    CHAT,
    NOON,
    QUESTIONS,
    UNTIMED,
    candidate,
    judgement,
    judgements,
    mark,
)

WRITTEN = [one for one in FORMATS.values() if one.make]


def rows_of(name, *records, **options):
    tally = Tally()
    return list(find_format(name).rows(records, Options(**options), tally)), tally.by_reason


def read(name, row):
    return find_format(name).read(json.loads(json.dumps(row)), NOON)


# -- all formats


@pytest.mark.parametrize("one", WRITTEN, ids=lambda one: one.name)
@UNTIMED
@given(made=st.lists(judgements(prompts=QUESTIONS), max_size=3))
def test_a_row_has_exactly_its_columns_and_is_json(one, made):
    made.sort(key=question_of)
    for row in one.rows(made, Options(require_consent=False), Tally()):
        assert list(row) == [column.name for column in one.columns]
        json.dumps(row, allow_nan=False)


@pytest.mark.parametrize("one", WRITTEN, ids=lambda one: one.name)
@UNTIMED
@given(made=st.lists(judgements(), max_size=4), thumbs=st.lists(st.booleans(), max_size=3))
def test_what_goes_in_comes_out_or_is_dropped(one, made, thumbs):
    marks = [mark(str(n), good, annotator=str(n)) for n, good in enumerate(thumbs)]
    records = sorted([*made, *marks], key=question_of)
    tally = Tally()
    entries = list(one.entries(records, Options(), tally))
    pairs = sum(math.comb(len(j.levels()), 2) for j in made)
    num_in = {
        "votes": pairs,
        "marks": sum(map(num_marks, records)),
        "rankings": len(made),
        "questions": len({question_of(record) for record in records}),
    }[one.unit]
    assert sum(entry.num for entry in entries) + tally.num == num_in


@pytest.mark.parametrize("one", [f for f in FORMATS.values() if f.parse], ids=lambda one: one.name)
@UNTIMED
@given(
    row=st.dictionaries(
        st.sampled_from(sorted({c.name for f in FORMATS.values() for c in f.columns})),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(st.sampled_from(["role", "content", "text"]), inner)
            ),
            max_leaves=6,
        ),
        max_size=8,
    )
)
def test_a_row_that_is_anything_at_all_is_read_or_clearly_refused(one, row):
    try:
        one.read(row, NOON)
    except InvalidRequest as error:
        assert str(error).endswith(".") and "\n" not in str(error)


def test_a_format_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(InvalidRequest, match=r"'csv'.*trl-preference"):
        find_format("csv")
    with pytest.raises(InvalidRequest, match="can be read"):
        rows_of("hh", judgement())


# -- raw rankings


@UNTIMED
@given(judgements())
def test_a_ranking_comes_back_as_it_was(made):
    assert from_row(json.loads(json.dumps(to_row(made)))) == made


def test_rankings_keep_what_training_leaves_out_but_not_what_is_unsafe():
    kinds = [judgement(kind=kind, annotator=kind) for kind in ("rank", "repeat", "check", "edit")]
    rows, dropped = rows_of("rankings", *kinds)
    assert [row["kind"] for row in rows] == ["rank", "repeat", "check", "edit"] and not dropped
    unsafe = judgement(candidates=[candidate("a", has_pii=True)])
    assert rows_of("rankings", unsafe)[1] == {"pii": 1}
    assert rows_of("rankings", judgement(consent=False))[1] == {"no_consent": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": [["a"], ["stranger"]]}, "stranger"),
        ({"groups": [["a"]]}, "leaves out"),
        ({"groups": [["a"], ["a", "b"]]}, "twice"),
        ({"answer_ids": ["a", "c"]}, "'c'|'b'"),
        ({"schema": 2}, "newer"),
        ({"prompt": [{"role": "root", "content": ""}]}, "prompt.role"),
        ({"created_at": "yesterday"}, "yesterday"),
        ({"candidates": [{"answer_id": "a"}]}, "'text'"),
        ({"probability": "1"}, "'probability'"),
        ({"strength": 7.0}, "strength"),
        ({"consent": "yes"}, "true or false"),
        ({"original": "{"}, "original"),
    ],
)
def test_a_broken_ranking_is_refused_and_the_fault_named(changes, message):
    with pytest.raises(InvalidRequest, match=message):
        read("rankings", to_row(judgement()) | changes)


def test_a_refusal_never_repeats_megabytes():
    with pytest.raises(InvalidRequest) as caught:
        read("rankings", to_row(judgement()) | {"consent": "x" * 1_000_000})
    assert len(str(caught.value)) < 200


# -- TRL


def test_a_trl_preference_has_the_prompt_once_and_one_answer_each():
    [row], _ = rows_of("trl-preference", judgement(prompt=CHAT, language="en", tags=("code",)))
    assert [message["role"] for message in row["prompt"]] == ["system", "user", "assistant", "user"]
    assert row["chosen"] == [{"role": "assistant", "content": "The answer a."}]
    assert row["rejected"] == [{"role": "assistant", "content": "The answer b."}]
    assert row["id"] == "q1:a:b" and row["tags"] == ["code"]


def test_a_trl_preference_read_back_gives_the_same_row():
    [row], _ = rows_of("trl-preference", judgement(prompt=CHAT))
    again = replace(read("trl-preference", row), consent=True)
    assert rows_of("trl-preference", again)[0] == [row]


def test_preferences_of_others_are_read_with_texts_and_with_the_prompt_repeated():
    asked = [{"role": "user", "content": "Hi?"}]
    for row in (
        {"prompt": "Hi?", "chosen": "Yes.", "rejected": "No."},
        {"prompt": "Hi?", "chosen": [*asked, {"role": "assistant", "content": "Yes."}],
         "rejected": [*asked, {"role": "assistant", "content": "No."}]},
    ):  # fmt: skip
        made = read("trl-preference", row)
        [pair] = make_pairs([made], Options(require_consent=False), Tally())
        assert pair.prompt == (Message("user", "Hi?"),)
        assert (pair.chosen.text, pair.rejected.text) == ("Yes.", "No.")
        assert not made.consent
        assert read("trl-preference", row) == made


def test_a_pair_of_one_answer_is_refused():
    with pytest.raises(InvalidRequest, match="are one"):
        read("trl-preference", {"prompt": "Hi?", "chosen": "Yes.", "rejected": "Yes."})


def test_where_the_order_shown_is_unknown_the_chosen_one_is_not_always_first():
    first = 0
    for n in range(200):
        made = read("trl-preference", {"prompt": "Hi?", "chosen": f"Yes {n}", "rejected": "No"})
        first += made.candidates[0].text.startswith("Yes")
        assert made.ranking.groups[0][0] in made.comparison.answer_ids
    assert 60 < first < 140


def test_unpaired_rows_are_labelled_and_come_back():
    rows, _ = rows_of("trl-unpaired", mark("a"), mark("b", False))
    assert [(row["completion"][0]["content"], row["label"]) for row in rows] == [
        ("The answer a.", True), ("The answer b.", False),
    ]  # fmt: skip
    assert replace(read("trl-unpaired", rows[1]), consent=True) == replace(
        mark("b", False), candidate=candidate("b")
    )


def test_sft_rows_are_conversations_that_end_with_the_good_answer():
    rows, dropped = rows_of("sft", mark("a", prompt=CHAT, origin="correction"), mark("b", False))
    assert [message["role"] for message in rows[0]["messages"]][-2:] == ["user", "assistant"]
    assert (len(rows), dropped) == (1, {"unaccepted": 1})
    again = read("sft", rows[0])
    assert isinstance(again, Mark) and again.origin == "correction" and again.prompt == CHAT


def test_prompts_alone_come_back():
    rows, _ = rows_of("prompt-only", judgement(prompt=CHAT))
    assert read("prompt-only", rows[0]).messages == CHAT
    assert read("prompt-only", {"prompt": "Hi?"}).messages == (Message("user", "Hi?"),)
    with pytest.raises(InvalidRequest, match="end with"):
        read("prompt-only", {"prompt": [{"role": "assistant", "content": "Hi!"}]})


# -- OpenAI


def check_openai(row):
    """Hold a row against the shape that OpenAI documents, and not a key more."""
    assert set(row) == {"input", "preferred_output", "non_preferred_output"}
    assert set(row["input"]) == {"messages", "tools", "parallel_tool_calls"}
    assert row["input"]["tools"] == [] and row["input"]["parallel_tool_calls"] is True
    messages = row["input"]["messages"]
    assert messages and messages[-1]["role"] == "user"
    for message in messages:
        assert set(message) == {"role", "content"} and isinstance(message["content"], str)
        assert message["role"] in {"system", "user", "assistant"}
    for name in ("preferred_output", "non_preferred_output"):
        [message] = row[name]
        assert set(message) == {"role", "content"}
        assert message["role"] == "assistant" and message["content"].strip()
    assert row["preferred_output"] != row["non_preferred_output"]


@UNTIMED
@given(st.lists(judgements(prompts=QUESTIONS), max_size=4))
def test_openai_rows_have_the_documented_shape(made):
    made.sort(key=question_of)
    for row in rows_of("openai-dpo", *made, require_consent=False)[0]:
        check_openai(row)


def test_openai_rows_come_back():
    [row], _ = rows_of("openai-dpo", judgement("b>a", prompt=CHAT))
    check_openai(row)
    again = replace(read("openai-dpo", row), consent=True)
    assert rows_of("openai-dpo", again)[0] == [row]


def test_openai_files_are_json_lines_only():
    assert find_format("openai-dpo").suffixes == (".jsonl",)


# -- HH


def test_hh_transcripts_are_read():
    start = "\n\nHuman: Hi?\n\nAssistant: Yes?\n\nHuman: Tell me:\na tale.\n\nAssistant:"
    made = read("hh", {"chosen": f"{start} Once.\n\nThe end.", "rejected": f"{start} No."})
    assert [m.role for m in made.prompt] == ["user", "assistant", "user"]
    assert made.prompt[-1].content == "Tell me:\na tale."
    [pair] = make_pairs([made], Options(require_consent=False), Tally())
    assert (pair.chosen.text, pair.rejected.text) == ("Once.\n\nThe end.", "No.")


@pytest.mark.parametrize(
    "rejected",
    ["", "No transcript", "\n\nHuman: Hi?", "\n\nHuman: Other?\n\nAssistant: No.",
     "x\n\nHuman: Hi?\n\nAssistant: No.", "\n\nAssistant: No."],
)  # fmt: skip
def test_hh_rows_that_are_no_pair_are_refused(rejected):
    with pytest.raises(InvalidRequest):
        read("hh", {"chosen": "\n\nHuman: Hi?\n\nAssistant: Yes.", "rejected": rejected})
