"""Who is asking: only a signature of ours makes a visitor."""

import threading

import pytest
from starlette.requests import HTTPConnection

from chat.errors import SettingsError
from webapp.auth import (
    CookieKeys,
    VisitorCookie,
    is_local,
    merge_keys,
    new_visitor_id,
    read_key,
)


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


def test_keys_of_two_memories_are_joined_and_the_earlier_one_signs(tmp_path):
    ours = read_key(tmp_path)
    theirs = b"a" * 64
    merged = merge_keys(tmp_path, theirs)
    assert merged.split() == [theirs, ours]
    assert read_key(tmp_path) == merged == merge_keys(tmp_path, theirs)
    assert (tmp_path / "cookie.key").stat().st_mode & 0o777 == 0o600
    old = VisitorCookie(CookieKeys(ours)).header("old", is_https=False)
    both = VisitorCookie(CookieKeys(*merged.split()))
    assert both.read(cookie_value(old)) == "old"
    new = cookie_value(both.header("x", is_https=False))
    assert VisitorCookie(CookieKeys(theirs)).read(new) == "x"


def test_a_key_from_elsewhere_is_taken_where_there_is_none(tmp_path):
    assert merge_keys(tmp_path, b"a" * 64) == b"a" * 64 == read_key(tmp_path)


def test_a_damaged_key_from_elsewhere_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"cookie\.key is damaged"):
        merge_keys(tmp_path, b"short")


def test_a_key_added_later_is_believed_from_then_on():
    keys = CookieKeys(b"k" * 64)
    value = cookie_value(VisitorCookie(CookieKeys(b"j" * 64)).header("a", is_https=False))
    assert VisitorCookie(keys).read(value) is None
    keys.add(b"j" * 64)
    assert VisitorCookie(keys).read(value) == "a"


def test_a_data_folder_that_is_a_file_is_a_clear_error(tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(SettingsError, match="PALAVER_DATA_DIR"):
        read_key(tmp_path / "data")


def test_a_signed_visitor_is_recognised():
    cookie = VisitorCookie(CookieKeys(b"k" * 64))
    visitor_id = new_visitor_id()
    assert cookie.read(cookie_value(cookie.header(visitor_id, is_https=False))) == visitor_id


@pytest.mark.parametrize("value", [None, "", "a", "a.b", "é.ü", "x" * 10_000])
def test_a_value_without_our_signature_is_nobody(value):
    assert VisitorCookie(CookieKeys(b"k" * 64)).read(value) is None


def test_a_changed_id_or_another_servers_cookie_is_nobody():
    cookie = VisitorCookie(CookieKeys(b"k" * 64))
    value = cookie_value(cookie.header("a" * 32, is_https=False))
    assert cookie.read(value.replace("a" * 32, "b" * 32)) is None
    assert VisitorCookie(CookieKeys(b"j" * 64)).read(value) is None


def test_the_cookie_is_out_of_scripts_reach_and_works_in_a_frame_when_it_has_to():
    plain = VisitorCookie(CookieKeys(b"k" * 64))
    framed = VisitorCookie(CookieKeys(b"k" * 64), in_frame=True)
    assert "HttpOnly" in plain.header("a", is_https=False)
    assert "SameSite=Lax" in plain.header("a", is_https=False)
    assert "Secure" in plain.header("a", is_https=True)
    assert "SameSite=None; Secure; Partitioned" in framed.header("a", is_https=True)


def request_with(headers=(), *, client="127.0.0.1", host="localhost:7860", version="1.1"):
    scope = {
        "type": "http",
        "scheme": "http",
        "path": "/",
        "query_string": b"",
        "http_version": version,
        "client": (client, 5),
        "server": ("127.0.0.1", 7860),
        "headers": [(b"host", host.encode()), *((k.encode(), v.encode()) for k, v in headers)],
    }
    return HTTPConnection(scope)


@pytest.mark.parametrize("host", ["localhost:7860", "127.0.0.1:7860", "[::1]:7860"])
def test_who_sits_at_the_machine_is_local(host):
    page = [("origin", f"http://{host}"), ("referer", f"http://{host}/personas")]
    assert is_local(request_with(host=host)) and is_local(request_with(page, host=host))


@pytest.mark.parametrize(
    "changes",
    [
        {"client": "192.0.2.7"},
        {"host": "chat.example.com"},
        {"version": "1.0"},  # as nginx asks unless told otherwise
        {"headers": [("x-forwarded-proto", "https")]},
        {"headers": [("x-forwarded-for", "127.0.0.1")]},
        {"headers": [("via", "1.1 proxy")]},
        {"headers": [("forwarded", "for=127.0.0.1")]},
        {"headers": [("cf-connecting-ip", "127.0.0.1")]},
        {"headers": [("x-original-host", "chat.example.com")]},
        {"headers": [("origin", "https://chat.example.com")]},
        {"headers": [("referer", "https://chat.example.com/login")]},
        {"headers": [("origin", "null")]},
        {"headers": [("origin", "http://[")]},
    ],
)
def test_what_comes_from_elsewhere_or_through_a_proxy_is_not_local(changes):
    assert not is_local(request_with(**changes))
