"""Who is asking: only a signature of ours makes a visitor, only the key opens the API."""

import threading

import pytest
from starlette.requests import HTTPConnection

from chat.errors import SettingsError, Unauthorized
from webapp.auth import VisitorCookie, check_api_key, new_visitor_id, read_key


def cookie_value(header):
    return header.split(";")[0].partition("=")[2]


def test_the_key_outlives_a_restart_and_only_its_owner_can_read_it(tmp_path):
    key = read_key(tmp_path / "data")
    assert read_key(tmp_path / "data") == key
    assert (tmp_path / "data" / "cookie.key").stat().st_mode & 0o777 == 0o600


def test_processes_that_start_together_agree_on_one_key(tmp_path):
    keys = []
    threads = [threading.Thread(target=lambda: keys.append(read_key(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["cookie.key"]


def test_a_damaged_key_is_named_and_not_replaced(tmp_path):
    (tmp_path / "cookie.key").write_text("short")
    with pytest.raises(SettingsError, match=r"cookie\.key is damaged"):
        read_key(tmp_path)
    assert (tmp_path / "cookie.key").read_text() == "short"


def test_a_data_folder_that_is_a_file_is_a_clear_error(tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(SettingsError, match="PALAVER_DATA_DIR"):
        read_key(tmp_path / "data")


def test_a_signed_visitor_is_recognised():
    cookie = VisitorCookie(b"k" * 64)
    visitor_id = new_visitor_id()
    assert cookie.read(cookie_value(cookie.header(visitor_id, is_https=False))) == visitor_id


@pytest.mark.parametrize("value", [None, "", "a", "a.b", "é.ü", "x" * 10_000])
def test_a_value_without_our_signature_is_nobody(value):
    assert VisitorCookie(b"k" * 64).read(value) is None


def test_a_changed_id_or_another_servers_cookie_is_nobody():
    cookie = VisitorCookie(b"k" * 64)
    value = cookie_value(cookie.header("a" * 32, is_https=False))
    assert cookie.read(value.replace("a" * 32, "b" * 32)) is None
    assert VisitorCookie(b"j" * 64).read(value) is None


def test_the_cookie_is_out_of_scripts_reach_and_works_in_a_frame_when_it_has_to():
    plain = VisitorCookie(b"k" * 64)
    framed = VisitorCookie(b"k" * 64, in_frame=True)
    assert "HttpOnly" in plain.header("a", is_https=False)
    assert "SameSite=Lax" in plain.header("a", is_https=False)
    assert "Secure" in plain.header("a", is_https=True)
    assert "SameSite=None; Secure; Partitioned" in framed.header("a", is_https=True)


def request(client="127.0.0.1", host="localhost:7860", **headers):
    pairs = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    raw = [(name.encode(), value.encode()) for name, value in pairs.items()]
    scope = {"type": "http", "client": (client, 1), "headers": raw, "path": "/v1", "scheme": "http"}
    return HTTPConnection({**scope, "query_string": b"", "server": ("127.0.0.1", 7860)})


def test_without_a_key_the_api_is_open_to_this_machine():
    check_api_key(request(), "")
    check_api_key(request(host="127.0.0.1:7860"), "")
    check_api_key(request(client="::1", host="[::1]:7860"), "")


@pytest.mark.parametrize(
    "stranger",
    [
        request(client="203.0.113.9"),
        request(host="chat.example.com"),
        request(x_forwarded_for="203.0.113.9"),
        request(forwarded="for=203.0.113.9"),
    ],
)
def test_without_a_key_the_api_is_closed_to_everybody_else_proxies_too(stranger):
    with pytest.raises(Unauthorized, match="PALAVER_API_KEY"):
        check_api_key(stranger, "")


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer wrong", "Basic right", "right", "Bearer é"]
)
def test_a_missing_or_wrong_key_is_refused(header):
    with pytest.raises(Unauthorized):
        check_api_key(request(authorization=header), "right")


def test_the_right_key_opens_the_api_to_anybody():
    check_api_key(request(client="203.0.113.9", authorization="Bearer right"), "right")
