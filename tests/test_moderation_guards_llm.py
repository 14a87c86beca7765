"""Guard models are asked in the form they know, and their answers are read, never guessed."""

import json
import math
import threading
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import EngineError, InvalidRequest, ModeratorError
from chat.types import Message, Verdict
from moderation.base import ModerationContext
from moderation.categories import CATEGORIES
from moderation.chain import Chain
from moderation.conformance import check_moderator
from moderation.guards import answers
from moderation.guards.answers import UNSAFE, NotUnderstood
from moderation.guards.llm import GuardLlmModerator
from moderation.guards.presets import PRESETS
from moderation.policy import Policy
from moderation.reading import read_verdict
from tests.guard_stand_in import Reply, stand_in

# What each says when there is nothing, and when there is something.
SAFE = {
    "llama-guard-3": "\n\nsafe", "llama-guard-4": "safe", "shieldgemma": "No",
    "granite-guardian": "<score> no </score>", "qwen3guard": "Safety: Safe\nCategories: None",
    "gpt-oss-safeguard": '{"violation": 0, "categories": []}',
    "wildguard": "Harmful request: no\nResponse refusal: n/a\nHarmful response: no",
}  # fmt: skip
BAD = {
    "llama-guard-3": "\n\nunsafe\nS10", "llama-guard-4": "unsafe\nS2,S10", "shieldgemma": "Yes",
    "granite-guardian": "<think>\n</think>\n<score> yes </score>",
    "qwen3guard": "Safety: Unsafe\nCategories: Violent, Unethical Acts\nRefusal: No",
    "gpt-oss-safeguard": '```json\n{"violation": 1, "categories": ["hate"]}\n```',
    "wildguard": "Harmful request: yes\nResponse refusal: no\nHarmful response: yes",
}  # fmt: skip
FOUND = {
    "llama-guard-3": {"hate"}, "llama-guard-4": {"hate", "illicit"},
    "shieldgemma": {"illicit/violent", "harassment", "hate", "sexual"},
    "granite-guardian": {"jailbreak", "violence", "sexual", "bias", "profanity", "illicit"},
    "qwen3guard": {"illicit/violent", "hate"}, "gpt-oss-safeguard": {"hate"},
    "wildguard": {UNSAFE},
}  # fmt: skip
HISTORY = (
    Message("system", "You are a pirate."),
    Message("user", "Hello."),
    Message("assistant", "Ahoy!"),
)


@pytest.fixture
def service():
    with stand_in() as running:
        yield running


@pytest.fixture
def make(service):
    made = []

    def build(preset: str, **options):
        options = {"url": f"{service.url}/v1", "allow_private": True, "timeout_s": 5, **options}
        made.append(GuardLlmModerator(preset, **options))
        return made[-1]

    yield build
    for moderator in made:
        moderator.close()


