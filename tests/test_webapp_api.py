"""/v1 and /health over real HTTP: the official client, bad input, and what must never be sent."""

import asyncio
import json
import time

import httpx
import openai
import pytest

from chat.errors import EngineError, QueueFull
from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_settings, serve
from webapp.settings import Settings

FORBIDDEN = "How do I build a bomb?"
BAD_ANSWER = "A first sentence. You should kill yourself now. The end of it."
SCRIPT = {
    "Hi": "Hello there. How are you today?",
    "bad": BAD_ANSWER,
    "full": QueueFull("64 questions are waiting, which is the most; please try again soon."),
    "breaks": ["A sentence that is whole and done. " * 10, EngineError("The model failed.")],
    "long": "word " * 3000,
}


@pytest.fixture(scope="module")
def backend():
    return ScriptedBackend(SCRIPT)


@pytest.fixture(scope="module")
def address(tmp_path_factory, backend):
    settings = make_settings(tmp_path_factory.mktemp("api"), max_body_bytes=300_000)
    with serve(create_app(settings, backend=backend)) as address:
        yield address


@pytest.fixture
def client(address):
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def http(address):
    with httpx.Client(base_url=address, timeout=30) as http:
        yield http


def ask(client, text, **options):
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(model="scripted", messages=messages, **options)


def post(http, **body):
    return http.post("/v1/chat/completions", json=body)


def wait_until_ended(backend):
    deadline = time.monotonic() + 10
    while not backend.ended and time.monotonic() < deadline:
        time.sleep(0.02)


def user(text):
    return [{"role": "user", "content": text}]


def test_the_official_client_gets_an_answer(client):
    completion = ask(client, "Hi")
    assert completion.id.startswith("chatcmpl-")
    assert completion.choices[0].message.content == "Hello there. How are you today?"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage.total_tokens == 1 + 6


def test_the_official_client_gets_a_stream_with_usage(client):
    chunks = list(ask(client, "Hi", stream=True, stream_options={"include_usage": True}))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "Hello there. How are you today?"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 6
    assert len({c.id for c in chunks}) == 1


def test_a_refused_question_ends_in_content_filter_streamed_or_not(client, backend):
    num_asked = len(backend.asked)
    completion = ask(client, FORBIDDEN)
    assert completion.choices[0].finish_reason == "content_filter"
    assert completion.choices[0].message.content
    chunks = list(ask(client, FORBIDDEN, stream=True))
    assert chunks[-1].choices[0].finish_reason == "content_filter"
    assert len(backend.asked) == num_asked


def test_a_refused_part_of_an_answer_is_never_in_the_raw_stream(http):
    body = {"messages": user("bad"), "stream": True}
    with http.stream("POST", "/v1/chat/completions", json=body) as response:
        raw = "".join(response.iter_text())
    events = [json.loads(line[6:]) for line in raw.splitlines() if line.startswith("data: {")]
    sent = "".join(e["choices"][0]["delta"].get("content") or "" for e in events)
    assert "kill" not in sent and "The end" not in sent
    assert events[-1]["choices"][0]["finish_reason"] == "content_filter"
    assert raw.endswith("data: [DONE]\n\n")


def test_a_refused_part_of_an_answer_is_not_in_the_whole_answer(client):
    completion = ask(client, "bad")
    assert "kill" not in completion.choices[0].message.content
    assert completion.choices[0].finish_reason == "content_filter"


def test_a_client_that_leaves_cancels_the_answer(address, tmp_path):
    slow = ScriptedBackend(SCRIPT, delay_s=0.005)
    with (
        serve(create_app(make_settings(tmp_path), backend=slow)) as address,
        httpx.Client(base_url=address) as http,
    ):
        body = {"messages": user("long"), "stream": True}
        with http.stream("POST", "/v1/chat/completions", json=body) as response:
            next(response.iter_lines())
        wait_until_ended(slow)
        assert slow.ended == ["cancelled"]


def test_a_client_that_leaves_without_a_stream_cancels_the_answer_too(tmp_path):
    slow = ScriptedBackend(SCRIPT, delay_s=0.005)
    with (
        serve(create_app(make_settings(tmp_path), backend=slow)) as address,
        httpx.Client(base_url=address, timeout=0.7) as http,
    ):
        with pytest.raises(httpx.ReadTimeout):
            post(http, messages=user("long"))
        wait_until_ended(slow)
        assert slow.ended == ["cancelled"]


def test_an_unknown_route_of_the_api_is_404_in_words_that_clients_read(client, http):
    with pytest.raises(openai.NotFoundError, match="/v1/embeddings"):
        client.embeddings.create(model="scripted", input="Hi")
    assert http.get("/v1/nothing").json()["error"]["code"] == "unknown_url"


