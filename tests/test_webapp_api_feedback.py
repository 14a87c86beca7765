"""POST /v1/feedback: a thumb for one's own completion, replaced, taken back, and for no other."""

import json
import uuid

import httpx
import openai
import pytest

from storage.store import Store
from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_settings, serve
from webapp.archive import BAD_TAGS, GOOD_TAGS
from webapp.keys import Keys


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return make_settings(tmp_path_factory.mktemp("feedback"))


@pytest.fixture(scope="module")
def store(settings):
    with Store.open(settings.database_url) as store:
        yield store


@pytest.fixture(scope="module")
def keys(store):
    return [Keys(store).create(name) for name in ("mine", "theirs")]


@pytest.fixture(scope="module")
def clients(settings, keys):
    with serve(create_app(settings, backend=ScriptedBackend())) as address:
        made = [
            openai.OpenAI(base_url=f"{address}/v1", api_key=secret, max_retries=0)
            for _, secret in keys
        ]
        yield made
        for client in made:
            client.close()


@pytest.fixture
def mine(clients):
    return clients[0]


@pytest.fixture
def theirs(clients):
    return clients[1]


@pytest.fixture
def owner_id(keys):
    return f"key:{keys[0][0].id}"


@pytest.fixture
def title():
    # A conversation for each test: the same opening would be the same conversation.
    return uuid.uuid4().hex


@pytest.fixture
def ask(mine, title):
    def ask(**options):
        messages = [{"role": "user", "content": title}]
        return mine.chat.completions.create(model="scripted", messages=messages, **options)

    return ask


@pytest.fixture
def read_ratings(store, owner_id, title):
    def read():
        [found] = [c for c in store.list_conversations(owner_id) if c.title == title]
        return {(r.answer_id, r.annotator_id): r for r in store.read_ratings(owner_id, found.id)}

    return read


def rate(client, completion_id, value, **more):
    body = {"completion_id": completion_id, "value": value, **more}
    return client.post("/feedback", cast_to=object, body=body)


def post_escaped(client, body):
    """Post characters that JSON can only hold as escapes: the official client can't."""
    headers = {**client.auth_headers, "content-type": "application/json"}
    return httpx.post(f"{client.base_url}feedback", content=json.dumps(body), headers=headers)


def test_a_thumb_with_its_reasons_is_remembered(mine, ask, read_ratings, owner_id):
    said = rate(mine, ask().id, "up", tags=["clear", "helpful"], comment="Just so.")
    assert said["object"] == "feedback" and said["value"] == "up"
    [rating] = read_ratings().values()
    assert (rating.value, rating.tags, rating.comment) == (1, ("clear", "helpful"), "Just so.")
    assert rating.annotator_id == owner_id


@pytest.mark.parametrize(("value", "stored"), [("up", 1), (1, 1), ("down", -1), (-1, -1)])
def test_a_thumb_is_a_word_or_a_number(mine, ask, read_ratings, value, stored):
    rate(mine, ask().id, value)
    assert [rating.value for rating in read_ratings().values()] == [stored]


def test_said_again_it_replaces_what_was_said(mine, ask, read_ratings):
    completion_id = ask().id
    for value, tags in (("up", ["clear"]), ("down", ["wrong"]), ("down", ["too-long"])):
        rate(mine, completion_id, value, tags=tags)
    [rating] = read_ratings().values()
    assert (rating.value, rating.tags) == (-1, ("too-long",))


def test_null_takes_it_back_and_twice_does_no_harm(mine, ask, read_ratings):
    completion_id = ask().id
    rate(mine, completion_id, "up")
    for _ in range(2):
        assert rate(mine, completion_id, None)["value"] is None
    assert read_ratings() == {}


def test_users_of_a_program_have_an_opinion_each(mine, ask, read_ratings, owner_id):
    completion_id = ask().id
    for user, value in (("ana", "up"), ("béla", "down"), (None, "up")):
        rate(mine, completion_id, value, user=user)
    rate(mine, completion_id, None, user="ana")
    answer_id = completion_id.removeprefix("chatcmpl-")
    assert {who: r.value for (_, who), r in read_ratings().items()} == {
        f"{owner_id}/béla": -1,
        owner_id: 1,
    }
    assert {answer for answer, _ in read_ratings()} == {answer_id}


def test_each_choice_of_a_completion_can_be_rated(mine, ask, read_ratings):
    completion_id = ask(n=3).id
    for choice, value in enumerate(("up", "down", "up")):
        rate(mine, completion_id, value, choice=choice)
    first = completion_id.removeprefix("chatcmpl-")
    assert {answer: r.value for (answer, _), r in read_ratings().items()} == {
        first: 1,
        f"{first}-1": -1,
        f"{first}-2": 1,
    }
    with pytest.raises(openai.NotFoundError):
        rate(mine, completion_id, "up", choice=3)


