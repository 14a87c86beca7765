"""Gradio's routes: the page's own work, nobody reads another's session, the rest is closed."""

import json
import threading
from contextlib import suppress

import httpx
import pytest

from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_settings, serve

SECRET = "The secret is swordfish."


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    backend = ScriptedBackend({"Tell": SECRET}, delay_s=0.05)
    settings = make_settings(tmp_path_factory.mktemp("door"))
    with serve(create_app(settings, backend=backend)) as address:
        yield address


@pytest.fixture
def visitor(address):
    with httpx.Client(base_url=address, timeout=20) as http:
        http.get("/")
        yield http


@pytest.fixture
def stranger(address):
    with httpx.Client(base_url=address, timeout=20) as http:
        http.get("/")
        yield http


def ask(http, session, text="Tell"):
    dependencies = http.get("/config").json()["dependencies"]
    streamed = next(d for d in dependencies if d["queue"] and len(d["inputs"]) == 6)
    # As the page sends it: the question, and the settings beside it.
    asked = json.dumps({"text": text}, ensure_ascii=False)
    inputs = [asked, 0.6, 1.0, 64, None, ""]
    # Written as JSON with escapes, as a browser does: httpx refuses lone surrogates.
    body = json.dumps({"data": inputs, "fn_index": streamed["id"], "session_hash": session})
    headers = {"content-type": "application/json"}
    http.post("/gradio_api/queue/join", content=body, headers=headers).raise_for_status()


def listen(http, session):
    received = ""
    # A session that isn't there ends in the middle of the stream.
    with (
        suppress(httpx.RemoteProtocolError),
        http.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream,
    ):
        for text in stream.iter_text():
            received += text
            if "close_stream" in received:
                break
    return received


def test_a_visitor_is_answered_in_their_own_session(visitor):
    ask(visitor, "mine")
    assert "swordfish" in listen(visitor, "mine")


def test_a_stranger_who_knows_the_name_of_a_session_hears_nothing(visitor, stranger):
    heard = []
    ask(visitor, "known")
    eavesdropping = threading.Thread(target=lambda: heard.append(listen(stranger, "known")))
    eavesdropping.start()
    assert "swordfish" in listen(visitor, "known")
    eavesdropping.join(timeout=30)
    assert len(heard) == 1 and "swordfish" not in heard[0]


def test_a_stranger_cannot_cancel_an_answer(visitor, stranger):
    ask(visitor, "running")
    for fn_index in range(6):
        body = {"session_hash": "running", "fn_index": fn_index, "event_id": "x"}
        stranger.post("/gradio_api/cancel", json=body)
    assert "swordfish." in listen(visitor, "running")


def test_no_link_to_a_session_is_handed_out(visitor, stranger):
    ask(visitor, "linked")
    listen(visitor, "linked")
    response = stranger.get("/gradio_api/deep_link", params={"session_hash": "linked"})
    assert response.status_code == 404
    assert "swordfish" not in stranger.get("/config", params={"deep_link": "anything"}).text


@pytest.mark.parametrize(
    "path",
    [
        "upload",
        "upload_progress",
        "deep_link",
        "component_server",
        "proxy=https://example.com",
        "file=/etc/passwd",
        "file=https://example.com/x",
        "run/other",
        "call/ask",
        "stream/a/b/c/playlist.m3u8",
        "monitoring",
    ],
)
def test_routes_that_the_page_does_not_use_are_closed(visitor, path):
    assert visitor.get(f"/gradio_api/{path}").status_code == 404
    assert visitor.post(f"/gradio_api/{path}", content=b"x" * 100).status_code == 404


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"null", b'"text"', b"\xff", b"{}"])
def test_a_body_that_is_no_call_is_an_error_and_not_a_crash(visitor, body):
    headers = {"content-type": "application/json"}
    response = visitor.post("/gradio_api/queue/join", content=body, headers=headers)
    assert 400 <= response.status_code < 500


def test_a_lone_surrogate_does_not_end_the_session(visitor):
    ask(visitor, "odd", "hi \ud83d there")
    assert "You said: hi" in listen(visitor, "odd")


def test_figures_about_all_visitors_are_not_handed_out(visitor):
    for path in ("/monitoring", "/monitoring/summary", "/monitoring/x"):
        assert visitor.get(path).status_code == 404


def test_a_body_nested_without_end_is_answered(visitor):
    headers = {"content-type": "application/json"}
    answer = visitor.post("/gradio_api/queue/join", content="[" * 100_000, headers=headers)
    assert answer.status_code < 500
