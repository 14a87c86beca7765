"""Single answers that people called good or bad, and prompts: every mark is accounted for."""

from hypothesis import given
from hypothesis import strategies as st

from chat.types import Message
from preferences.drops import Options, Tally
from preferences.prompts import make_prompts
from preferences.samples import make_samples, marks_of, num_marks, question_of
from tests.preferences_made import UNTIMED, judgement, judgements, mark


def samples_of(*records, only_good=False, **options):
    tally = Tally()
    found = make_samples(records, Options(**options), tally, only_good=only_good)
    return list(found), tally.by_reason


def test_acceptable_marks_and_thumbs_are_counted_together():
    ranked = judgement("a>b", acceptable=frozenset("a"), annotator="1")
    thumbs = [mark("a", annotator="2"), mark("b", annotator="2"), mark("b", False, annotator="3")]
    samples, dropped = samples_of(ranked, *thumbs)
    assert {s.candidate.answer_id: (s.is_good, s.num_votes) for s in samples} == {
        "a": (True, 2), "b": (False, 3),
    }  # fmt: skip
    assert samples[0].origins == ("ranking", "rating")
    assert not dropped


def test_nobody_asked_is_not_none_acceptable():
    assert list(marks_of(judgement("a>b"))) == []
    bad = list(marks_of(judgement("a>b", is_none_acceptable=True)))
    assert [one.is_good for one in bad] == [False, False]


def test_only_good_answers_are_to_be_imitated():
    samples, dropped = samples_of(mark("a"), mark("b", False), only_good=True)
    assert [s.candidate.answer_id for s in samples] == ["a"]
    assert dropped == {"unaccepted": 1}


def test_a_correction_needs_no_second_vote():
    right = mark("fixed", origin="correction")
    assert len(samples_of(right, min_votes=3)[0]) == 1
    assert samples_of(mark("a"), min_votes=3) == ([], {"too_few_votes": 1})


def test_one_thumb_up_and_one_down_is_disagreement():
    assert samples_of(mark(annotator="1"), mark(is_good=False, annotator="2"))[1] == {
        "disagreement": 2
    }


@UNTIMED
@given(st.lists(judgements(), max_size=5), st.lists(st.booleans(), max_size=4), st.booleans())
def test_every_mark_is_in_a_row_or_has_a_reason(made, thumbs, only_good):
    marks = [mark(str(i % 2), good, annotator=str(i)) for i, good in enumerate(thumbs)]
    records = sorted([*made, *marks], key=question_of)
    tally = Tally()
    samples = list(make_samples(records, Options(), tally, only_good=only_good))
    total = sum(map(num_marks, records))
    assert sum(sample.num_votes for sample in samples) + tally.num == total


def test_each_prompt_comes_once_and_only_with_consent():
    tally = Tally()
    same = (Message("user", "Hello?"),)
    records = [
        judgement(question="1", prompt=same),
        judgement(question="1", prompt=same, annotator="other"),
        mark(question="2", prompt=same),
        mark(question="3", consent=False),
        judgement(question="4", consent=False),
        judgement(question="4", annotator="other"),
        judgement(question="5", prompt=()),
    ]
    prompts = list(make_prompts(records, Options(), tally))
    assert [prompt.id for prompt in prompts] == ["1", "4"]
    assert tally.by_reason == {"duplicate": 1, "no_consent": 1, "not_a_question": 1}