def test_a_streamed_completion_can_be_rated_as_soon_as_it_ends(mine, ask, read_ratings):
    chunks = list(ask(stream=True))
    rate(mine, chunks[0].id, "up")
    assert len(read_ratings()) == 1


def test_a_strangers_an_unknown_and_a_deleted_completion_are_the_same_404(
    mine, theirs, ask, store, owner_id
):
    completion_id = ask().id
    rate(mine, completion_id, "up")
    heard = []
    with pytest.raises(openai.NotFoundError) as caught:
        rate(theirs, completion_id, "down")
    heard.append(caught.value.body)
    store.delete_conversation(owner_id, store.list_conversations(owner_id)[0].id)
    for value in ("down", None):
        with pytest.raises(openai.NotFoundError) as caught:
            rate(mine, completion_id, value)
        heard.append(caught.value.body)
    unknown = "chatcmpl-" + "0" * 32
    with pytest.raises(openai.NotFoundError) as caught:
        rate(mine, unknown, "down")
    heard.append(
        {
            **caught.value.body,
            "message": caught.value.body["message"].replace(unknown, completion_id),
        }
    )
    assert all(body == heard[0] for body in heard)
    assert heard[0]["code"] == "completion_not_found"


@pytest.mark.parametrize(
    "completion_id",
    [
        "",
        "x",
        "chatcmpl-",
        "chatcmpl-\x00",
        "chatcmpl-\ud800",
        "chatcmpl-' OR 1=1 --",
        f"chatcmpl-{'a' * 32}-1",
        f"chatcmpl-{'a' * 32}\n",
        f"chatcmpl-{'a' * 100_000}",
    ],
)
def test_an_id_that_is_none_of_ours_is_404(mine, completion_id):
    raw = {"completion_id": completion_id, "value": "up"}
    response = post_escaped(mine, raw)
    assert response.status_code == 404 and len(response.content) < 1000
    assert response.json()["error"]["code"] == "completion_not_found"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"value": "sideways"}, "value"),
        ({"value": 0}, "value"),
        ({"value": 2}, "value"),
        ({"value": True}, "value"),
        ({"value": ["up"]}, "value"),
        ({"choice": -1}, "choice"),
        ({"choice": 8}, "choice"),
        ({"choice": 10**400}, "choice"),
        ({"choice": "0"}, "choice"),
        ({"tags": ["wrong"]}, "tags"),
        ({"tags": ["<b>"]}, "tags"),
        ({"tags": ["\ud800"]}, "tags"),
        ({"tags": "clear"}, "tags"),
        ({"tags": ["clear"] * 11}, "tags"),
        ({"comment": "x" * 2001}, "comment"),
        ({"comment": None}, "comment"),
        ({"user": ""}, "user"),
        ({"user": "x" * 101}, "user"),
        ({"value": None, "comment": "Never mind."}, "value"),
        ({"completion_id": None}, "completion_id"),
    ],
)
def test_what_is_not_allowed_is_400_naming_it_and_remembers_nothing(
    mine, ask, read_ratings, change, param
):
    body = {"completion_id": ask().id, "value": "up", **change}
    response = post_escaped(mine, body)
    assert response.status_code == 400
    assert response.json()["error"]["param"].startswith(param)
    assert read_ratings() == {}


def test_without_a_value_nothing_is_meant(mine, ask):
    with pytest.raises(openai.BadRequestError) as caught:
        mine.post("/feedback", cast_to=object, body={"completion_id": ask().id})
    assert caught.value.code == "missing_required_parameter"


def test_every_tag_is_taken_with_its_thumb(mine, ask):
    completion_id = ask().id
    assert rate(mine, completion_id, 1, tags=list(GOOD_TAGS))["tags"] == list(GOOD_TAGS)
    assert rate(mine, completion_id, -1, tags=list(BAD_TAGS))["tags"] == list(BAD_TAGS)


def test_a_nul_is_mended_and_half_a_character_is_400(mine, ask, read_ratings, owner_id):
    body = {"completion_id": ask().id, "value": "up", "user": "u\x00"}
    assert post_escaped(mine, {**body, "comment": "a\x00b"}).status_code == 200
    response = post_escaped(mine, {**body, "comment": "a\ud800b"})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "comment")
    [rating] = read_ratings().values()
    assert rating.comment == "a\N{REPLACEMENT CHARACTER}b"
    assert rating.annotator_id == f"{owner_id}/u\N{REPLACEMENT CHARACTER}"
