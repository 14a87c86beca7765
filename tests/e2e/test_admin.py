"""The administrator's page in Chromium: personas made, changed, hidden, put back and deleted."""

import re
import sqlite3
from contextlib import closing

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_settings, serve

pytestmark = pytest.mark.browser

PREDICT = "/gradio_api/run/predict"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    # Whoever sits at the machine itself is its administrator.
    settings = make_settings(tmp_path_factory.mktemp("admin"))
    with serve(create_app(settings, backend=ScriptedBackend())) as address:
        yield address


@pytest.fixture(scope="module")
def guarded_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("guarded")


@pytest.fixture(scope="module")
def guarded(guarded_folder):
    settings = make_settings(guarded_folder, admin_password="correct horse")
    with serve(create_app(settings, backend=ScriptedBackend())) as address:
        yield address


def visit(page: Page, address: str, query: str = "") -> None:
    page.goto(f"{address}/personas{query}")
    expect(page.locator("#entries nav")).to_be_visible()


def names(page: Page):
    return page.locator("#entries nav a")


def field(page: Page, name: str):
    return page.locator(f"#persona-{name} :is(textarea, input)").first


def write(page: Page, **fields: str) -> None:
    for name, text in fields.items():
        field(page, name).fill(text)


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()


def expect_note(page: Page, text: str) -> None:
    expect(page.locator("#persona-note")).to_have_text(re.compile(text))


def test_a_persona_is_made_changed_and_deleted(page, address):
    visit(page, address)
    write(page, title="Pirate", prompt="You are a pirate on {{ model }}.", temperature="0.9")
    write(page, starters="Ahoy!\nWhere is the gold?\n")
    expect(page.locator("#persona-preview")).to_contain_text("You are a pirate on")
    expect(page.locator("#persona-preview")).not_to_contain_text("{{")
    page.get_by_label("strict").check()
    save(page)
    expect_note(page, "Saved.")
    expect(page).to_have_url(re.compile(r"\?id=pirate$"))

    page.reload()
    names(page).filter(has_text="Tutor").click()
    expect(field(page, "title")).to_have_value("Tutor")
    names(page).filter(has_text="Pirate").click()
    expect(names(page).filter(has_text="Pirate")).to_have_attribute("aria-current", "page")
    expect(field(page, "title")).to_have_value("Pirate")
    expect(field(page, "temperature")).to_have_value("0.9")
    expect(field(page, "starters")).to_have_value("Ahoy!\nWhere is the gold?")
    expect(page.get_by_label("strict")).to_be_checked()
    write(page, title="Captain", temperature="")
    save(page)
    expect(names(page).filter(has_text="Captain")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?id=pirate$"))
    expect(field(page, "temperature")).to_have_value("")

    page.get_by_role("button", name="Delete").click()
    expect(page.locator("#persona-asking")).to_contain_text("Delete “Captain” for good?")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#persona-asking")).not_to_be_visible()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Yes, do it").click()
    expect_note(page, "deleted")
    expect(names(page).filter(has_text="Captain")).to_have_count(0)
    expect(field(page, "title")).to_have_value("")


def test_a_built_in_that_was_changed_goes_back_to_what_it_was(page, address):
    visit(page, address, "?id=coder")
    expect(field(page, "title")).to_have_value("Coder")
    expect(page.get_by_role("button", name="Reset")).to_have_count(0)
    write(page, title="Hacker")
    page.get_by_label("Hidden").check()
    save(page)
    expect(names(page).filter(has_text="Hacker")).to_contain_text("(changed, hidden)")
    page.get_by_role("button", name="Reset").click()
    page.get_by_role("button", name="Yes, do it").click()
    expect(field(page, "title")).to_have_value("Coder")
    expect(page.get_by_label("Hidden")).not_to_be_checked()
    expect(names(page).filter(has_text="Hacker")).to_have_count(0)


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"title": ""}, "Title: "),
        ({"prompt": "{{ nobody }}"}, "System prompt: .*'nobody'"),
        ({"temperature": "9"}, "Temperature: .*0 to 2"),
        ({"max_new_tokens": "1.5"}, "tokens: .*whole"),
        ({"starters": "\n".join("abcdefg")}, "start with.*: .*at most 6"),
        ({"description": "x" * 301}, "Description: .*300"),
    ],
)
def test_what_is_wrong_is_said_beside_the_form_and_nothing_is_lost(page, address, fields, said):
    visit(page, address, "?id=tutor")
    expect(field(page, "title")).to_have_value("Tutor")
    write(page, **fields)
    save(page)
    expect(page.locator("#persona-note [role=alert]")).to_have_text(re.compile(said))
    for name, text in fields.items():
        expect(field(page, name)).to_have_value(text)
    page.reload()
    expect(field(page, "title")).to_have_value("Tutor")


