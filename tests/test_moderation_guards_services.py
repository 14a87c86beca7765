"""The moderators that ask a service: what they send, what they read, and how they fail."""

import asyncio
import hashlib
import hmac
import json
import re
import threading
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chat.errors import ModeratorError
from chat.types import Message, Span, Verdict
from moderation.base import NEVER_OPEN, ModerationContext
from moderation.chain import Chain
from moderation.conformance import check_moderator
from moderation.guards.exchange import ExchangeFailed
from moderation.guards.openai import OpenAiModerator
from moderation.guards.perspective import ATTRIBUTES, PerspectiveModerator
from moderation.guards.presets import PRESETS
from moderation.guards.presidio import PresidioModerator
from moderation.guards.service import Settings, TooLong, read_score, read_settings, split
from moderation.guards.webhook import WebhookModerator
from moderation.policy import Policy, Rule
from moderation.reading import read_verdict
from moderation.registry import load_moderators, read_config
from moderation.stream import OutputGate
from tests.guard_stand_in import Reply, stand_in

ALL_13 = OpenAiModerator.manifest.categories


def omni(*rows: dict[str, float], flagged: tuple[str, ...] = ()) -> dict[str, object]:
    """Answer as OpenAI's moderation does."""
    results = [
        {
            "flagged": bool(flagged),
            "categories": {name: name in flagged for name in ALL_13},
            "category_scores": {name: row.get(name, 0.001) for name in ALL_13},
            "category_applied_input_types": {name: ["text"] for name in ALL_13},
        }
        for row in rows
    ]
    return {"id": "modr-1", "model": "omni-moderation-2024-09-26", "results": results}


def attributes(**scores: float) -> dict[str, object]:
    """Answer as the Perspective API does."""
    entries = {
        name: {
            "spanScores": [{"begin": 0, "end": 1, "score": {"value": 0.1, "type": "PROBABILITY"}}],
            "summaryScore": {"value": scores.get(name, 0.01), "type": "PROBABILITY"},
        }
        for name in ATTRIBUTES
    }
    return {"attributeScores": entries, "languages": ["en"], "detectedLanguages": ["en"]}


def entity(kind: str, start: int, end: int, score: float = 0.85) -> dict[str, object]:
    """Answer as a Presidio analyzer does."""
    return {"analysis_explanation": None, "entity_type": kind, "start": start, "end": end,
            "recognition_metadata": {"recognizer_name": "x"}, "score": score}  # fmt: skip


MAKERS = {
    "openai": (OpenAiModerator, {}, omni({})),
    "perspective": (PerspectiveModerator, {}, attributes()),
    "presidio": (PresidioModerator, {}, []),
    "webhook": (WebhookModerator, {"categories": ["spoilers"]}, {"scores": {"spoilers": 0.0}}),
}


@pytest.fixture
def service():
    with stand_in() as running:
        yield running


@pytest.fixture
def make(service):
    made = []

    def build(maker: str, **options):
        kind, needed, answer = MAKERS[maker]
        service.answer(answer)
        options = {"url": service.url, "allow_private": True, "timeout_s": 5, **needed, **options}
        made.append(kind(**options))
        return made[-1]

    yield build
    for moderator in made:
        moderator.close()


def context(text: str, stage="input", *, before=(), is_partial=False) -> ModerationContext:
    role = "user" if stage == "input" else "assistant"
    return ModerationContext((*before, Message(role, text)), stage, is_partial, "de-CH")


def judge(moderator, text: str, stage="input") -> Verdict:
    asked = context(text, stage)
    return read_verdict(moderator.check(asked), moderator.manifest, asked)


# --- what goes wrong is the same for all


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (Reply({"error": "bad key"}, 401), "unauthorised"),
        (Reply({"error": "no access"}, 403), "unauthorised"),
        (Reply(None, 404), "misconfigured"),
        (Reply(None, 302, {"Location": "http://169.254.169.254/"}), "misconfigured"),
        (Reply(None, 429), "rate-limited"),
        (Reply(None, 500), "unavailable"),
        (Reply(raw=b"<html>"), "garbage"),
        (Reply("a text"), "garbage"),
        (Reply(3.5), "garbage"),
        (Reply(None), "garbage"),
        (Reply({"results": "no list"}), "garbage"),
        (Reply([["no", "entity"]]), "garbage"),
        (Reply(raw=b" " * 2_000_000), "too-large"),
        (Reply([], delay_s=30), "timeout"),
    ],
)
def test_a_failure_is_a_verdict_with_a_word(service, make, name: str, reply: Reply, word: str):
    moderator = make(name, timeout_s=0.5 if word == "timeout" else 5)
    service.answer(reply)
    verdict = judge(moderator, "Is this all right?")
    assert (verdict.outcome, verdict.reason, verdict.scores) == ("error", word, {})