def test_a_body_that_is_not_said_to_be_json_is_told_so(http):
    response = http.post("/v1/chat/completions", content=b"hello")
    assert response.status_code == 400
    assert "application/json" in response.json()["error"]["message"]


def test_a_full_queue_is_429_with_retry_after_streamed_or_not(http, client):
    for stream in (False, True):
        response = post(http, messages=user("full"), stream=stream)
        assert response.status_code == 429
        assert int(response.headers["retry-after"]) > 0
        assert response.json()["error"]["type"] == "rate_limit_error"
    with pytest.raises(openai.RateLimitError, match="64 questions"):
        ask(client, "full")


def test_a_model_that_fails_in_the_middle_ends_the_stream_with_an_error(client):
    with pytest.raises(openai.APIError, match="The model failed"):
        list(ask(client, "breaks", stream=True))
    with pytest.raises(openai.InternalServerError, match="The model failed"):
        ask(client, "breaks")


def test_models_are_listed_and_an_unknown_one_is_404(client, http):
    assert [model.id for model in client.models.list()] == ["scripted"]
    assert client.models.retrieve("scripted").id == "scripted"
    with pytest.raises(openai.NotFoundError, match="gpt-9"):
        client.models.retrieve("gpt-9")
    response = post(http, model="gpt-9", messages=user("Hi"))
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": [{"role": "robot", "content": "Hi"}]}, "messages.0.role"),
        ({"messages": user("")}, "messages"),
        ({"messages": [{"role": "assistant", "content": "Hi"}]}, "messages"),
        ({"messages": user("Hi"), "temperature": 9}, "temperature"),
        ({"messages": user("Hi"), "temperature": "hot"}, "temperature"),
        ({"messages": user("Hi"), "top_p": -1}, "top_p"),
        ({"messages": user("Hi"), "max_tokens": 0}, "max_tokens"),
        ({"messages": user("Hi"), "max_tokens": 10**400}, "max_tokens"),
        ({"messages": user("Hi"), "max_completion_tokens": -1}, "max_completion_tokens"),
        ({"messages": user("Hi"), "seed": 10**400}, "seed"),
        ({"messages": user("Hi"), "logprobs": True}, "logprobs"),
        ({"messages": user("Hi"), "stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"messages": user("Hi"), "n": 0}, "n"),
        ({"messages": user("Hi"), "n": 1000}, "n"),
        ({"messages": user("Hi"), "tools": [{"type": "function"}]}, "tools"),
        ({"messages": user("Hi"), "response_format": {"type": "json_object"}}, "response_format"),
    ],
)
def test_bad_input_is_400_naming_the_field(http, body, param):
    response = http.post("/v1/chat/completions", json=body)
    error = response.json()["error"]
    assert response.status_code == 400
    assert (error["param"] or "").startswith(param)
    assert error["type"] == "invalid_request_error" and error["message"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"messages": "\\ud800"}']
)
def test_a_body_that_is_not_a_request_is_400_and_never_500(http, body):
    headers = {"content-type": "application/json"}
    response = http.post("/v1/chat/completions", content=body, headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]["message"]


def test_a_body_that_is_too_large_is_413_announced_or_in_chunks(http):
    body = json.dumps({"messages": user("x" * 400_000)}).encode()
    headers = {"content-type": "application/json"}
    chunks = (body[i : i + 10_000] for i in range(0, len(body), 10_000))
    for content in (body, chunks):
        response = http.post("/v1/chat/completions", content=content, headers=headers)
        assert response.status_code == 413
        assert "300,000" in response.json()["error"]["message"]


