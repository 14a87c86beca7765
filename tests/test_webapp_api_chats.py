"""Chats as files: one's own alone, complete, and saved by a browser rather than shown."""

import json
from urllib.parse import unquote

import httpx
import pytest

from chat.types import GenerationConfig, Message, Turn, Usage
from storage.store import Store
from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_settings, serve
from webapp.auth import COOKIE

INJECTION = '=HYPERLINK("http://evil.example") <script>alert(1)</script>'


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return make_settings(tmp_path_factory.mktemp("chats"))


@pytest.fixture(scope="module")
def address(settings):
    with serve(create_app(settings, backend=ScriptedBackend())) as address:
        yield address


@pytest.fixture(scope="module")
def store(settings):
    with Store.open(settings.database_url) as store:
        yield store


@pytest.fixture
def browser(address):
    with httpx.Client(base_url=address) as browser:
        assert browser.get("/me/export").text == ""
        yield browser


@pytest.fixture
def record(store, browser, request):
    """Remember a turn of the browser's visitor."""

    def record(conversation_id, question="Hi", answer="Hello", title="A chat", number=0):
        turn = Turn(
            conversation_id=conversation_id,
            parent_id=f"{conversation_id}-a{number - 1}" if number else None,
            question_id=f"{conversation_id}-q{number}",
            question=Message("user", question),
            answer_id=f"{conversation_id}-a{number}",
            answer=Message("assistant", answer),
            finish_reason="stop",
            usage=Usage(1, 2),
            config=GenerationConfig(),
            model="scripted",
            system_prompt="The operator's secret words.",
        )
        store.record_turn(visitor_of(browser), turn, title=title)

    return record


def visitor_of(browser):
    return browser.cookies[COOKIE].rpartition(".")[0]


def test_a_chat_is_handed_out_as_markdown_by_default(browser, record):
    record("one", INJECTION, "An answer.", "A *first* chat")
    response = browser.get("/chats/one/export")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/markdown; charset=utf-8"
    assert response.headers["content-disposition"].startswith("attachment; ")
    assert 'filename="a-first-chat.md"' in response.headers["content-disposition"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"
    assert INJECTION in response.text and "An answer." in response.text


def test_as_json_it_has_all_that_is_known_but_the_operators_words(browser, record):
    record("two")
    response = browser.get("/chats/two/export", params={"format": "json"})
    assert response.headers["content-type"] == "application/json"
    messages = response.json()["messages"]
    assert [message["content"] for message in messages] == ["Hi", "Hello"]
    assert messages[1]["generation"]["model"] == "scripted"
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Grüße – 你好", "Grüße – 你好.md"),
        ('a/b\\c:"d"\r\nSet-Cookie: x=1', "a-b-c-d-Set-Cookie- x=1.md"),
        ("../../etc/passwd", "etc-passwd.md"),
        (" . ", "chat.md"),
        ("100%; filename=evil.exe", "100%; filename=evil.exe.md"),
    ],
)
def test_the_file_is_named_after_the_chat_whatever_its_name(browser, record, title, name, request):
    conversation_id = f"name-{abs(hash(title))}"
    record(conversation_id, title=title)
    header = browser.get(f"/chats/{conversation_id}/export").headers["content-disposition"]
    kind, plain, full = header.split("; ")
    assert kind == "attachment"
    assert plain.removeprefix('filename="').removesuffix('.md"').replace("-", "").isalnum()
    assert unquote(full.removeprefix("filename*=UTF-8''")) == name
    assert "set-cookie" not in browser.get(f"/chats/{conversation_id}/export").headers


@pytest.mark.parametrize("form", ["md", "json"])
def test_a_strangers_an_unknown_and_a_deleted_chat_are_the_same_404(
    address, browser, record, store, form
):
    record(f"mine-{form}")
    path = f"/chats/mine-{form}/export?format={form}"
    assert browser.get(path).status_code == 200
    with httpx.Client(base_url=address) as stranger:
        answers = [stranger.get(path), stranger.get(path, headers={"authorization": "Bearer x"})]
    answers.append(httpx.get(address + path, cookies={COOKIE: f"{visitor_of(browser)}.forged"}))
    store.delete_conversation(visitor_of(browser), f"mine-{form}")
    answers.append(browser.get(path))
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.json()["error"]["message"] for answer in answers}) == 1


@pytest.mark.parametrize(
    "conversation_id", ["%00", "%ED%A0%80", "x" * 300, "a b", "..", "'--", "%E4%BD%A0"]
)
def test_an_id_that_can_be_none_of_ours_is_404(browser, conversation_id):
    response = browser.get(f"/chats/{conversation_id}/export")
    assert response.status_code == 404
    assert "application/json" in response.headers["content-type"] or conversation_id == ".."


@pytest.mark.parametrize("form", ["pdf", "", "MD", "\x00"])
def test_another_format_is_400_naming_it(browser, form):
    response = browser.get("/chats/x/export", params={"format": form})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "format"


def test_everything_of_mine_is_a_line_each_and_nobody_elses(address, browser, record, store):
    for number in range(3):
        record(f"all-{number}", f"Question {number}")
    record("all-0", "And then?", "Nothing.", number=1)
    response = browser.get("/me/export")
    assert response.headers["content-type"] == "application/x-ndjson"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "attachment" in response.headers["content-disposition"]
    records = [json.loads(line) for line in response.text.splitlines()]
    kinds = [record["kind"] for record in records]
    assert (kinds.count("conversation"), kinds.count("message")) == (3, 8)
    assert records[0] | {"created_at": ""} == {
        "kind": "user",
        "id": visitor_of(browser),
        "created_at": "",
    }
    assert "secret" not in response.text
    assert httpx.get(f"{address}/me/export").text == ""


def test_a_long_export_comes_whole(browser, record):
    for number in range(150):
        record("long", "Žluťoučký kůň " * 20, "x\u2028\u2029y", number=number)
    lines = browser.get("/me/export").text.split("\n")
    messages = [r for r in map(json.loads, lines[:-1]) if r["kind"] == "message"]
    assert len(messages) == 300 and lines[-1] == ""


def test_a_page_of_another_site_reads_none_of_it(browser):
    response = browser.get("/me/export", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in response.headers