@pytest.mark.parametrize("name", MAKERS)
def test_a_key_that_is_refused_never_lets_a_text_pass(service, make, name: str):
    async def decide(status: int) -> bool:
        service.answer(Reply({}, status))
        moderator = make(name)
        service.answer(Reply({}, status))
        policy = Policy("p", "1", {}, on_error={"input": "open", "output": "open"})
        chain = Chain((moderator,), policy)
        try:
            decisions = [await chain.check(context("Is this all right?")) for _ in range(12)]
        finally:
            chain.close()
        return any(not decision.is_refused for decision in decisions)

    assert {"unauthorised", "misconfigured"} <= NEVER_OPEN
    assert not asyncio.run(decide(401))
    assert asyncio.run(decide(500))


@pytest.mark.parametrize("name", MAKERS)
def test_each_keeps_the_contract(service, make, name: str):
    """It has something to say of every text of the kit, a megabyte among them."""
    moderator = make(name, max_parts=400, max_chars=2_000_000, timeout_s=30)
    if name == "openai":
        service.script = lambda request: Reply(omni(*({} for _ in request.body["input"])))
    assert check_moderator(moderator, timeout_s=60) == []


@pytest.mark.parametrize("name", MAKERS)
def test_the_manifest_can_be_read_without_settings(name: str):
    manifest = MAKERS[name][0].manifest
    assert manifest.name == name and manifest.needs_network


@pytest.mark.parametrize("name", MAKERS)
def test_a_text_too_long_for_all_parts_is_a_failure(service, make, name: str):
    moderator = make(name, max_chars=500, max_parts=2)
    assert judge(moderator, "word " * 1_000).reason == "too-long"
    assert service.requests == []


@pytest.mark.parametrize("name", MAKERS)
def test_keys_are_neither_shown_nor_logged(make, name: str, caplog):
    caplog.set_level("DEBUG")
    moderator = make(name, api_key="very-secret-key")
    judge(moderator, "hello")
    shown = repr(moderator) + repr(vars(moderator)) + repr(moderator._settings) + caplog.text
    assert "very-secret-key" not in shown


