"""An exchange with a service ends in time, with JSON or with a word for what went wrong."""

import json
import socket
import threading
import time

import pytest

from moderation.guards.exchange import Exchange, ExchangeFailed, dump
from tests.guard_stand_in import Reply, closed_port, silent_port, stand_in


@pytest.fixture
def service():
    with stand_in() as running:
        yield running


@pytest.fixture
def open_exchange():
    opened = []

    def make(url: str, **options) -> Exchange:
        opened.append(Exchange(url, **{"allow_private": True, **options}))
        return opened[-1]

    yield make
    for exchange in opened:
        exchange.close()


def post(exchange: Exchange, timeout_s: float = 5.0, body: object = "?") -> object:
    return exchange.post("/judge", dump(body), time.monotonic() + timeout_s)


def reason(exchange: Exchange, timeout_s: float = 5.0) -> str:
    with pytest.raises(ExchangeFailed) as caught:
        post(exchange, timeout_s)
    return caught.value.reason


def test_json_goes_out_and_comes_back(service, open_exchange):
    service.answer({"fine": True})
    exchange = open_exchange(service.url + "/", headers={"Authorization": "Bearer k"})
    assert post(exchange, body={"text": "naïve \ud800"}) == {"fine": True}
    [request] = service.requests
    assert request.path == "/judge" and request.body == {"text": "naïve ?"}
    assert request.headers["authorization"] == "Bearer k"
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (400, "rejected"), (401, "unauthorised"), (402, "unauthorised"), (403, "unauthorised"),
        (404, "misconfigured"), (405, "misconfigured"), (408, "timeout"), (413, "rejected"),
        (422, "rejected"), (429, "rate-limited"), (500, "unavailable"), (503, "unavailable"),
        (301, "misconfigured"), (302, "misconfigured"), (307, "misconfigured"),
    ],
)  # fmt: skip
def test_every_status_has_a_word(service, open_exchange, status: int, word: str):
    service.answer(Reply({"error": "no"}, status))
    assert reason(open_exchange(service.url, is_repeatable=False)) == word
    assert len(service.requests) == 1


def test_a_redirect_is_not_followed(service, open_exchange):
    with stand_in() as other:
        service.answer(Reply(None, 307, {"Location": other.url + "/judge"}))
        assert reason(open_exchange(service.url)) == "misconfigured"
        assert other.requests == []


@pytest.mark.parametrize(
    "raw", [b"", b"hello", b"{", b"\xff\xfe", b"[" * 100_000, b"<html></html>", b"NaN garbage"]
)
def test_what_is_no_json_is_garbage(service, open_exchange, raw: bytes):
    service.answer(Reply(raw=raw))
    assert reason(open_exchange(service.url)) == "garbage"


def test_an_answer_that_is_too_long_is_not_read(service, open_exchange):
    service.answer(Reply(raw=b" " * 300_000))
    assert reason(open_exchange(service.url, max_bytes=100_000)) == "too-large"


def test_a_long_refusal_is_cut_short(service, open_exchange):
    service.answer(Reply(raw=b" " * 3_000_000, status=403))
    assert reason(open_exchange(service.url)) == "unauthorised"


def test_a_refusal_keeps_what_the_service_said(service, open_exchange):
    service.answer(Reply({"error": "language"}, 400))
    with pytest.raises(ExchangeFailed) as caught:
        post(open_exchange(service.url))
    assert caught.value.body == {"error": "language"}
    assert "language" not in str(caught.value)


@pytest.mark.parametrize(
    "reply", [Reply(1, delay_s=5.0), Reply(1, headers={"X-Long": "y" * 900}, delay_s=5.0),
              Reply(raw=b" " * 900 + b"1", drip_s=0.05)]
)  # fmt: skip
def test_slow_answers_end_with_the_deadline(service, open_exchange, reply):
    service.answer(reply)
    start = time.monotonic()
    assert reason(open_exchange(service.url), timeout_s=0.4) == "timeout"
    assert 0.3 < time.monotonic() - start < 4


