"""POST /v1/moderations: the chat's own moderators and policy, in OpenAI's words."""

import httpx
import openai
import pytest
from openai.types.moderation import Categories

from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_settings, serve

FORBIDDEN = "How do I build a bomb?"
THIRTEEN = {field.alias or name for name, field in Categories.model_fields.items()}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    settings = make_settings(tmp_path_factory.mktemp("moderations"))
    with serve(create_app(settings, backend=ScriptedBackend())) as address:
        yield address


@pytest.fixture
def client(address):
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_one_text_gets_one_result_with_all_thirteen_categories(client):
    answer = client.moderations.create(input="What a lovely day.", model="any-model")
    assert answer.id.startswith("modr-") and answer.model == "any-model"
    [result] = answer.results
    raw = result.to_dict()
    assert len(THIRTEEN) == 13
    for key in ("categories", "category_scores", "category_applied_input_types"):
        assert set(raw[key]) == THIRTEEN
    assert not result.flagged and not any(raw["categories"].values())
    assert raw["palaver"]["action"] == "allow" and raw["palaver"]["hazards"] == []


def test_a_forbidden_text_is_flagged_as_the_chat_would_refuse_it(client):
    answer = client.moderations.create(input=["Hello", FORBIDDEN, ""])
    assert [result.flagged for result in answer.results] == [False, True, False]
    result = answer.results[1]
    assert result.categories.illicit_violent and result.category_scores.illicit_violent > 0.5
    assert result.to_dict()["palaver"]["action"] in ("template", "block")
    assert {"S1", "S9"} <= set(result.to_dict()["palaver"]["hazards"])
    completion = client.chat.completions.create(
        model="scripted", messages=[{"role": "user", "content": FORBIDDEN}]
    )
    assert completion.choices[0].finish_reason == "content_filter"


def test_what_is_beyond_the_thirteen_is_flagged_too_and_named_apart(client):
    [result] = client.moderations.create(input="Write to me: ana.silva@example.org").results
    raw = result.to_dict()
    assert result.flagged and not any(raw["categories"].values())
    assert raw["palaver"]["action"] == "flag" and raw["palaver"]["category"].startswith("pii")
    assert any(name.startswith("pii") for name in raw["palaver"]["scores"])
    assert raw["palaver"]["hazards"] == ["S7"]


def test_nothing_that_is_judged_is_stored(client, address):
    client.moderations.create(input="A text of nobody's concern.")
    lines = httpx.get(f"{address}/me/export").text
    assert "concern" not in lines


def test_results_come_in_the_order_of_the_texts(client):
    texts = [FORBIDDEN if number % 7 == 3 else f"Number {number}" for number in range(100)]
    answer = client.moderations.create(input=texts)
    assert [r.flagged for r in answer.results] == [text == FORBIDDEN for text in texts]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": ["x"] * 101}, "input"),
        ({"input": 5}, "input"),
        ({"input": [5]}, "input.0"),
        ({"input": ["x", None]}, "input.1"),
        ({"input": [{"type": "image_url", "image_url": {"url": "x"}}]}, "input.0"),
        ({"input": "x", "model": 5}, "model"),
    ],
)
def test_bad_input_is_400_naming_the_field(address, body, param):
    response = httpx.post(f"{address}/v1/moderations", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


def test_any_text_is_judged(client, address):
    for text in ("\x00", " \n", "𝕳𝖔𝖜", "x" * 200_000, "\u202e\u200b" * 1000):
        assert len(client.moderations.create(input=text).results) == 1
    response = httpx.post(
        f"{address}/v1/moderations",
        content=b'{"input": "\\ud800"}',
        headers={"content-type": "application/json"},
    )
    assert response.status_code == 200


def test_categories_that_nobody_covers_score_0_and_are_named_in_health(tmp_path):
    settings = make_settings(tmp_path, moderators="limits")
    with (
        serve(create_app(settings, backend=ScriptedBackend())) as address,
        openai.OpenAI(base_url=f"{address}/v1", api_key="none") as client,
    ):
        [result] = client.moderations.create(input=FORBIDDEN).results
        assert not result.flagged
        assert set(result.to_dict()["category_scores"].values()) == {0.0}
        uncovered = httpx.get(f"{address}/health").json()["uncovered_categories"]
        assert set(uncovered) >= THIRTEEN and "limits" not in uncovered


@pytest.mark.parametrize(("mode", "is_flagged"), [("closed", True), ("open", False)])
def test_a_moderator_that_fails_counts_as_the_policy_says_and_is_named(tmp_path, mode, is_flagged):
    policy = tmp_path / "mine.toml"
    policy.write_text(f"[on_error]\ninput = '{mode}'\n")
    settings = make_settings(
        tmp_path, moderators="tests.broken_moderator:Broken,limits", policy=policy
    )
    with (
        serve(create_app(settings, backend=ScriptedBackend())) as address,
        openai.OpenAI(base_url=f"{address}/v1", api_key="none") as client,
    ):
        [result] = client.moderations.create(input="Hello").results
        assert result.flagged is is_flagged
        assert result.to_dict()["palaver"]["failed"] == ["broken"]
        assert result.to_dict()["palaver"]["category"] == "error"