# --- settings


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"ulr": "https://a.example.com"}, "'ulr'.*url, api_key"),
        ({"url": "http://127.0.0.1:1"}, "allow_private = true"),
        ({"timeout_s": 0}, "timeout_s.* 0"),
        ({"timeout_s": float("nan")}, "timeout_s.*nan"),
        ({"timeout_s": "2"}, "timeout_s.*'2'"),
        ({"max_chars": 10}, "max_chars.*10"),
        ({"max_parts": 0}, "max_parts.*0"),
        ({"every_chars": 7}, "every_chars.*7"),
        ({"allow_private": "yes"}, "allow_private.*true or false"),
        ({"stages": ["in"]}, "stages.*input, output"),
        ({"stages": []}, "stages"),
        ({"stages": "input"}, "stages.*'input'; allowed is a list"),
        ({"stages": [["input"]]}, "stages.*a list of input"),
        ({"stages": 3}, "stages.*3"),
        ({"headers": 3}, "no setting 'headers'"),
        ({"url": ["https://a.example.com"]}, "url.*a text"),
        ({"api_key": 5}, "api_key.*no text"),
        ({"api_key": "a\nb"}, "odd characters"),
        ({"api_key_file": "/nowhere/key"}, "/nowhere/key"),
    ],
)
def test_wrong_settings_say_what_is_right(given, told: str):
    with pytest.raises(ModeratorError, match=told) as caught:
        read_settings("openai", {"url": "https://a.example.com", **given})
    assert "'openai'" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "given", "told"),
    [
        (PerspectiveModerator, {"attributes": {"INSULT": 3}}, "attributes"),
        (PresidioModerator, {"allow_private": True, "score_threshold": 2}, "score_threshold"),
        (WebhookModerator, {"url": "https://a.example.com", "categories": "x"}, "categories"),
        (WebhookModerator, {"url": "https://a.example.com", "categories": []}, "categories"),
        (
            WebhookModerator,
            {"url": "https://a.example.com", "categories": ["x"], "history": -1},
            "history",
        ),
        (WebhookModerator, {"categories": ["x"]}, "url"),
        (
            WebhookModerator,
            {"url": "https://a.example.com", "categories": ["x"], "secret": 5},
            "secret",
        ),
        (PresidioModerator, {"allow_private": True, "entities": ["NRP"]}, "entities"),
        (PresidioModerator, {"allow_private": True, "entities": 3}, "entities"),
        (PresidioModerator, {"allow_private": True, "language": ["en"]}, "language"),
        (PresidioModerator, {"allow_private": True, "score_threshold": True}, "score_threshold"),
        (PerspectiveModerator, {"attributes": ["INSULT"]}, "attributes.*INSULT = "),
        (PerspectiveModerator, {"attributes": 3}, "attributes"),
        (PerspectiveModerator, {"languages": "en"}, "languages.*'en'; allowed is a list"),
        (PerspectiveModerator, {"languages": [1]}, "languages"),
        (OpenAiModerator, {"model": 3}, "model"),
        (OpenAiModerator, {"trust_flags": "no"}, "trust_flags.*true or false"),
        (WebhookModerator, {"url": "https://a.example.com", "categories": 3}, "categories"),
        (WebhookModerator, {"url": "https://a.example.com", "categories": [1]}, "categories"),
        (WebhookModerator, {"url": "https://a.example.com", "categories": {"x": 1}}, "categories"),
        (
            WebhookModerator,
            {"url": "https://a.example.com", "categories": ["x"], "name": ["webhook"]},
            "name",
        ),
        (
            WebhookModerator,
            {"url": "https://a.example.com", "categories": ["x"], "version": 2},
            "version.*a text",
        ),
    ],
)
def test_wrong_settings_of_ones_own_say_what_is_right(kind, given, told: str):
    with pytest.raises(ModeratorError, match=told):
        kind(**given)


def test_the_key_may_be_in_a_file(tmp_path, service):
    path = tmp_path / "key"
    path.write_text("from-a-file\n")
    moderator = OpenAiModerator(url=service.url, allow_private=True, api_key_file=str(path))
    service.answer(omni({}))
    judge(moderator, "hello")
    moderator.close()
    assert service.requests[0].headers["authorization"] == "Bearer from-a-file"


@given(st.integers(0, 3_000), st.integers(500, 900))
def test_parts_leave_nothing_out(length: int, max_chars: int):
    text = "".join(chr(0x4E00 + place % 5_000) for place in range(length))
    settings = Settings(url="https://a.example.com", max_chars=max_chars, max_parts=9)
    try:
        parts = split(text, settings)
    except TooLong:
        assert length > max_chars * 4
        return
    assert all(part == text[start : start + len(part)] for start, part in parts)
    assert all(len(part) <= max_chars for _, part in parts)
    seen = {place for start, part in parts for place in range(start, start + len(part))}
    assert seen == set(range(length))


@given(st.one_of(st.floats(), st.integers(), st.text(), st.none(), st.booleans()))
@example(10**400)
def test_a_score_is_from_0_to_1_or_none(value):
    try:
        assert 0.0 <= read_score(value) <= 1.0
    except ExchangeFailed as error:
        assert error.reason == "garbage"


# --- each of them


def test_openai_sends_the_bare_text_and_reads_13_scores(service, make):
    moderator = make("openai", api_key="k")
    service.answer(omni({"hate": 0.9, "violence": 0.4}, flagged=("hate", "violence")))
    verdict = judge(moderator, "a text")
    [request] = service.requests
    assert request.path == "/moderations" and request.headers["authorization"] == "Bearer k"
    assert request.body == {"model": "omni-moderation-latest", "input": ["a text"]}
    assert set(verdict.scores) == set(ALL_13)
    assert (verdict.scores["hate"], verdict.scores["violence"]) == (0.9, 0.5)
    untrusting = make("openai", trust_flags=False)
    service.answer(omni({"violence": 0.4}, flagged=("violence",)))
    assert judge(untrusting, "a text").scores["violence"] == 0.4


