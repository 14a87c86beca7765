"""POST /v1/rankings: one's own answers ranked, changed, taken back, and nobody else's."""

import uuid

import httpx
import pytest

from storage.store import Store
from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_settings, serve
from webapp.keys import Keys


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return make_settings(tmp_path_factory.mktemp("rankings"))


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
            httpx.Client(base_url=f"{address}/v1", headers={"authorization": f"Bearer {secret}"})
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
def ask(mine):
    def ask(num_answers=3):
        messages = [{"role": "user", "content": uuid.uuid4().hex}]
        body = {"messages": messages, "n": num_answers}
        completion = mine.post("/chat/completions", json=body).json()["id"]
        return [f"{completion}-{number}" for number in range(num_answers)]

    return ask


@pytest.fixture
def read_rankings(store):
    def read(comparison_id):
        every = (ranked.ranking for ranked in store.export_rankings())
        return {r.annotator_id: r for r in every if r.comparison_id == comparison_id}

    return read


def rank(client, comparison, groups, **more):
    return client.post("/rankings", json={"comparison": comparison, "groups": groups, **more})


def inner(name):
    first, _, number = name.removeprefix("chatcmpl-").partition("-")
    return first if number in ("", "0") else f"{first}-{number}"


def test_a_ranking_is_remembered_as_it_is_returned(mine, ask, store, read_rankings, owner_id):
    a, b, c = ask()
    response = rank(mine, [c, a, b], [[a], [b, c]], acceptable=[b, a], strength=0.5, comment=" Ä. ")
    assert response.status_code == 200
    said = response.json()
    assert said["object"] == "ranking" and said["answers"] == [c, a, b]
    assert said["groups"] == [[a], [b, c]] and said["acceptable"] == [a, b]
    assert (said["strength"], said["comment"], said["user"]) == (0.5, "Ä.", None)
    [ranking] = read_rankings(said["comparison"]).values()
    assert ranking.groups == ((inner(a),), (inner(b), inner(c)))
    assert ranking.acceptable == {inner(a), inner(b)} and ranking.annotator_id == owner_id
    shown = store.read_comparison(owner_id, said["comparison"])
    assert shown.answer_ids == (inner(c), inner(a), inner(b))
    assert (shown.origin, shown.method) == ("api", "same")


def test_said_again_it_replaces_and_by_the_comparisons_id_too(mine, ask, read_rankings):
    a, b = ask(2)
    said = rank(mine, [a, b], [[a], [b]]).json()
    again = rank(mine, [a, b], [[b], [a]]).json()
    assert again["comparison"] == said["comparison"]
    by_id = rank(mine, said["comparison"], [[a, b]]).json()
    assert by_id["answers"] == [a, b]
    [ranking] = read_rankings(said["comparison"]).values()
    assert ranking.groups == ((inner(a), inner(b)),)


def test_another_order_is_another_comparison(mine, ask):
    a, b = ask(2)
    first, second = (rank(mine, shown, [[a], [b]]).json() for shown in ([a, b], [b, a]))
    assert first["comparison"] != second["comparison"]


def test_the_first_choice_may_go_by_the_completions_id_alone(mine, ask):
    a, b = ask(2)
    short = a.removesuffix("-0")
    assert rank(mine, [short, b], [[short], [b]]).json()["answers"] == [a, b]


def test_users_have_a_ranking_each_and_take_back_their_own(mine, ask, read_rankings, owner_id):
    a, b = ask(2)
    for user, groups in (("ana", [[a], [b]]), ("béla", [[b], [a]]), (None, [[a, b]])):
        said = rank(mine, [a, b], groups, user=user).json()
    comparison = said["comparison"]
    gone = mine.delete(f"/rankings/{comparison}", params={"user": "ana"})
    assert gone.status_code == 200
    assert gone.json() == {"object": "ranking.deleted", "comparison": comparison, "deleted": True}
    assert set(read_rankings(comparison)) == {f"{owner_id}/béla", owner_id}
    for _ in range(2):  # twice does no harm
        assert mine.delete(f"/rankings/{comparison}").status_code == 200
    assert set(read_rankings(comparison)) == {f"{owner_id}/béla"}


@pytest.mark.parametrize("acceptable, is_none", [(None, False), ([], True)])
def test_none_acceptable_is_something_else_than_not_said(
    mine, ask, read_rankings, acceptable, is_none
):
    a, b = ask(2)
    said = rank(mine, [a, b], [[a], [b]], acceptable=acceptable).json()
    assert said["acceptable"] == acceptable
    [ranking] = read_rankings(said["comparison"]).values()
    assert ranking.is_none_acceptable is is_none and not ranking.acceptable


def test_what_is_no_ranking_of_these_answers_is_400(mine, ask):
    a, b, c = ask()
    [other, _] = ask(2)
    wrong = [
        ([a, b], [[a]], {}, "leaves out"),
        ([a, b], [[a], [b], [c]], {}, "not shown"),
        ([a, b], [[a, a], [b]], {}, "twice"),
        ([a, a], [[a]], {}, "1 of them different"),
        ([a, other], [[a], [other]], {}, "several completions"),
        ([a, b], [[a], [b]], {"acceptable": [c]}, "not shown"),
        ([a, b], [[a], [b]], {"strength": 2}, "strength"),
        ([a, b], [[a], []], {}, "groups"),
        ([a], [[a]], {}, "comparison"),
        ([a, b], [], {}, "groups"),
    ]
    for shown, groups, more, words in wrong:
        response = rank(mine, shown, groups, **more)
        assert response.status_code == 400, (words, response.text)
        assert words in response.json()["error"]["message"]


def test_what_is_not_there_or_another_keys_is_404(mine, theirs, ask):
    a, b = ask(2)
    comparison = rank(mine, [a, b], [[a], [b]]).json()["comparison"]
    nobody = "chatcmpl-" + "0" * 32
    for response in (
        rank(theirs, [a, b], [[a], [b]]),
        rank(theirs, comparison, [[a], [b]]),
        theirs.delete(f"/rankings/{comparison}"),
        rank(mine, [nobody, f"{nobody}-1"], [[nobody], [f"{nobody}-1"]]),
        rank(mine, [a, f"{a[:-2]}-7"], [[a], [f"{a[:-2]}-7"]]),
        rank(mine, ["x", "y"], [["x"], ["y"]]),
        rank(mine, "x", [[a], [b]]),
        mine.delete("/rankings/x"),
    ):
        assert response.status_code == 404, response.text
        assert response.json()["error"]["message"]


def test_lone_surrogates_do_no_harm(mine, ask):
    a, b = ask(2)
    body = '{"comparison": ["%s", "%s"], "groups": [["%s"], ["%s"]], "comment": "\\ud800"}'
    headers = {"content-type": "application/json"}
    response = mine.post("/rankings", content=body % (a, b, a, b), headers=headers)
    assert response.status_code in (200, 400)