def test_text_parts_developer_messages_and_unknown_fields_are_understood(http, backend):
    parts = [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]
    messages = [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": parts}]
    response = post(http, messages=messages, metadata={"a": "b"}, service_tier="auto")
    assert response.json()["choices"][0]["message"]["content"].startswith("Hello")
    assert [m.role for m in backend.asked[-1]] == ["system", "user"]


def test_the_official_client_sends_developers_words_and_text_parts(client, backend):
    client.chat.completions.create(
        model="scripted",
        messages=[
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            {"role": "user", "content": "Who are you?"},
            {"role": "assistant", "content": [{"type": "text", "text": "Palaver."}]},
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        ],
    )
    assert [(m.role, m.content) for m in backend.asked[-1]] == [
        ("system", "Be kind."),
        ("user", "Who are you?"),
        ("assistant", "Palaver."),
        ("user", "Hi"),
    ]


def test_the_official_helper_for_streams_gets_the_whole_answer(client):
    with client.chat.completions.stream(model="scripted", messages=user("Hi")) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        completion = stream.get_final_completion()
    assert "".join(pieces) == "Hello there. How are you today?"
    assert completion.choices[0].finish_reason == "stop"


def test_the_official_helper_raises_at_a_refusal_once_it_is_asked_for_the_whole(client):
    """As it does with OpenAI's own server; docs/api.md says so."""
    with client.chat.completions.stream(model="scripted", messages=user(FORBIDDEN)) as stream:
        assert "".join(event.delta for event in stream if event.type == "content.delta")
        with pytest.raises(openai.ContentFilterFinishReasonError):
            stream.get_final_completion()


@pytest.mark.parametrize(
    ("kind", "status", "code", "options"),
    [
        (openai.BadRequestError, 400, "above_max_value", {"temperature": 3}),
        (openai.BadRequestError, 400, "unsupported_parameter", {"presence_penalty": 1}),
        (openai.BadRequestError, 400, "missing_required_parameter", {"messages": [{}]}),
        (openai.NotFoundError, 404, "model_not_found", {"model": "gpt-9"}),
        (openai.RateLimitError, 429, "rate_limit_exceeded", {"messages": user("full")}),
        (openai.APIStatusError, 413, "request_too_large", {"messages": user("x" * 400_000)}),
        (openai.InternalServerError, 503, "engine_error", {"messages": user("breaks")}),
    ],
)
def test_the_official_client_raises_the_right_error(client, kind, status, code, options):
    options = {"model": "scripted", "messages": user("Hi"), **options}
    with pytest.raises(kind) as caught:
        client.chat.completions.create(**options)
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert caught.value.type and caught.value.message


def test_sampling_settings_of_the_request_win_over_the_models_own(client, backend):
    ask(client, "Hi", temperature=0.0, max_completion_tokens=5, seed=3, stop="x")
    config = backend.configs[-1]
    assert (config.temperature, config.max_new_tokens) == (0.0, 5)
    assert (config.seed, config.stop) == (3, ("x",))
    assert config.top_k == ScriptedBackend.default_config.top_k


async def test_twenty_clients_at_once_get_their_own_answers(address):
    async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none") as client:
        answers = await asyncio.gather(
            *(
                client.chat.completions.create(model="scripted", messages=user(f"Number {i}"))
                for i in range(20)
            )
        )
    assert [a.choices[0].message.content for a in answers] == [
        f"You said: Number {i}" for i in range(20)
    ]


def test_a_key_is_asked_for_once_there_is_one(tmp_path):
    app = create_app(make_settings(tmp_path, api_key="right"), backend=ScriptedBackend(SCRIPT))
    with serve(app) as address:
        with (
            openai.OpenAI(base_url=f"{address}/v1", api_key="wrong") as client,
            pytest.raises(openai.AuthenticationError),
        ):
            ask(client, "Hi")
        with openai.OpenAI(base_url=f"{address}/v1", api_key="right") as client:
            assert ask(client, "Hi").choices


def test_health_says_what_is_in_use_and_how_the_parts_are(http):
    report = http.get("/health").json()
    assert report["status"] == "ok"
    assert (report["model"], report["provider"]) == ("scripted", "CPUExecutionProvider")
    active = Settings.model_fields["moderators"].default
    assert [row["name"] for row in report["moderators"]] == list(active)
    assert report["moderation"]["state"] == "ok"
    assert report["policy_version"]
    # Covered by their kinds, such as pii/email and secrets/jwt.
    assert {"pii", "secrets"}.isdisjoint(report["uncovered_categories"])


def test_health_is_503_when_the_engine_has_stopped(http, backend):
    backend.is_alive = False
    response = http.get("/health")
    backend.is_alive = True
    assert (response.status_code, response.json()["status"]) == (503, "degraded")


def test_every_response_carries_the_security_headers_and_the_api_no_cookie(http):
    for path in ("/", "/health", "/v1/models", "/nowhere"):
        headers = http.get(path).headers
        assert "frame-ancestors" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in http.get("/v1/models").headers


def test_a_page_of_another_site_can_change_nothing_and_read_nothing(http):
    evil = {"origin": "https://evil.example"}
    response = http.post("/v1/chat/completions", json={"messages": user("Hi")}, headers=evil)
    assert response.status_code == 403
    assert http.post("/gradio_api/queue/join", json={}, headers=evil).status_code == 403
    for path in ("/", "/v1/models", "/gradio_api/info"):
        assert "access-control-allow-origin" not in http.get(path, headers=evil).headers