def test_openai_passes_over_categories_that_are_null_or_new(service, make):
    moderator = make("openai")
    answer = omni({"hate": 0.2})
    answer["results"][0]["category_scores"].update({"illicit": None, "weather": 0.9})
    service.answer(answer)
    verdict = judge(moderator, "a text")
    assert "illicit" not in verdict.scores and "weather" not in verdict.scores


def test_openai_judges_many_texts_in_one_call(service, make):
    moderator = make("openai", max_chars=500, max_parts=3)

    def script(request):
        return Reply(omni(*({"hate": 0.9 if "bad" in t else 0.1} for t in request.body["input"])))

    service.script = script
    texts = ["good", "bad", "word " * 200 + "bad", "", "x" * 5_000]
    verdicts = moderator.check_batch([context(text) for text in texts])
    assert len(service.requests) == 1
    assert [v.scores.get("hate") for v in verdicts] == [0.1, 0.9, 0.9, 0.1, None]
    assert verdicts[-1].reason == "too-long"
    service.answer(Reply(None, 401))
    assert [v.reason for v in moderator.check_batch([context("a"), context("b")])] == [
        "unauthorised"
    ] * 2


@pytest.mark.parametrize(
    "results",
    [None, [], [{}], [{"category_scores": {}, "categories": {}}], [None], [{}, {}],
     [{"category_scores": {"hate": 2}, "categories": {}}], [{"category_scores": {"hate": 0.1}}],
     [{"category_scores": {"hate": "x"}, "categories": {}}],
     [{"category_scores": {"hate": True}, "categories": {}}]],
)  # fmt: skip
def test_openai_takes_no_other_shape(service, make, results):
    moderator = make("openai")
    service.answer({"results": results})
    assert judge(moderator, "a text").reason == "garbage"


def test_perspective_asks_for_attributes_not_to_be_stored(service, make):
    moderator = make("perspective", api_key="k", languages=["en"])
    service.answer(attributes(TOXICITY=0.3, INSULT=0.8, THREAT=0.2, PROFANITY=0.7))
    verdict = judge(moderator, "a text")
    [request] = service.requests
    assert request.path == "/comments:analyze" and request.headers["x-goog-api-key"] == "k"
    assert request.body["comment"] == {"text": "a text"} and request.body["doNotStore"] is True
    assert request.body["languages"] == ["en"]
    assert set(request.body["requestedAttributes"]) == set(ATTRIBUTES)
    assert verdict.scores["harassment"] == 0.8 and verdict.scores["profanity"] == 0.7


def test_perspective_abstains_from_languages_it_does_not_know(service, make):
    moderator = make("perspective")
    details = [{"errorType": "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE"}]
    service.answer(Reply({"error": {"code": 400, "details": details}}, 400))
    assert judge(moderator, "ein Text").outcome == "abstained"
    service.answer(Reply({"error": {"code": 400, "details": []}}, 400))
    assert judge(moderator, "ein Text").reason == "rejected"
    assert judge(moderator, "  ").outcome == "abstained"


def test_perspective_asks_about_every_part(service, make):
    moderator = make("perspective", max_chars=500)

    def script(request):
        is_bad = "awful" in request.body["comment"]["text"]
        return Reply(attributes(THREAT=0.9 if is_bad else 0.1))

    service.script = script
    verdict = judge(moderator, "word " * 300 + "awful")
    assert verdict.scores["harassment/threatening"] == 0.9 and len(service.requests) > 3


@pytest.mark.parametrize(
    "answer",
    [{}, {"attributeScores": []}, {"attributeScores": {"TOXICITY": {}}},
     {"attributeScores": {"TOXICITY": {"summaryScore": {"value": "high"}}}}],
)  # fmt: skip
def test_perspective_takes_no_other_shape(service, make, answer):
    moderator = make("perspective")
    service.answer(answer)
    assert judge(moderator, "a text").reason == "garbage"


