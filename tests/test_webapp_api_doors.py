"""What comes near the routes and misses them: always an error that programs can read, never 5xx."""

import json
import tomllib
from pathlib import Path

import httpx
import pytest

from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_settings, serve

JSON = {"content-type": "application/json"}
GET_ROUTES = ("/v1/models", "/v1/models/scripted", "/health", "/me/export", "/chats/x/export")
POST_ROUTES = ("/v1/chat/completions", "/v1/moderations", "/v1/feedback", "/v1/rankings")
ROUTES = [(path, "GET") for path in GET_ROUTES] + [(path, "POST") for path in POST_ROUTES]
CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture(scope="module")
def http(tmp_path_factory):
    settings = make_settings(tmp_path_factory.mktemp("doors"))
    with (
        serve(create_app(settings, backend=ScriptedBackend())) as address,
        httpx.Client(base_url=address, timeout=30) as http,
    ):
        yield http


def read_error(response):
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"] and error["type"] and error["code"]
    return error


@pytest.mark.parametrize(("path", "allowed"), ROUTES)
@pytest.mark.parametrize(
    "method", ["GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "BREW"]
)
def test_a_method_that_a_route_does_not_have_is_405_saying_which_it_has(
    http, path, allowed, method
):
    if method == allowed or (path, method) == ("/health", "HEAD"):
        return
    response = http.request(method, path)
    allowed = "GET, HEAD" if path == "/health" else allowed
    assert (response.status_code, response.headers["allow"]) == (405, allowed)
    if method != "HEAD":
        assert read_error(response)["code"] == "method_not_allowed"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "path",
    [path + "/" for path, _ in ROUTES if path != "/v1/models"]
    + ["/v1", "/v1/", "/v1/embeddings", "/v1/chat", "/v1/chat/completions/x", "/v1/%00", "/v1//"]
    + [
        "/v1/" + "x" * 5000,
        "/v1/%ED%A0%80",
        "/v1/a%0Ab",
        "/v1/models/a%0Ab",
        "/v1/..%2f..%2fetc/passwd",
        "/V1/models",
    ],
)
def test_a_path_that_is_not_there_is_404(http, path, method):
    if path.startswith("/V1"):
        assert http.request(method, path).status_code in (404, 405)
        return
    response = http.request(method, path)
    assert response.status_code in (404, 405)
    assert len(response.content) < 1000
    read_error(response)


@pytest.mark.parametrize("path", POST_ROUTES)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"true",
        b"5",
        b'"text"',
        b"\xff\xfe",
        b'{"a": "\xed\xa0\x80"}',
        b"{}{}",
        b"{'a': 1}",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"messages": NaN, "input": NaN, "completion_id": NaN}',
        b'{"messages": -Infinity, "input": Infinity}',
        b'{"messages": ' + b"9" * 10_000 + b"}",
        b'{"\\ud800": 1}',
        b"\xef\xbb\xbf{}",
        b"\x00",
        "{}".encode("utf-16"),
    ],
)
def test_a_body_that_is_no_request_is_400(http, path, body):
    response = http.post(path, content=body, headers=JSON)
    assert response.status_code == 400
    assert read_error(response)["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", POST_ROUTES)
@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"]
)
def test_a_body_of_another_kind_is_400_saying_what_it_has_to_be(http, path, kind):
    headers = {"content-type": kind} if kind else {}
    response = http.post(path, content=json.dumps(CHAT).encode(), headers=headers)
    assert response.status_code == 400
    read_error(response)


def with_field(name, literal):
    return json.dumps(CHAT)[:-1].encode() + b', "' + name.encode() + b'": ' + literal + b"}"


@pytest.mark.parametrize("path", POST_ROUTES)
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The body is empty; send JSON."),
        (b"{", "The body isn't valid JSON."),
        (b"\xff\xfe", "The body isn't valid JSON."),
        (b"[" * 100_000 + b"]" * 100_000, "The body isn't valid JSON."),
        (b"[]", "The body is an empty list; allowed is an object."),
        (b"null", "The body is null; allowed is an object."),
        (b"5", "The body is 5; allowed is an object."),
    ],
)
def test_what_is_wrong_with_a_body_is_said_plainly(http, path, body, message):
    assert read_error(http.post(path, content=body, headers=JSON))["message"] == message


