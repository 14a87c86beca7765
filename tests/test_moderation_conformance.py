"""The test kit passes what is right, and says what is wrong."""

import random
import threading
import time
from dataclasses import replace

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


class Batched(NoSpoilers):
    """Right in everything, in batches too, unless told otherwise."""

    def __init__(self, batch=list):
        super().__init__()
        self.batch = batch

    def check_batch(self, contexts):
        return self.batch([self.check(context) for context in contexts])


def raise_error(answers):
    raise ValueError("not today")


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        (lambda answers: answers[:-1], "not one answer for each text"),
        (lambda answers: answers[::-1], "judged differently from alone"),
        (lambda answers: [{"scores": {}} for _ in answers], "judged differently from alone"),
        (raise_error, "raises ValueError: not today"),
    ],
)
def test_a_batch_is_held_to_what_each_text_gets_alone(batch, said):
    assert check_moderator(Batched(), samples=SAMPLES[:1]) == []
    assert said in complaints(Batched(batch), samples=SAMPLES[:1])


class Stream:
    """Follows an answer."""

    def __init__(self, moderator, context):
        self.moderator, self.context = moderator, context
        self.text = ""
        self.is_closed = False

    def feed(self, text):
        self.text += text
        message = type(self.context.messages[-1])("assistant", self.text)
        return self.moderator.check(replace(self.context, messages=(message,)))

    def close(self):
        self.is_closed = True


class Forgetful(Stream):
    def feed(self, text):
        self.text = ""
        return super().feed(text)


class Fragile(Stream):
    def close(self):
        assert not self.is_closed
        super().close()


class Mute(Stream):
    def feed(self, text):
        return None


class Streamed(NoSpoilers):
    """Right in everything, and listens with `kind`."""

    def __init__(self, kind=Stream):
        super().__init__()
        self.kind = kind

    def open_stream(self, context):
        return self.kind(self, context)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Forgetful, "judged differently from `check`"),
        (Fragile, "raises AssertionError"),
        (Mute, "feed answers nothing"),
    ],
)
def test_a_stream_is_held_to_what_the_whole_text_gets(kind, said):
    assert check_moderator(Streamed(), samples=SAMPLES[:1]) == []
    assert said in complaints(Streamed(kind), samples=SAMPLES[:1])


def test_one_that_says_that_it_failed_is_a_problem_and_one_that_abstains_is_none():
    said = complaints(Wrong(lambda _: {"outcome": "error", "reason": "overloaded"}))
    assert "it has failed (overloaded)" in said
    assert check_moderator(Wrong(lambda _: {"outcome": "abstained"})) == []


def test_one_that_cannot_be_loaded_is_a_problem():
    (problem,) = check_named("no-such-thing")
    assert "no-such-thing" in problem.message
    (problem,) = check_named("limits", {"max_chars": -1})
    assert "max_chars" in problem.message


def test_the_texts_are_as_bad_as_they_get():
    assert max(map(len, TEXTS.values())) >= 1_000_000
    assert any("\ud800" in text for text in TEXTS.values())