def test_presidio_locates_what_it_finds(service, make):
    moderator = make("presidio", entities={"NRP": "pii/group"})
    text = "😀 Ann Lee, a Quaker, lives in Bern since 1999"
    service.answer(
        [entity("PERSON", 2, 9), entity("LOCATION", 30, 34, 0.6), entity("DATE_TIME", 41, 45),
         entity("NRP", 13, 19), entity("US_PASSPORT", 0, 1)]
    )  # fmt: skip
    verdict = judge(moderator, text)
    [request] = service.requests
    assert request.path == "/analyze"
    assert request.body == {"text": text, "language": "en", "score_threshold": 0.35}
    assert {(text[s.start : s.end], s.category) for s in verdict.spans} == {
        ("Ann Lee", "pii/name"), ("Bern", "pii/address"), ("Quaker", "pii/group"),
        ("😀", "pii/us_passport"),
    }  # fmt: skip
    assert verdict.scores["pii/address"] == 0.6


def test_presidio_finds_things_in_every_part_where_they_stand(service, make):
    moderator = make("presidio", max_chars=500)

    def script(request):
        start = request.body["text"].find("Ann")
        return Reply([entity("PERSON", start, start + 3)] if start >= 0 else [])

    service.script = script
    text = "word " * 200 + "Ann"
    assert judge(moderator, text).spans == (Span(1000, 1003, "pii/name", 0.85),)


@pytest.mark.parametrize(
    "found",
    [{"start": 0, "end": 9_999}, {"start": -1, "end": 1}, {"start": 2, "end": 2}, {"start": "0"},
     {"start": True, "end": 2}, {"score": 7}, {"entity_type": None}, {"entity_type": "\n"},
     {"entity_type": "X" * 300}],
)  # fmt: skip
def test_presidio_takes_no_other_shape(service, make, found):
    moderator = make("presidio")
    service.answer([{**entity("PERSON", 0, 3), **found}])
    assert judge(moderator, "Ann was here").reason == "garbage"


def test_webhook_sends_what_it_says_and_signs_it(service, make):
    moderator = make("webhook", secret="shared", history=1, name="ours", api_key="k")
    service.answer({"scores": {"spoilers": 0.7}, "spans": [[0, 3, "spoilers"]], "reason": "ending"})
    before = (Message("user", "one"), Message("assistant", "two"))
    asked = context("the end", "input", before=before)
    verdict = read_verdict(moderator.check(asked), moderator.manifest, asked)
    [request] = service.requests
    body = request.body
    assert request.path in ("", "/") and len(body.pop("id")) == 36
    assert body == {
        "version": 1, "stage": "input", "is_partial": False, "locale": "de-CH", "text": "the end",
        "messages": [
            {"role": "assistant", "content": "two"}, {"role": "user", "content": "the end"}
        ],
    }  # fmt: skip
    parts = dict(part.split("=") for part in request.headers["x-palaver-signature"].split(","))
    signed = f"{parts['t']}.".encode() + request.raw
    assert hmac.new(b"shared", signed, hashlib.sha256).hexdigest() == parts["v1"]
    assert abs(int(parts["t"]) - time.time()) < 60
    assert (verdict.moderator, verdict.reason) == ("ours", "ending")
    assert verdict.spans == (Span(0, 3, "spoilers"),) and verdict.scores == {"spoilers": 1.0}


@pytest.mark.parametrize(
    ("answer", "outcome", "word"),
    [
        ({"outcome": "abstained", "reason": "no-idea"}, "abstained", "no-idea"),
        ({"outcome": "error", "reason": "overloaded"}, "error", "overloaded"),
        ({"scores": {"spoilers": 1.5}}, "error", "garbage"),
        ({"scores": {}, "spans": [[0, 999, "spoilers"]]}, "error", "garbage"),
        ({"scores": {}, "spans": [3]}, "error", "garbage"),
        ({"verdict": "fine"}, "error", "garbage"),
        ({"scores": {}, "outcome": "whatever"}, "error", "garbage"),
    ],
)
def test_webhook_may_abstain_and_fail_but_not_talk_nonsense(service, make, answer, outcome, word):
    moderator = make("webhook")
    service.answer(answer)
    verdict = judge(moderator, "a text")
    assert (verdict.outcome, verdict.reason) == (outcome, word)


@pytest.mark.parametrize("answer", [{"scores": {}, "settled": 999}, {"spans": [[0, 999, "x"]]}])
def test_webhook_judges_no_more_than_it_was_sent(service, make, answer):
    """Of a growing answer it gets whole steps; what comes after them it hasn't seen."""
    moderator = make("webhook", every_chars=400)
    service.answer({"scores": {}, **answer})
    question, said = Message("user", "Go on."), Message("assistant", "some words " * 100)
    verdict = moderator.check(ModerationContext((question, said), "output", is_partial=True))
    assert len(service.requests[0].body["text"]) == 800
    assert (verdict.outcome, verdict.reason) == ("error", "garbage")