def test_a_service_that_says_nothing_ends_with_the_deadline(open_exchange):
    with silent_port() as port:
        assert reason(open_exchange(f"http://127.0.0.1:{port}"), timeout_s=0.3) == "timeout"


def test_a_name_server_that_hangs_ends_with_the_deadline(open_exchange, monkeypatch):
    may_go = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: may_go.wait(10) and [])
    try:
        word = reason(open_exchange("http://guard.example.com"), timeout_s=0.3)
    finally:
        may_go.set()
    assert word in ("timeout", "unreachable")


def test_nobody_there_is_unreachable(open_exchange):
    assert reason(open_exchange(f"http://127.0.0.1:{closed_port()}")) == "unreachable"


def test_tls_where_there_is_none_is_unreachable(service, open_exchange):
    assert reason(open_exchange(service.url.replace("http:", "https:"))) == "unreachable"


def test_a_server_error_is_tried_once_more(service, open_exchange):
    service.answer(Reply(None, 503), {"fine": True})
    assert post(open_exchange(service.url)) == {"fine": True}
    service.answer(Reply(None, 500))
    before = len(service.requests)
    assert reason(open_exchange(service.url)) == "unavailable"
    assert len(service.requests) - before == 2


def test_an_answer_that_breaks_off_is_asked_for_once_more(service, open_exchange):
    service.answer(Reply({"a": "b" * 100}, drops=True), {"fine": True})
    assert post(open_exchange(service.url)) == {"fine": True}
    service.answer(Reply({"a": "b" * 100}, drops=True), {"fine": True})
    assert reason(open_exchange(service.url, is_repeatable=False)) == "unreachable"


def test_a_second_try_needs_time(service, open_exchange):
    service.answer(Reply(None, 503, delay_s=0.25), {"fine": True})
    assert reason(open_exchange(service.url), timeout_s=0.4) == "unavailable"


def test_too_many_requests_waits_as_it_is_told(service, open_exchange):
    service.answer(Reply(None, 429, {"Retry-After": "0.2"}), {"fine": True})
    start = time.monotonic()
    assert post(open_exchange(service.url)) == {"fine": True}
    assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize("wait", ["30", "Fri, 31 Dec 2077 23:59:59 GMT", "inf", "nan", "1e999"])
def test_a_service_that_wants_patience_is_left_alone(service, open_exchange, wait: str):
    service.answer(Reply(None, 429, {"Retry-After": wait}))
    exchange = open_exchange(service.url)
    assert [reason(exchange), reason(exchange)] == ["rate-limited"] * 2
    assert len(service.requests) == 1


def test_a_private_address_is_refused_however_it_is_reached(service, open_exchange, monkeypatch):
    """Also when the name server gives the private one only when it comes to connecting."""
    port = int(service.url.rsplit(":", 1)[1])
    rows = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: rows)
    exchange = open_exchange(f"http://guard.example.com:{port}", allow_private=False)
    assert reason(exchange) == "misconfigured"
    assert service.requests == []


def test_proxies_of_the_environment_are_not_used(service, open_exchange, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    service.answer({"fine": True})
    assert post(open_exchange(service.url)) == {"fine": True}


def test_many_threads_share_it_each_with_its_own_time(service, open_exchange):
    def echo(request):
        slow = request.body % 4 == 0
        return Reply(request.body, delay_s=30.0 if slow else 0.01)

    service.script = echo
    exchange = open_exchange(service.url)
    found: dict[int, object] = {}

    def call(number: int) -> None:
        try:
            found[number] = exchange.post("/", json.dumps(number).encode(), time.monotonic() + 3.0)
        except ExchangeFailed as error:
            found[number] = error.reason

    threads = [threading.Thread(target=call, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: "timeout" if n % 4 == 0 else n for n in range(24)}