def completion(text: str, **extra: object) -> dict[str, object]:
    """Answer as OpenAI's chat completions and completions both do."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "text": text,
              "finish_reason": "stop", **extra}  # fmt: skip
    return {"id": "x", "object": "chat.completion", "model": "guard", "choices": [choice]}


def context(text: str, stage="input", before=HISTORY) -> ModerationContext:
    role = "user" if stage == "input" else "assistant"
    if stage == "output":
        before = (*before, Message("user", "And now?"))
    return ModerationContext((*before, Message(role, text)), stage)


def judge(moderator, text: str, stage="input", before=HISTORY) -> Verdict:
    asked = context(text, stage, before)
    return read_verdict(moderator.check(asked), moderator.manifest, asked)


def high(verdict: Verdict) -> set[str]:
    return {name for name, score in verdict.scores.items() if score >= 0.5}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("stage", ["input", "output"])
def test_what_a_model_says_is_read(service, make, preset: str, stage):
    moderator = make(preset)
    service.answer(completion(SAFE[preset]))
    verdict = judge(moderator, "a text", stage)
    assert verdict.outcome == "judged" and high(verdict) == set()
    assert set(verdict.scores) <= set(moderator.manifest.categories)
    service.answer(completion(BAD[preset]))
    verdict = judge(moderator, "a text", stage)
    assert high(verdict) == FOUND[preset]


@pytest.mark.parametrize("preset", PRESETS)
def test_everything_goes_in_the_form_of_the_model(service, make, preset: str):
    moderator = make(preset, model="my-guard", api_key="k")
    service.answer(completion(SAFE[preset]))
    judge(moderator, "a text", "output")
    for request in service.requests:
        body = request.body
        assert request.headers["authorization"] == "Bearer k"
        assert (body["model"], body["temperature"]) == ("my-guard", 0) and body["max_tokens"] > 0
        assert "pirate" not in request.raw.decode()  # the system's message is nobody's business
        assert "a text" in request.raw.decode() and "And now?" in request.raw.decode()
        if preset == "wildguard":
            assert request.path == "/v1/completions"
            assert "Human user:\nAnd now?" in body["prompt"]
            assert "AI assistant:\na text" in body["prompt"]
        else:
            assert request.path == "/v1/chat/completions"


@pytest.mark.parametrize("preset", ["llama-guard-3", "llama-guard-4", "qwen3guard"])
def test_templates_get_two_people_who_take_turns(service, make, preset: str):
    moderator = make(preset, history=6)
    service.answer(completion(SAFE[preset]))
    before = (Message("assistant", "0"), Message("user", "1"), Message("user", "2"),
              Message("assistant", "3"), Message("system", "s"), Message("user", "4"))  # fmt: skip
    judge(moderator, "5", before=before)
    assert service.requests[-1].body["messages"] == [
        {"role": "user", "content": "1\n2"},
        {"role": "assistant", "content": "3"},
        {"role": "user", "content": "4\n5"},
    ]
    asked = ModerationContext((Message("assistant", "alone"),), "output")
    assert moderator.check(asked).outcome == "judged"
    roles = [turn["role"] for turn in service.requests[-1].body["messages"]]
    assert roles == ["user", "assistant"]


def test_history_is_as_long_as_the_setting_says(service, make):
    service.answer(completion("safe"))
    judge(make("llama-guard-3", history=0), "now")
    assert service.requests[-1].body["messages"] == [{"role": "user", "content": "now"}]


def test_one_question_for_each_risk_or_principle(service, make):
    service.answer(completion("No"))
    judge(make("shieldgemma"), "a text")
    kwargs = [request.body["chat_template_kwargs"] for request in service.requests]
    assert len({entry["guideline"] for entry in kwargs}) == 4
    service.requests.clear()
    judge(make("granite-guardian"), "a text")
    configs = [r.body["chat_template_kwargs"]["guardian_config"] for r in service.requests]
    risks = {config["risk_name"] for config in configs}
    assert "jailbreak" in risks and len(risks) == 6
    assert all(config["risk_name"] == config["criteria_id"] for config in configs)


def test_a_model_that_finds_one_thing_says_which(service, make):
    def script(request):
        guideline = request.body["chat_template_kwargs"]["guideline"]
        return Reply(completion("Yes" if "Harassment" in guideline else "No"))

    service.script = script
    assert high(judge(make("shieldgemma"), "a text")) == {"harassment"}


def test_what_is_controversial_counts_half(service, make):
    service.answer(completion("Safety: Controversial\nCategories: Unethical Acts"))
    verdict = judge(make("qwen3guard"), "a text")
    assert verdict.scores["hate"] == 0.5 and verdict.scores["jailbreak"] == 0.0


def test_hazards_without_a_category_of_ours_are_left_out_unless_named(service, make):
    service.answer(completion("unsafe\nS6"))
    assert high(judge(make("llama-guard-3"), "a text")) == set()
    named = make("llama-guard-3", categories={"S6": "advice", "S10": ""})
    assert high(judge(named, "a text")) == {"advice"} and "advice" in named.manifest.categories
    service.answer(completion("unsafe\nS10"))
    assert high(judge(named, "a text")) == set()


@pytest.mark.parametrize("answer", ["unsafe", "unsafe\nS99", "unsafe\nviolence"])
def test_harm_of_no_known_kind_is_still_harm(service, make, answer: str):
    service.answer(completion(answer))
    assert high(judge(make("llama-guard-3"), "a text")) == {UNSAFE}


def test_wild_guard_judges_what_is_asked_about(service, make):
    service.answer(completion("Harmful request: yes\nResponse refusal: yes\nHarmful response: no"))
    moderator = make("wildguard")
    assert high(judge(moderator, "a text", "input")) == {UNSAFE}
    assert high(judge(moderator, "I won't.", "output")) == set()
    service.answer(completion("Harmful request: yes\nHarmful response: n/a"))
    assert judge(moderator, "a text", "output").reason == "garbage"


def test_safeguard_is_told_our_categories_or_the_operators_policy(service, make, tmp_path):
    service.answer(completion('{"violation": 0}'))
    judge(make("gpt-oss-safeguard"), "a text")
    system, user = service.requests[-1].body["messages"]
    assert system["role"] == "system" and CATEGORIES["self-harm/intent"] in system["content"]
    assert "USER: a text" in user["content"]
    judge(make("gpt-oss-safeguard", policy_text="No talk of boats."), "a text")
    assert service.requests[-1].body["messages"][0]["content"].startswith("No talk of boats.")
    path = tmp_path / "policy.md"
    path.write_text("No talk of trains.")
    judge(make("gpt-oss-safeguard", policy_file=str(path)), "a text")
    assert service.requests[-1].body["messages"][0]["content"].startswith("No talk of trains.")


def logprobs(*options: tuple[str, float]) -> dict[str, object]:
    rows = [{"token": token, "logprob": math.log(chance)} for token, chance in options]
    return {"content": [{"token": "\n\n", "logprob": 0.0, "top_logprobs": []},
                        {**rows[0], "top_logprobs": rows}]}  # fmt: skip


def test_scores_are_how_sure_the_model_is_where_the_server_says(service, make):
    sure = logprobs(("unsafe", 0.6), ("safe", 0.2), ("other", 0.1))
    service.answer(completion("unsafe\nS10", logprobs=sure))
    moderator = make("llama-guard-3", probabilities=True)
    assert judge(moderator, "a text").scores["hate"] == pytest.approx(0.75)
    assert service.requests[-1].body["logprobs"] is True
    service.answer(completion("safe", logprobs=logprobs(("safe", 0.7), ("unsafe", 0.3))))
    verdict = judge(moderator, "a text")
    assert verdict.scores[UNSAFE] == pytest.approx(0.3) and verdict.scores["hate"] == 0.0
    for odd in (None, {}, {"content": 3}, {"content": [3, {"token": "safe", "logprob": "x"}]}):
        service.answer(completion("unsafe\nS10", logprobs=odd))
        assert judge(moderator, "a text").scores["hate"] == 1.0
    shield = make("shieldgemma", probabilities=True)
    service.answer(completion("No", logprobs=logprobs(("No", 0.6), ("Yes", 0.4))))
    assert judge(shield, "a text").scores["sexual"] == pytest.approx(0.4)


def test_a_long_text_is_judged_in_parts_and_the_worst_counts(service, make):
    def script(request):
        return Reply(completion("unsafe\nS10" if "awful" in request.raw.decode() else "safe"))

    service.script = script
    moderator = make("llama-guard-3", max_chars=500, history=0)
    assert high(judge(moderator, "word " * 400 + "awful")) == {"hate"}
    assert len(service.requests) > 4
    assert high(judge(moderator, "word " * 400)) == set()


@pytest.mark.parametrize(
    ("preset", "answer"),
    [
        ("llama-guard-3", "safe\nS1"),
        ("llama-guard-4", "safe, or unsafe"),
        ("qwen3guard", "Safety: Safe\nSafety: Unsafe\nCategories: Violent"),
    ],
)
def test_an_answer_at_odds_with_itself_is_a_failure(service, make, preset: str, answer: str):
    service.answer(completion(answer))
    assert judge(make(preset), "a text").reason == "garbage"


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    "answer",
    [
        completion("I'm sorry, but I can't help with that."), completion(""), completion("SAFELY"),
        completion("{"), {"choices": []}, {"choices": [{}]}, {"choices": [None]}, {}, [], "safe",
        {"choices": [{"message": {"content": None}, "text": None}]}, {"choices": "unsafe"},
        completion("maybe"), {"error": {"message": "no such model"}},
    ],
)  # fmt: skip
def test_what_is_not_understood_is_a_failure_never_a_pass(service, make, preset: str, answer):
    service.answer(answer)
    verdict = judge(make(preset), "a text")
    assert (verdict.outcome, verdict.reason) == ("error", "garbage")


@pytest.mark.parametrize("preset", ["llama-guard-3", "granite-guardian"])
@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (Reply(None, 401), "unauthorised"), (Reply(None, 404), "misconfigured"),
        (Reply(None, 429, {"Retry-After": "9"}), "rate-limited"), (Reply(None, 502), "unavailable"),
        (Reply(None, 307, {"Location": "http://10.0.0.1/"}), "misconfigured"),
        (Reply(raw=b"<html>"), "garbage"), (Reply(completion("safe"), drip_s=0.2), "timeout"),
    ],
)  # fmt: skip
def test_a_service_that_fails_is_a_failure_with_a_word(service, make, preset, reply, word):
    service.answer(reply)
    start = time.monotonic()
    assert judge(make(preset, timeout_s=1.0), "a text").reason == word
    assert time.monotonic() - start < 5


def test_several_questions_share_one_deadline(service, make):
    service.answer(Reply(completion("<score> no </score>"), delay_s=30))
    start = time.monotonic()
    moderator = make("granite-guardian", timeout_s=0.5, max_chars=500)
    assert judge(moderator, "word " * 500).reason == "timeout"
    assert time.monotonic() - start < 4


@pytest.mark.parametrize("preset", PRESETS)
def test_a_model_in_this_process_does_as_well(preset: str):
    asked: list[tuple[object, int, float]] = []

    def generate(turns, max_tokens: int, end: float) -> str:
        asked.append((turns, max_tokens, end))
        return BAD[preset]

    moderator = GuardLlmModerator(preset, generate=generate, timeout_s=50)
    assert not moderator.manifest.needs_network
    assert high(judge(moderator, "a text")) == FOUND[preset]
    assert all(turns and limit > 0 for turns, limit, _ in asked)
    assert all(0 < end - time.monotonic() <= 50 for _, _, end in asked)
    moderator.close()


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (TimeoutError(), "timeout"),
        (InvalidRequest("9 tokens", code="context_length_exceeded"), "too-long"),
        (InvalidRequest("refused"), "engine"),
        (EngineError("broken"), "engine"),
        (ValueError("a text"), "engine"),
    ],
)
def test_what_goes_wrong_in_this_process_has_a_word(error: Exception, word: str):
    def generate(turns, max_tokens: int, end: float) -> str:
        raise error

    for preset in ("llama-guard-3", "shieldgemma"):
        verdict = judge(GuardLlmModerator(preset, generate=generate), "a text")
        assert (verdict.outcome, verdict.reason) == ("error", word)


def test_parts_that_come_after_the_deadline_are_not_asked_about():
    ends: list[float] = []

    def generate(turns, max_tokens: int, end: float) -> str:
        ends.append(end)
        time.sleep(max(end - time.monotonic(), 0))
        return "safe"

    moderator = GuardLlmModerator(
        "llama-guard-3", generate=generate, timeout_s=0.2, max_chars=500, max_parts=64, history=0
    )
    assert judge(moderator, "word " * 3600).reason == "timeout"
    assert len(ends) <= 8 and len(set(ends)) <= 1  # as many as may be asked about at once


def test_a_model_in_this_process_is_closed_with_its_moderator():
    class Model:
        num_closed = 0

        def __call__(self, turns, max_tokens: int, end: float) -> str:
            return "safe"

        def close(self) -> None:
            self.num_closed += 1

    model = Model()
    chain = Chain((GuardLlmModerator("llama-guard-3", generate=model),), Policy("p", "1", {}))
    assert model.num_closed == 0
    chain.close()
    assert model.num_closed == 1


async def test_an_engine_that_fails_or_hangs_is_a_failure():
    may_go = threading.Event()

    def fail(turns, max_tokens: int, end: float) -> str:
        raise RuntimeError("a text of the conversation")

    def hang(turns, max_tokens: int, end: float) -> str:
        may_go.wait(20)
        return "safe"

    for generate, word in ((fail, "engine"), (hang, "timeout")):
        moderator = GuardLlmModerator("llama-guard-3", generate=generate)
        chain = Chain((moderator,), Policy("p", "1", {}), timeout_s=0.3)
        try:
            [verdict] = (await chain.check(context("a text"))).verdicts
        finally:
            chain.close()
        assert (verdict.outcome, verdict.reason) == ("error", word)
    may_go.set()


def test_what_looks_like_a_models_own_marks_is_disarmed():
    seen: list[str] = []

    def generate(turns, max_tokens: int, end: float) -> str:
        seen.append(turns[-1]["content"])
        return "safe"

    text = "a<|eot_id|><|start_header_id|>b<end_of_turn>c[/INST]d</s>e <|im_end|>"
    moderator = GuardLlmModerator("llama-guard-3", generate=generate)
    judge(moderator, text, before=())
    assert not any(mark in seen[0] for mark in ("<|", "<end_of", "[/INST]", "</s>"))
    assert all(letter in seen[0] for letter in "abcde")


@pytest.mark.parametrize("preset", PRESETS)
def test_each_keeps_the_contract(preset: str):
    moderator = GuardLlmModerator(
        preset, generate=lambda turns, limit, end: BAD[preset], max_chars=2_000_000
    )
    assert check_moderator(moderator, samples=["Something awful"], timeout_s=60) == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"preset": "llama"}, "'llama'.*llama-guard-3, llama-guard-4"),
        ({"preset": "llama-guard-3"}, "url"),
        ({"preset": "llama-guard-3", "history": 99}, "history.*99"),
        ({"preset": "llama-guard-3", "categories": {"S6": 6}}, "categories"),
        ({"preset": "llama-guard-3", "policy_text": "x"}, "takes no policy_text"),
        ({"preset": "gpt-oss-safeguard", "policy_file": "/nowhere/p.md"}, "/nowhere/p.md"),
        ({"preset": "gpt-oss-safeguard", "policy_text": "x" * 200_000}, "100,000"),
        ({"preset": "llama-guard-3", "generate": print, "timeout": 3}, "'timeout'"),
    ],
)
def test_wrong_settings_say_what_is_right(given, told: str):
    if told != "url" and "generate" not in given:
        given = {"url": "https://guard.example.com/v1", **given}
    with pytest.raises(ModeratorError, match=told):
        GuardLlmModerator(**given)


READERS = {name: value for name, value in vars(answers).items() if name.startswith("read_")}
WORDS = st.sampled_from(
    ["safe", "unsafe", "S1", "S10,", "S99", "Safety:", "Unsafe", "Controversial", "Categories:",
     "Violent", "None", "yes", "No", "<score>", "</score>", "<think>", "</think>", "n/a", "```json",
     "Harmful request:", "Harmful response:", "{", "}", '{"violation": 1', '{"violation": "x"}',
     '"categories": ["hate"]}', "<|eot_id|>", "<confidence> Low </confidence>", "1", "0", "\n", "ǅ"]
)  # fmt: skip
PLAIN = st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=9))
NESTED = st.one_of(PLAIN, st.lists(PLAIN, max_size=3))
TABLES = st.dictionaries(
    st.sampled_from(["violation", "categories", "confidence", "x"]), NESTED, max_size=4
)
ANSWERS = st.one_of(
    st.text(st.characters(), max_size=200),
    st.lists(WORDS, max_size=12).map(" ".join),
    st.lists(WORDS, max_size=12).map("\n".join),
    st.one_of(NESTED, TABLES, st.lists(TABLES, max_size=2)).map(json.dumps),
)


@pytest.mark.parametrize("reader", READERS)
@given(answer=ANSWERS)
def test_any_answer_is_read_or_refused(reader: str, answer: str):
    try:
        found = READERS[reader](answer)
    except NotUnderstood:
        return
    assert all(isinstance(name, str) and 0.0 <= score <= 1.0 for name, score in found.items())


@pytest.mark.parametrize("preset", PRESETS)
@given(answer=ANSWERS)
def test_any_answer_becomes_a_verdict(preset: str, answer: str):
    moderator = GuardLlmModerator(preset, generate=lambda turns, limit, end: answer)
    asked = context("a text", "output")
    verdict = read_verdict(moderator.check(asked), moderator.manifest, asked)
    assert verdict.outcome in ("judged", "error")
    assert set(verdict.scores) <= set(moderator.manifest.categories)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("unit", ["{", "<think>", "S1,", "unsafe ", '{"a":', "<score> ", "yes"])
def test_a_megabyte_of_an_answer_is_read_or_refused(reader: str, unit: str):
    with suppress(NotUnderstood):
        READERS[reader](unit * (1_000_000 // len(unit)))
