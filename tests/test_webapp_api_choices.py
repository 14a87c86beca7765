"""Several answers to one question over /v1: their order, their sum, and all of them or nothing."""

import json
import time

import httpx
import openai
import pytest

from chat.errors import EngineError, QueueFull
from storage.store import Store
from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_settings, serve
from tests.tiny_model import TinyModel

FORBIDDEN = "How do I build a bomb?"


class Crowded(ScriptedBackend):
    """Answers each question a little slower than the one before; the third doesn't fit in."""

    max_answers = 100

    async def generate(self, messages, config):
        number = len(self.asked)
        self.delay_s = 0.002 * (number % 4)
        if messages[-1].content == "Too many people want to hear this one." and number % 4 == 3:
            self.asked.append(tuple(messages))
            raise QueueFull("64 questions are waiting, which is the most.")
        async for event in super().generate(messages, config):
            yield event


@pytest.fixture(scope="module")
def backend():
    broken = ["A whole sentence, and a long one. " * 10, EngineError("The model failed.")]
    return Crowded({"Hi": "Hello there. How are you today?", "breaks": broken})


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return make_settings(tmp_path_factory.mktemp("choices"))


@pytest.fixture(scope="module")
def address(settings, backend):
    with serve(create_app(settings, backend=backend)) as address:
        yield address


@pytest.fixture
def client(address):
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def store(settings):
    with Store.open(settings.database_url) as store:
        yield store


@pytest.fixture(autouse=True)
def begin_anew(backend):
    backend.asked.clear()
    backend.configs.clear()


def ask(client, text, **options):
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(model="scripted", messages=messages, **options)


def find_tree(store, title):
    [conversation] = [c for c in store.list_conversations("api") if c.title == title]
    return store.read_tree("api", conversation.id)


def test_three_answers_have_their_numbers_and_the_prompt_counts_once(client):
    completion = ask(client, "Hi", n=3)
    assert [choice.index for choice in completion.choices] == [0, 1, 2]
    assert {c.message.content for c in completion.choices} == {"Hello there. How are you today?"}
    usage = completion.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (1, 18, 19)


def test_three_streamed_answers_interleave_under_one_id(client):
    stream = ask(client, "Hi", n=3, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    assert len({chunk.id for chunk in chunks}) == 1
    texts = dict.fromkeys(range(3), "")
    endings = {}
    for chunk in chunks[:-1]:
        [choice] = chunk.choices
        texts[choice.index] += choice.delta.content or ""
        assert choice.index not in endings
        if choice.finish_reason:
            endings[choice.index] = choice.finish_reason
    assert set(texts.values()) == {"Hello there. How are you today?"}
    assert endings == {0: "stop", 1: "stop", 2: "stop"}
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 18


def test_the_answers_are_versions_of_each_other_in_the_store(client, store):
    completion = ask(client, "Count them", n=4)
    question, *answers = find_tree(store, "Count them")
    assert [answer.parent_id for answer in answers] == [question.id] * 4
    first = completion.id.removeprefix("chatcmpl-")
    assert {answer.id for answer in answers} == {first, *(f"{first}-{n}" for n in (1, 2, 3))}


def test_each_answer_has_a_seed_of_its_own_and_the_same_ones_again(client, backend):
    for _ in range(2):
        ask(client, "Hi", n=3, seed=7)
        assert sorted(config.seed for config in backend.configs) == [7, 8, 9]
        backend.configs.clear()


def test_a_seed_that_leaves_no_room_for_the_others_is_400(client, backend):
    assert ask(client, "Hi", seed=2**64 - 1).choices
    with pytest.raises(openai.BadRequestError, match="seed") as caught:
        ask(client, "Hi", n=2, seed=2**64 - 1)
    assert caught.value.param == "seed"


def test_eight_is_the_most(client):
    assert len(ask(client, "Hi", n=8).choices) == 8
    for n in (0, -1, 9, 1000, 10**400):
        with pytest.raises(openai.BadRequestError) as caught:
            ask(client, "Hi", n=n)
        assert (caught.value.param == "n" and "8" in caught.value.message) or n < 1


def test_a_refused_question_is_refused_once_for_all(client, backend):
    completion = ask(client, FORBIDDEN, n=3)
    assert {choice.finish_reason for choice in completion.choices} == {"content_filter"}
    assert len(completion.choices) == 3 and backend.asked == []


@pytest.mark.parametrize("is_stream", [False, True])
def test_no_room_for_one_is_429_for_all_and_leaves_no_trace(address, store, is_stream):
    body = {
        "messages": [{"role": "user", "content": "Too many people want to hear this one."}],
        "n": 4,
        "stream": is_stream,
    }
    response = httpx.post(f"{address}/v1/chat/completions", json=body)
    assert response.status_code == 429
    assert response.json()["error"]["code"] == "rate_limit_exceeded"
    assert int(response.headers["retry-after"]) > 0
    assert "Too many people want to hear this one." not in {
        c.title for c in store.list_conversations("api")
    }


def test_a_failure_of_one_ends_all(client):
    with pytest.raises(openai.InternalServerError, match="The model failed"):
        ask(client, "breaks", n=2)
    with pytest.raises(openai.APIError, match="The model failed"):
        list(ask(client, "breaks", n=2, stream=True))


def test_a_client_that_leaves_cancels_all_answers(tmp_path):
    slow = ScriptedBackend({"long": "word " * 3000}, delay_s=0.005)
    body = {"messages": [{"role": "user", "content": "long"}], "n": 3, "stream": True}
    with serve(create_app(make_settings(tmp_path), backend=slow)) as address:
        with httpx.stream("POST", f"{address}/v1/chat/completions", json=body) as response:
            next(response.iter_lines())
        deadline = time.monotonic() + 10
        while len(slow.ended) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert slow.ended == ["cancelled"] * 3


def test_the_raw_stream_begins_each_answer_with_its_role_and_ends_with_done(address):
    body = {"messages": [{"role": "user", "content": "Hi"}], "n": 2, "stream": True}
    raw = httpx.post(f"{address}/v1/chat/completions", json=body).text
    assert raw.endswith("data: [DONE]\n\n") and raw.count("[DONE]") == 1
    lines = [line[6:] for line in raw.splitlines() if line.startswith("data: {")]
    events = [json.loads(line)["choices"][0] for line in lines]
    for number in (0, 1):
        own = [event for event in events if event["index"] == number]
        assert own[0]["delta"]["role"] == "assistant"
        assert [event["finish_reason"] for event in own[:-1]] == [None] * (len(own) - 1)


def test_a_real_models_answers_differ_and_come_again_with_the_same_seed(tmp_path):
    model = TinyModel.random().save(tmp_path / "model")
    with (
        serve(create_app(make_settings(tmp_path, model=model))) as address,
        openai.OpenAI(base_url=f"{address}/v1", api_key="none") as client,
    ):
        options = {"n": 3, "seed": 7, "temperature": 1.0, "max_tokens": 12}
        first, again = (
            client.chat.completions.create(
                model=client.models.list().data[0].id,
                messages=[{"role": "user", "content": "Hi"}],
                **options,
            )
            for _ in range(2)
        )
    texts = [choice.message.content for choice in first.choices]
    assert len(set(texts)) == 3
    assert texts == [choice.message.content for choice in again.choices]