def test_webhook_is_not_asked_the_same_thing_twice(service, make):
    moderator = make("webhook")
    service.answer(Reply(None, 500), {"scores": {}})
    assert judge(moderator, "a text").reason == "unavailable"
    assert len(service.requests) == 1


# --- while an answer is being written


def texts(service) -> list[str]:
    return [request.body["text"] for request in service.requests]


async def stream(moderator, text: str, step: int = 7) -> OutputGate:
    chain = Chain((moderator,), Policy("p", "1", {}, default=(Rule(0.5, "block"),)), timeout_s=10)
    gate = OutputGate(chain, (Message("user", "?"),))
    try:
        for start in range(0, len(text), step):
            await gate.feed(text[start : start + step])
        await gate.finish()
    finally:
        chain.close()
    return gate


async def test_a_growing_answer_is_sent_in_steps_not_at_every_word(service, make):
    moderator = make("webhook", every_chars=300)
    service.answer({"scores": {"spoilers": 0.1}})
    text = "Once upon a time there was a word, and then another one. " * 20
    gate = await stream(moderator, text)
    assert gate.released == text
    assert len(service.requests) <= 6 and texts(service)[-1] == text
    assert all(len(sent) % 300 == 0 for sent in texts(service)[:-1])


@pytest.mark.parametrize("every_chars", [0, 50, 120, 400])
async def test_what_is_refused_later_was_never_shown(service, make, every_chars: int):
    moderator = make("webhook", every_chars=every_chars)

    def script(request):
        return Reply({"scores": {"spoilers": float("butler" in request.body["text"])}})

    service.script = script
    text = "There was a house on the hill. " * 20 + "The butler did it. " + "And so on. " * 60
    gate = await stream(moderator, text)
    assert gate.decision.is_refused and "butler" not in gate.released
    assert bool(gate.released) == (every_chars > 0)


async def test_with_0_steps_the_answer_is_sent_once(service, make):
    moderator = make("webhook", every_chars=0)
    text = "Once upon a time there was a word. " * 20
    gate = await stream(moderator, text)
    assert gate.released == text and texts(service) == [text]


def test_many_threads_may_ask_at_once(service, make):
    moderator = make("webhook")
    service.script = lambda request: Reply(
        {"scores": {"spoilers": int(request.body["text"]) / 100}}, delay_s=0.02
    )
    found: dict[int, float] = {}

    def work(number: int) -> None:
        found[number] = judge(moderator, str(number)).scores["spoilers"]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: number / 100 for number in range(32)}
    assert json.loads(service.requests[0].raw)["version"] == 1


# --- what the documentation says


GUIDE = Path(__file__).parent.parent / "docs/guards.md"
EXAMPLES = re.findall(r"```toml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_the_guide_load(tmp_path, monkeypatch, example: str):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text("k")
    (tmp_path / "our_policy.md").write_text("Be kind.")
    example = re.sub(r'"/etc/palaver/\w+\.key"', f'"{tmp_path / "key"}"', example)
    path = tmp_path / "moderators.toml"
    path.write_text(example)
    config = read_config(path)
    loaded = load_moderators(tuple(config), config)
    assert [moderator.manifest.name for moderator in loaded] == list(config)
    for moderator in loaded:
        moderator.close()


def test_the_guide_has_an_example_of_each_and_tells_every_setting():
    guide = GUIDE.read_text(encoding="utf-8")
    for name in ("guard-llm", *MAKERS):
        assert any(f"[{name}]" in example for example in EXAMPLES)
    for setting in Settings.__dataclass_fields__:
        assert f"`{setting}`" in guide
    for preset, entry in PRESETS.items():
        assert f"| `{preset}` | {entry.model}" in guide


def test_the_guides_json_is_what_is_sent_and_read(service, make):
    sent, answer = (
        json.loads(block)
        for block in re.findall(r"```json\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    )
    moderator = make("webhook")
    service.answer(answer)
    verdict = judge(moderator, sent["text"], "output")
    assert verdict.scores == answer["scores"] and verdict.reason == "ending"
    assert set(service.requests[0].body) == set(sent)