def test_a_prompt_that_is_broken_says_so_while_it_is_written(page, address):
    visit(page, address)
    field(page, "prompt").press_sequentially("{{ ")
    expect(page.locator("#persona-preview [role=alert]")).to_contain_text("Jinja")


def test_the_form_can_be_filled_in_with_the_keyboard_alone(page, address):
    visit(page, address)
    field(page, "title").focus()
    page.keyboard.type("Typist")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "persona-save":
            break
    page.keyboard.press("Enter")
    expect_note(page, "Saved.")
    expect(names(page).filter(has_text="Typist")).to_be_visible()


def test_words_of_a_persona_are_shown_and_never_run(page, address):
    visit(page, address)
    evil = "<img src=x onerror='window.hacked=1'>`${window.hacked=1}`"
    write(page, title=evil[:60], starters=evil)
    write(page, prompt=evil + "{% raw %}{{value}} {{#if value}}x{{/if}}{% endraw %}")
    save(page)
    expect_note(page, "Saved.")
    expect(page.locator("#persona-preview")).to_contain_text(
        evil + "{{value}} {{#if value}}x{{/if}}"
    )
    assert page.evaluate("window.hacked") is None


def test_the_page_speaks_the_reader_s_language_and_fits_a_phone(browser, address):
    context = browser.new_context(viewport={"width": 390, "height": 800}, locale="de-DE")
    page = context.new_page()
    visit(page, address, "?id=tutor")
    expect(page.get_by_role("button", name="Speichern")).to_be_visible()
    expect(page.get_by_label("Beschreibung")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("button", name="Speichern").scroll_into_view_if_needed()
    expect(page.get_by_role("button", name="Speichern")).to_be_in_viewport()
    context.close()


def test_others_see_one_sentence_and_the_way_to_sign_in(page, guarded):
    page.goto(f"{guarded}/personas")
    expect(page.locator("#refusal")).to_contain_text("for the administrator")
    expect(page.locator("#refusal a")).to_have_attribute("href", "login")
    expect(page.locator("#entries")).not_to_be_visible()
    expect(page.locator("#persona-save")).not_to_be_visible()


def test_no_handler_serves_somebody_else(guarded, guarded_folder):
    """A client can call every event by its number, whatever its page shows."""
    said = ""
    with httpx.Client(base_url=guarded) as client:
        numbers = re.findall(r'"id":\s*(\d+),\s*"targets"', client.get("/personas").text)
        assert len(numbers) > 5
        for number in map(int, numbers):
            fields = ["?id=tutor", "Stolen", "", "", None, None, None, "", "", False]
            for data in (fields, fields[:1]):
                sent = {"data": data, "fn_index": number, "session_hash": "x"}
                said += client.post(PREDICT, json=sent).text
    assert said.count("for the administrator") >= 5
    assert "Explain one idea at a time" not in said
    with closing(sqlite3.connect(guarded_folder / "palaver.db")) as database:
        assert database.execute("SELECT count(*) FROM personas").fetchone() == (0,)