@pytest.mark.parametrize(
    ("name", "literal", "message"),
    [
        ("seed", b"18446744073709551616",
         "seed is 18446744073709551616; allowed is at most 18446744073709551615."),
        ("temperature", b"NaN", "temperature is NaN; allowed is a number."),
        ("temperature", b"3", "temperature is 3; allowed is at most 2."),
        ("n", b"true", "n is true; allowed is a whole number."),
        ("stop", b'["a","b","c","d","e"]', "stop has 5 strings; allowed are at most 4."),
        ("stop", b"5", "stop is 5; allowed is a text or a list."),
        ("stop", b'""', "stop is empty."),
        ("stop", b'["a", 5]', "stop.1 is 5; allowed is a text."),
        ("messages", b"[]", "messages is empty."),
        ("messages", b"[{}]", "messages.0.role is missing."),
        ("messages", b'[{"role": "user", "content": [{"type": "image_url"}]}]',
         "messages.0.content.0.type is 'image_url': only text can be read."),
        ("messages", b'[{"role": "robot"}]',
         "messages.0.role is 'robot'; allowed is 'system', 'developer', 'user' or 'assistant'."),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_field_is_said_plainly(http, name, literal, message):
    response = http.post("/v1/chat/completions", content=with_field(name, literal), headers=JSON)
    assert read_error(response)["message"] == message


def test_seeds_that_would_run_out_are_said_plainly(http):
    body = {**CHAT, "seed": 2**64 - 1, "n": 8}
    error = read_error(http.post("/v1/chat/completions", json=body))
    assert error["param"] == "seed"
    assert error["message"] == (
        "seed is 18446744073709551615, and 8 answers take as many seeds from there on; allowed is "
        "at most 18446744073709551608."
    )


def test_a_thumb_is_no_boolean(http):
    body = {"completion_id": "x", "value": True}
    error = read_error(http.post("/v1/feedback", json=body))
    assert error["message"] == "value is true; allowed is 'up', 'down', 1 or -1."


def test_health_can_be_asked_by_its_head(http):
    response = http.head("/health")
    assert response.status_code == 200 and not response.content


def test_the_schema_has_the_version_of_the_project(http):
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    assert http.get("/openapi.json").json()["info"]["version"] == project["project"]["version"]


NUMBERS = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "seed", "n")
OTHERS = ("max_tokens", "max_completion_tokens", "frequency_penalty", "presence_penalty")


@pytest.mark.parametrize("name", [*NUMBERS, *OTHERS])
@pytest.mark.parametrize(
    "literal",
    [b"NaN", b"-Infinity", b"1e999", b"9" * 400, b"-" + b"9" * 400, b'"1"', b"true", b"[1]"],
)
def test_a_number_that_is_none_is_400_naming_the_field(http, name, literal):
    response = http.post("/v1/chat/completions", content=with_field(name, literal), headers=JSON)
    assert response.status_code == 400
    assert read_error(response)["param"] == name


@pytest.mark.parametrize(
    ("name", "literal"),
    [
        ("stream", b'"yes"'),
        ("stream", b"1"),
        ("stream_options", b"true"),
        ("stream_options", b'{"include_usage": "yes"}'),
        ("model", b"5"),
        ("model", b"[]"),
        ("stop", b"5"),
        ("stop", b'""'),
        ("stop", b'["a", ""]'),
        ("stop", b'["a", 5]'),
        ("stop", b'["a", "b", "c", "d", "e"]'),
        ("logit_bias", b'{"50256": -100}'),
        ("logit_bias", b'{"\\ud800": 5}'),
        ("top_logprobs", b"3"),
        ("frequency_penalty", b"0.5"),
        ("presence_penalty", b"-2"),
        ("functions", b'[{"name": "f"}]'),
        ("audio", b"{}"),
        ("web_search_options", b"{}"),
        ("response_format", b'{"type": "json_schema", "json_schema": {}}'),
        ("response_format", b'"text"'),
        ("messages", b'[{"role": "tool", "content": "5", "tool_call_id": "x"}]'),
        ("messages", b'[{"role": "function", "name": "f", "content": "5"}]'),
        ("messages", b'[{"role": "user", "content": [{"type": "image_url"}]}]'),
        ("messages", b'[{"role": "user", "content": {"text": "Hi"}}]'),
        ("messages", b'[{"content": "Hi"}]'),
        ("messages", b'["Hi"]'),
        ("messages", b'{"role": "user"}'),
        ("messages", b'[{"role": "user"}]'),
        ("messages", b'[{"role": "user", "content": "\\u0000 \\ud800"}, {"role": "system"}]'),
    ],
)
def test_what_cannot_be_honoured_or_read_is_400_naming_it(http, name, literal):
    response = http.post("/v1/chat/completions", content=with_field(name, literal), headers=JSON)
    assert response.status_code == 400
    assert read_error(response)["param"].startswith(name)


@pytest.mark.parametrize(
    ("name", "literal"),
    [
        ("frequency_penalty", b"0"),
        ("presence_penalty", b"0.0"),
        ("logit_bias", b"{}"),
        ("logprobs", b"false"),
        ("tools", b"[]"),
        ("tool_choice", b'"none"'),
        ("response_format", b'{"type": "text"}'),
        ("stop", b"null"),
        ("stop", b"[]"),
        ("n", b"1"),
        ("user", b'"ana"'),
        ("user", b'"\\ud800\\u0000"'),
        ("metadata", b'{"\\ud800": NaN}'),
        ("stream_options", b"null"),
        ("max_tokens", b"null"),
        ("messages", b'[{"role": "user", "content": "Hi", "name": "ana"}]'),
    ],
)
def test_what_clients_send_without_meaning_it_is_fine(http, name, literal):
    response = http.post("/v1/chat/completions", content=with_field(name, literal), headers=JSON)
    assert response.status_code == 200
    assert response.json()["choices"][0]["message"]["content"] == "You said: Hi"


def test_the_last_of_two_fields_of_one_name_counts(http):
    body = b'{"messages": 5, "messages": [{"role": "user", "content": "Second"}]}'
    response = http.post("/v1/chat/completions", content=body, headers=JSON)
    assert response.json()["choices"][0]["message"]["content"] == "You said: Second"


@pytest.mark.parametrize("text", ["\x00Hi\x00", "\ud800Hi", "H\r\ni", "𝕳i" * 500, "\u202e"])
def test_any_text_is_answered(http, text):
    body = json.dumps({"messages": [{"role": "user", "content": text}]})
    for stream in ("false", "true"):
        response = http.post(
            "/v1/chat/completions",
            content=f'{body[:-1]}, "stream": {stream}}}',
            headers=JSON,
        )
        assert response.status_code == 200


@pytest.mark.parametrize("model", ["\ud800", "x" * 100_000, "<b>", "/", "scripted "])
def test_an_unknown_model_is_404_in_a_few_words(http, model):
    content = json.dumps({**CHAT, "model": model})
    response = http.post("/v1/chat/completions", content=content, headers=JSON)
    assert response.status_code == 404 and len(response.content) < 1000
    assert read_error(response)["code"] == "model_not_found"


def test_the_schema_describes_every_error_as_it_is(http):
    schema = http.get("/openapi.json").json()
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            assert "422" not in operation["responses"]
            for status, response in operation["responses"].items():
                content = response["content"].get("application/json", {})
                if status not in ("200",) and path != "/health":
                    assert content["schema"] == {"$ref": "#/components/schemas/ErrorBody"}
    assert "ChatCompletionChunk" in schema["components"]["schemas"]


def test_openapi_json_is_for_reading_alone(http):
    assert http.head("/openapi.json").status_code == 200
    assert http.post("/openapi.json").status_code >= 400
