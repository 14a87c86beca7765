"""The test kit passes what is right, and says what is wrong."""

import random
import threading
import time

import pytest

from moderation.conformance import TEXTS, check_moderator, check_named


class NoSpoilers:
    """Right in everything, unless told otherwise."""

    def __init__(self, **manifest):
        self.manifest = {
            "name": "no-spoilers",
            "categories": ["spoilers"],
            "stages": ["output"],
            "hold_back": 17,
            **manifest,
        }

    def check(self, context):
        view = context.normalised
        start = view.text.find("the butler did it")
        spans = [(*view.locate(start, start + 17), "spoilers")] if start >= 0 else []
        return {"scores": {"spoilers": float(bool(spans))}, "spans": spans}


SAMPLES = ["The butler did it!", "Well: T.h.e b\u200butler did it"]


def complaints(moderator, **arguments) -> str:
    return "\n".join(map(str, check_moderator(moderator, **arguments)))


def test_a_moderator_that_keeps_the_contract_passes():
    assert check_moderator(NoSpoilers(), samples=SAMPLES[:1]) == []


@pytest.mark.parametrize(
    ("name", "samples"),
    [
        ("pii", ["Write to jane.doe@example.com today"]),
        ("rules", ["You should kill yourself now"]),
        ("limits", ["x" * 30_000]),
    ],
)
def test_what_is_built_in_passes(name, samples):
    assert check_named(name, samples=samples, timeout_s=60) == []


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ({"name": ""}, "no name"),
        ({"name": "no spoilers"}, "without spaces"),
        ({"stages": []}, "never|no stages"),
        ({"stages": ["questions"]}, "input, output"),
        ({"categories": []}, "no categories"),
    ],
)
def test_a_bad_manifest_is_a_problem(manifest, said):
    import re

    assert re.search(said, complaints(NoSpoilers(**manifest)))


class Wrong(NoSpoilers):
    """Answers as it is told."""

    def __init__(self, answer):
        super().__init__(stages=["input"])
        self.answer = answer

    def check(self, context):
        return self.answer(context.text)


def fine(text):
    return {"scores": {"spoilers": 0.0}}


def crash_on_surrogates(text):
    text.encode()
    return fine(text)


def crash_on_empty(text):
    return {"scores": {"spoilers": 1.0 if text[0] == "x" else 0.0}}


@pytest.mark.parametrize(
    ("answer", "about", "said"),
    [
        (crash_on_empty, "an empty text", "IndexError"),
        (crash_on_surrogates, "lone surrogates", "UnicodeEncodeError"),
        (lambda text: None, "an ordinary sentence", "no scores"),
        (lambda text: {"scores": {"x": 0.1}}, "one character", "'x', which its manifest"),
        (lambda text: {"scores": {"spoilers": 7}}, "emoji", "not from 0 to 1"),
        (lambda text: {**fine(text), "spans": [(0, 2, "spoilers")]}, "one character", "outside"),
        (lambda text: {"scores": {"spoilers": random.random()}}, "a text of spaces", "differently"),
    ],
)
def test_a_bad_answer_is_a_problem_that_says_where(answer, about, said):
    lines = complaints(Wrong(answer)).splitlines()
    assert any(line.startswith(about) and said in line for line in lines)


def test_a_hang_ends_the_trials():
    def hang_on_empty(text):
        if not text:
            time.sleep(600)
        return fine(text)

    (problem,) = check_moderator(Wrong(hang_on_empty), timeout_s=0.3)
    assert problem.about == "an empty text"
    assert "0.3 s" in problem.message


def test_too_small_a_hold_back_is_a_problem_with_its_number():
    said = complaints(NoSpoilers(hold_back=0), samples=SAMPLES)
    assert "hold_back is 0" in said
    assert "17 characters" in said


def test_a_sample_in_which_nothing_is_found_is_a_problem():
    assert "no score reaches 0.5" in complaints(NoSpoilers(), samples=["Nothing here"])


def test_one_that_mixes_up_its_threads_is_a_problem():
    class Shared(NoSpoilers):
        def check(self, context):
            self.text = context.text
            time.sleep(0.001)
            return {"scores": {"spoilers": float("sentence" in self.text[:100])}}

    class Careful(Shared):
        lock = threading.Lock()

        def check(self, context):
            with self.lock:
                return super().check(context)

    samples = ["a sentence"]
    assert "several threads at once" in complaints(Shared(), samples=samples)
    assert "several threads at once" not in complaints(Careful(), samples=samples)


def test_one_that_cannot_be_loaded_is_a_problem():
    (problem,) = check_named("no-such-thing")
    assert "no-such-thing" in problem.message
    (problem,) = check_named("limits", {"max_chars": -1})
    assert "max_chars" in problem.message


def test_the_texts_are_as_bad_as_they_get():
    assert max(map(len, TEXTS.values())) >= 1_000_000
    assert any("\ud800" in text for text in TEXTS.values())
