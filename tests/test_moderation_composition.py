"""Categories put together from others: nothing falls, nothing appears from nowhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import ModeratorError
from moderation.classifiers.composition import STEPS, Composer, Step, compose

CATEGORIES = sorted({step.target for step in STEPS} | {p for step in STEPS for p in step.parts})
LEXICONS = sorted({name for step in STEPS for name in step.lexicons})
SCORES = st.dictionaries(st.sampled_from(CATEGORIES), st.floats(0, 1))
FOUND = st.sets(st.sampled_from(LEXICONS))


@given(SCORES, FOUND)
def test_no_score_falls_and_no_category_is_added(scores, found):
    told = compose(scores, found)
    assert told.keys() == scores.keys()
    assert all(scores[name] <= told[name] <= max(scores.values()) for name in scores)


@given(SCORES, FOUND)
def test_a_second_round_changes_nothing_that_matters(scores, found):
    once = compose(scores, found)
    assert compose(once, found).keys() == once.keys()
    assert max(compose(once, found).values(), default=0) == max(once.values(), default=0)


@given(SCORES)
def test_more_terms_never_lower_a_score(scores):
    few, many = compose(scores, ()), compose(scores, LEXICONS)
    assert all(few[name] <= many[name] for name in scores)


def test_a_sexual_text_with_a_term_for_minors_is_about_minors():
    scores = {"sexual": 0.8, "sexual/minors": 0.1}
    assert compose(scores, {"minors"})["sexual/minors"] == 0.8
    assert compose(scores, ())["sexual/minors"] == 0.1


def test_a_text_that_is_hardly_sexual_is_not_about_minors_for_naming_them():
    scores = {"sexual": 0.2, "sexual/minors": 0.0}
    assert compose(scores, {"minors"})["sexual/minors"] == 0.0


def test_hate_and_violence_make_threatening_hate_as_likely_as_the_lesser_of_them():
    scores = {"hate": 0.9, "violence": 0.6, "hate/threatening": 0.0}
    assert compose(scores, ())["hate/threatening"] == 0.6


def test_the_special_implies_the_general():
    scores = {"violence": 0.1, "violence/graphic": 0.7}
    assert compose(scores, ())["violence"] == 0.7


def test_steps_of_ones_own_are_followed_in_order():
    steps = [Step("b", ("a",), share=0.5), Step("c", ("b",))]
    assert compose({"a": 1.0, "b": 0.0, "c": 0.0}, (), steps) == {"a": 1.0, "b": 0.5, "c": 0.5}


def test_terms_are_whole_words_of_any_reading(tmp_path):
    for name in LEXICONS:
        (tmp_path / f"{name}.toml").write_text('terms = ["cat", "a+b c"]', encoding="utf-8")
    composer = Composer.load(tmp_path)
    scores = {"sexual": 0.8, "sexual/minors": 0.0}
    assert composer(scores, ["no match", "a cat!"])["sexual/minors"] == 0.8
    assert composer(scores, ["catalogue", "xa+b c"])["sexual/minors"] == 0.0
    assert composer(scores, ["odd \ud800 a+b c"])["sexual/minors"] == 0.8


@pytest.mark.parametrize("content", [None, "terms = 3", "terms = []", "words = ['a']", "terms = ["])
def test_a_broken_lexicon_is_named(tmp_path, content):
    for name in LEXICONS:
        if content is not None:
            (tmp_path / f"{name}.toml").write_text(content, encoding="utf-8")
    with pytest.raises(ModeratorError, match=f"{LEXICONS[0]}.toml"):
        Composer.load(tmp_path)


def test_the_lexicons_that_the_steps_name_are_there():
    Composer.load()
