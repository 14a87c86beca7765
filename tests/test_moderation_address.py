"""Only public addresses are connected to, whatever a name says at the time."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import ModeratorError
from moderation.guards.address import RefusedAddress, UnknownHost, check_url, is_public, resolve


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700:4700::1111"])
def test_the_internet_is_public(address: str):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1", "192.0.2.1", "::1",
        "::", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1", "",
        "localhost", "8.8.8.8.8", "0x7f.1", "192.0.0.192", "168.63.129.16", "fec0::1", "3fff::1",
        "::ffff:192.0.0.192", "2002:c000:c0::",
    ],
)  # fmt: skip
def test_everything_else_is_not(address: str):
    assert not is_public(address)


@given(st.text(max_size=40))
def test_any_text_can_be_asked_about(text: str):
    assert is_public(text) in (True, False)


@pytest.mark.parametrize(
    "url",
    ["", "guard.example.com", "ftp://guard.example.com", "file:///etc/passwd", "https://", None, 3,
     "http://guard.example.com:0/", "http://guard.example.com:99999/", "http://[::1", "https:///v1",
     "gopher://x", "https://guard example.com", "https://guard.example.com/\r\nX: y",
     "https://b\u00fccher.example", "https://\u2460.0.0.1"],
)  # fmt: skip
def test_what_is_no_url_of_a_service_is_refused(url):
    with pytest.raises(ModeratorError, match="url of the moderator 'openai' is"):
        check_url("openai", url, allow_private=True)


def test_a_password_in_what_is_no_url_is_not_repeated():
    with pytest.raises(ModeratorError) as caught:
        check_url("openai", "htps://me:secret@guard.example.com", allow_private=True)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["https://me:secret@guard.example.com", "https://guard.example.com/?key=x",
     "https://guard.example.com/#x"],
)  # fmt: skip
def test_nothing_secret_belongs_into_a_url(url: str):
    with pytest.raises(ModeratorError, match="api_key_file"):
        check_url("openai", url, allow_private=False)


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost.", "a.localhost", "127.0.0.1", "10.0.0.1", "[::1]", "169.254.169.254",
     "metadata.google.internal", "printer.local", "0x7f000001", "127.1", "2130706433"],
)  # fmt: skip
def test_a_url_that_says_it_is_private_needs_leave(host: str):
    with pytest.raises(ModeratorError, match="allow_private = true"):
        check_url("openai", f"http://{host}:8000/v1", allow_private=False)
    assert check_url("openai", f"http://{host}:8000/v1", allow_private=True).port == 8000


def say(monkeypatch, *addresses: str) -> None:
    """Let every name stand for these addresses."""
    rows = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: rows)


def test_a_name_that_stands_for_a_private_address_is_refused(monkeypatch):
    say(monkeypatch, "10.0.0.7", "::1")
    with pytest.raises(RefusedAddress):
        resolve("guard.example.com", 443, allow_private=False, timeout_s=1)
    assert resolve("guard.example.com", 443, allow_private=True, timeout_s=1) == ["10.0.0.7", "::1"]


def test_of_several_addresses_the_private_ones_are_left_out(monkeypatch):
    say(monkeypatch, "127.0.0.1", "93.184.216.34", "93.184.216.34")
    found = resolve("guard.example.com", 443, allow_private=False, timeout_s=1)
    assert found == ["93.184.216.34"]


def test_a_name_that_nobody_knows_is_unknown(monkeypatch):
    def fail(*args, **options):
        raise socket.gaierror("no")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(UnknownHost):
        resolve("guard.example.com", 443, allow_private=False, timeout_s=1)
