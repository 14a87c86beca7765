"""Keys for programs: shown once, known by their hash, void at once when they are revoked."""

import re
import sqlite3

import openai
import pytest
from starlette.requests import HTTPConnection

from chat.errors import InvalidRequest, NotFound, Unauthorized
from storage.store import Store
from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_settings, serve
from webapp.keys import Keys


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'palaver.db'}") as store:
        yield store


@pytest.fixture
def keys(store):
    return Keys(store)


def request(token=None, client="127.0.0.1", **headers):
    headers.setdefault("host", "localhost:7860")
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "client": (client, 5), "headers": raw, "path": "/v1/models"}
    return HTTPConnection(scope | {"scheme": "http", "server": ("localhost", 7860)})


STRANGER = {"client": "203.0.113.9"}


def test_a_key_is_long_and_random_and_is_found_by_its_secret(keys):
    made = [keys.create(f"Key {i}") for i in range(20)]
    assert len({secret for _, secret in made}) == 20
    for key, secret in made:
        assert re.fullmatch(r"pal-[\w-]{40}", secret, re.ASCII)
        assert keys.find(secret) == key
    assert [key.name for key in keys.list()] == [f"Key {i}" for i in range(20)]


def test_the_secret_itself_is_nowhere_in_the_database(keys, store, tmp_path):
    _, secret = keys.create("My script")
    with sqlite3.connect(tmp_path / "palaver.db") as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    assert "My script" in dump and secret not in dump and secret[4:] not in dump


@pytest.mark.parametrize("name", ["", " \n ", "x" * 101])
def test_a_key_needs_a_name_of_some_length(keys, name):
    with pytest.raises(InvalidRequest, match="1 to 100"):
        keys.create(name)
    assert keys.list() == []


def test_a_name_may_hold_anything_that_can_be_stored(keys):
    key, _ = keys.create("  Żółw\x00 \ud800 ✓\n bot ")
    assert key.name == "Żółw\N{REPLACEMENT CHARACTER} \N{REPLACEMENT CHARACTER} ✓ bot"
    assert keys.list() == [key]


def test_what_was_never_a_key_is_not_found_nor_revoked(keys):
    keys.create("One")
    assert keys.find("pal-" + "a" * 40) is None and keys.find("") is None
    with pytest.raises(NotFound):
        keys.revoke("nonsuch")


async def test_a_stored_key_owns_what_it_makes_and_no_other_key_does(keys):
    (first, secret), (second, other) = keys.create("One"), keys.create("Two")
    for client in ("127.0.0.1", "203.0.113.9"):
        assert await keys.authorize(request(secret, client)) == f"key:{first.id}"
        assert await keys.authorize(request(other, client)) == f"key:{second.id}"


async def test_a_revoked_key_is_refused_at_once_and_does_not_open_the_door_again(keys):
    key, secret = keys.create("One")
    assert await keys.authorize(request(secret))
    keys.revoke(key.id)
    for token in (secret, None):
        for client in ("127.0.0.1", "203.0.113.9"):
            with pytest.raises(Unauthorized):
                await keys.authorize(request(token, client))


@pytest.mark.parametrize("token", [None, "none", "pal-" + "a" * 40])
async def test_without_any_key_this_machine_alone_is_let_in_whatever_it_sends(keys, token):
    assert await keys.authorize(request(token)) == "api"
    assert await keys.authorize(request(token, client="::1", host="[::1]:7860")) == "api"
    for stranger in (
        STRANGER,
        {"x_forwarded_for": "203.0.113.9"},
        {"forwarded": "for=203.0.113.9"},
        {"x_real_ip": "203.0.113.9"},
        {"host": "evil.example"},
    ):
        with pytest.raises(Unauthorized, match="closed"):
            await keys.authorize(request(token, **stranger))


async def test_the_key_of_the_settings_is_one_more(store):
    keys = Keys(store, fixed_key="right")
    assert await keys.authorize(request("right", **STRANGER)) == "api"
    _, secret = keys.create("One")
    assert await keys.authorize(request("right")) == "api"
    assert (await keys.authorize(request(secret))).startswith("key:")


@pytest.mark.parametrize(
    "header", ["", "right", "Basic right", "Bearer", "Bearer wrong", "Bearer right2", "Bearer ñ"]
)
async def test_anything_but_a_key_is_refused_on_this_machine_too(store, header):
    keys = Keys(store, fixed_key="right")
    with pytest.raises(Unauthorized) as caught:
        await keys.authorize(request(authorization=header))
    assert caught.value.code == "invalid_api_key"


async def test_the_scheme_is_read_in_any_case_and_spaces_do_not_matter(store):
    keys = Keys(store, fixed_key="right")
    assert await keys.authorize(request(authorization="bearer   right ")) == "api"


def test_every_route_of_v1_asks_for_the_key_before_it_reads_anything(tmp_path):
    settings = make_settings(tmp_path, api_key="right")
    with (
        serve(create_app(settings, backend=ScriptedBackend())) as address,
        openai.OpenAI(base_url=f"{address}/v1", api_key="wrong", max_retries=0) as client,
    ):
        for method, path in (
            ("GET", "/models"),
            ("GET", "/models/scripted"),
            ("GET", "/models/nonsuch"),
            ("POST", "/chat/completions"),
            ("POST", "/moderations"),
            ("POST", "/feedback"),
        ):
            # The body is wrong too, which is nobody's business who has no key.
            call = client.post if method == "POST" else client.get
            with pytest.raises(openai.AuthenticationError) as caught:
                call(path, cast_to=object, **({"body": []} if method == "POST" else {}))
            assert caught.value.code == "invalid_api_key"
            assert caught.value.response.headers["www-authenticate"] == "Bearer"


def test_a_key_made_while_the_server_runs_closes_the_door_and_opens_it(tmp_path):
    settings = make_settings(tmp_path)
    with serve(create_app(settings, backend=ScriptedBackend())) as address:
        with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
            assert client.models.list().data
            with Store.open(settings.database_url) as store:
                key, secret = Keys(store).create("Made elsewhere")
            with pytest.raises(openai.AuthenticationError):
                client.models.list()
        with openai.OpenAI(base_url=f"{address}/v1", api_key=secret, max_retries=0) as client:
            assert client.models.list().data
            client.chat.completions.create(
                model="scripted", messages=[{"role": "user", "content": "Hi"}]
            )
            with Store.open(settings.database_url) as store:
                [conversation] = store.list_conversations(f"key:{key.id}")
                assert conversation.title == "Hi"
                assert store.list_conversations("api") == []
                Keys(store).revoke(key.id)
            with pytest.raises(openai.AuthenticationError):
                client.models.list()
