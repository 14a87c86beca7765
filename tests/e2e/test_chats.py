"""The page in Chromium beyond asking: versions, ratings, personas, settings, one's own data."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from chat.errors import EngineError, QueueFull
from chat.types import Message
from tests.e2e.page_kit import ask, bubbles, expect_ready, visit
from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_settings, serve

pytestmark = pytest.mark.browser

CODE = "Look:\n\n```python\nprint('hi')\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |"
SCRIPT = {
    "Hi": "Hello there.",
    "code": CODE,
    "long": "Another short sentence follows. " * 400,
    "tall": "A line.\n\n" * 60,
    "full": QueueFull("64 questions are waiting, which is the most; please try again soon."),
    "breaks": ["The beginning of it. " * 12, EngineError("The model failed; please try again.")],
}


CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")
PARTS = "#sidebar *, #settings *, .welcome *, #header *"


@pytest.fixture(scope="module")
def backend():
    return ScriptedBackend(SCRIPT, delay_s=0.01)


@pytest.fixture(scope="module")
def address(tmp_path_factory, backend):
    settings = make_settings(tmp_path_factory.mktemp("chats"))
    with serve(create_app(settings, backend=backend)) as address:
        yield address


def begin(page, address, text="Hi"):
    visit(page, address)
    ask(page, text)
    expect_ready(page)


def answer(page):
    return page.locator("#thread .answer").last


def test_an_answer_given_again_and_a_changed_question_can_be_paged_through(page, address):
    begin(page, address)
    answer(page).locator(".regenerate").click()
    expect(answer(page).locator(".versions")).to_have_text(re.compile(r"2 / 2"))
    answer(page).get_by_role("button", name="Previous version").click()
    expect(answer(page).locator(".versions")).to_have_text(re.compile(r"1 / 2"))
    page.locator(".question .edit").click()
    page.locator("#edit-dialog textarea").fill("Hi again")
    page.locator("#edit-dialog textarea").press("Enter")
    expect(bubbles(page, "bot")).to_have_text("You said: Hi again")
    expect_ready(page)
    page.reload()
    expect(bubbles(page, "bot")).to_have_text("You said: Hi again")
    page.locator(".question").get_by_role("button", name="Previous version").click()
    expect(bubbles(page, "user")).to_have_text("Hi")
    expect(answer(page).locator(".versions")).to_have_text(re.compile(r"\d / 2"))


def test_an_edit_can_be_left_without_a_trace(page, address):
    begin(page, address)
    page.locator(".question .edit").click()
    page.locator("#edit-dialog textarea").press("Escape")
    expect(page.locator("#edit-dialog")).to_be_hidden()
    expect(bubbles(page, "user")).to_have_text("Hi")
    expect(page.locator(".question .edit")).to_be_focused()


def test_a_thumb_with_reasons_is_there_after_a_reload_and_can_be_changed(page, address):
    begin(page, address)
    good, bad = (answer(page).locator(f".rate[data-value='{value}']") for value in (1, -1))
    good.click()
    expect(good).to_have_attribute("aria-pressed", "true")
    answer(page).get_by_label("Clear", exact=True).check()
    answer(page).locator(".reasons textarea").fill("<b>fine</b> \U0001f600")
    answer(page).get_by_role("button", name="Save").click()
    expect(page.locator("#note")).to_have_text("Thank you.")
    page.reload()
    expect(good).to_have_attribute("aria-pressed", "true")
    expect(answer(page).locator(".reasons summary")).to_have_text("Clear")
    expect(answer(page).locator(".reasons textarea")).to_have_value("<b>fine</b> \U0001f600")
    bad.click()
    expect(bad).to_have_attribute("aria-pressed", "true")
    expect(answer(page).locator(".reasons legend")).to_have_text("What was wrong?")
    bad.click()
    expect(bad).to_have_attribute("aria-pressed", "false")
    expect(answer(page).locator(".reasons")).to_have_count(0)


def test_an_answer_and_its_code_can_be_copied(page, address):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    begin(page, address, "code")
    expect(answer(page).locator("table td").first).to_have_text("1")
    answer(page).locator(".tool.copy").click()
    expect(answer(page).locator(".tool.copy.done")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == CODE
    answer(page).locator(".copy-code").click()
    page.wait_for_function("navigator.clipboard.readText().then((t) => t.startsWith('print'))")


def test_a_chat_is_renamed_taken_along_and_deleted(page, address):
    begin(page, address)
    page.locator(".chats li").hover()
    page.locator(".chats .menu").click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_label("Title").fill("My <i>chat</i>")
    page.get_by_label("Title").press("Enter")
    expect(page.locator(".chats a")).to_have_text("My <i>chat</i>")
    for kind, part in (("Markdown", "Hello there."), ("JSON", '"content": "Hello there."')):
        page.locator(".chats .menu").click()
        with page.expect_download() as download:
            page.get_by_role("menuitem", name=kind).click()
        assert part in download.value.path().read_text("utf-8")
    page.locator(".chats .menu").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.locator("#delete-dialog").get_by_role("button", name="Cancel").click()
    expect(page.locator(".chats a")).to_have_count(1)
    page.locator(".chats .menu").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.locator("#delete-dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".chats a")).to_have_count(0)
    expect(page.locator(".welcome")).to_be_visible()
    assert "?c=" not in page.url


def test_chats_are_found_by_what_was_said_in_them(page, address):
    begin(page, address, "All about turtles")
    page.get_by_role("link", name="New chat").click()
    expect(page.locator(".welcome")).to_be_visible()
    ask(page, "All about lions")
    expect_ready(page)
    page.locator("#search textarea").fill("TURTLE")
    expect(page.locator(".chats a")).to_have_text(["All about turtles"])
    page.locator("#search textarea").fill("unicorns")
    expect(page.locator("#chats")).to_have_text("No chat has these words.")
    page.locator("#search textarea").fill("")
    expect(page.locator(".chats a")).to_have_count(2)


def test_a_persona_is_chosen_with_its_starters_and_stays_with_the_chat(page, address, backend):
    visit(page, address)
    page.get_by_role("radio", name="Tutor").check()
    starter = page.locator(".starter").first
    expect(starter).to_have_text("Why is the sky blue?")
    starter.click()
    expect_ready(page)
    assert backend.asked[-1][0].role == "system" and "tutor" in backend.asked[-1][0].content
    page.reload()
    expect(page.locator("#header .persona")).to_have_text("Tutor")
    ask(page, "Go on")
    expect_ready(page, 2)
    assert "tutor" in backend.asked[-1][0].content


def test_settings_reach_the_engine_and_come_back_with_the_chat(page, address, backend):
    visit(page, address)
    page.get_by_role("button", name="This chat").click()
    page.get_by_role("spinbutton", name="Seed").fill("42")
    page.get_by_label("Instructions").fill("Answer in rhyme.")
    page.locator("#settings").get_by_label("Temperature").first.fill("1.5")
    page.locator("#settings").get_by_label("Temperature").first.press("Tab")
    page.get_by_label("Show speed").check()
    ask(page, "Hi")
    expect_ready(page)
    config = backend.configs[-1]
    assert (config.seed, config.temperature) == (42, 1.5)
    assert backend.asked[-1][0] == Message("system", "Answer in rhyme.")
    facts = answer(page).locator(".facts")
    facts.locator("summary").click()
    expect(facts).to_contain_text("42")
    expect(facts).to_contain_text("tokens/s on CPU")
    page.reload()
    page.get_by_role("button", name="This chat").click()
    expect(page.get_by_label("Instructions")).to_have_value("Answer in rhyme.")
    expect(page.get_by_role("spinbutton", name="Seed")).to_have_value("42")
    expect(answer(page).locator(".facts")).to_be_visible()


def test_a_temporary_chat_is_not_listed_and_not_in_the_database(page, tmp_path):
    settings = make_settings(tmp_path)
    with serve(create_app(settings, backend=ScriptedBackend(SCRIPT))) as address:
        visit(page, address)
        page.get_by_role("link", name="Temporary chat").click()
        expect(page.locator(".welcome h1")).to_have_text("A temporary chat")
        ask(page, "My secret is swordfish")
        expect_ready(page)
        expect(page.locator("#header .temporary")).to_be_visible()
        expect(page.locator(".chats a")).to_have_count(0)
        page.reload()
        expect(bubbles(page, "user")).to_have_text("My secret is swordfish")
    assert not any(b"swordfish" in path.read_bytes() for path in tmp_path.iterdir())


def test_consent_is_asked_for_each_chat_and_kept(page, address):
    visit(page, address)
    page.get_by_role("button", name="This chat").click()
    consent = page.locator("#consent")
    expect(consent.get_by_label("No")).to_be_checked()
    consent.get_by_label("Yes").check()
    expect(page.locator("#note")).to_contain_text("change your mind")
    ask(page, "Hi")
    expect_ready(page)
    page.reload()
    page.get_by_role("button", name="This chat").click()
    expect(consent.get_by_label("Yes")).to_be_checked()
    consent.get_by_label("No").check()
    expect(page.locator("#note")).to_contain_text("won't be used")
    page.get_by_role("link", name="New chat").click()
    expect(page.locator(".welcome")).to_be_visible()
    expect(consent.get_by_label("Yes")).to_be_checked()
    page.get_by_role("link", name="Temporary chat").click()
    expect(page.locator("#header .temporary")).to_be_visible()
    expect(consent).to_be_hidden()


def test_everything_of_mine_can_be_downloaded_and_deleted(page, address):
    begin(page, address, "Mine alone")
    page.get_by_text("Your data").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download everything of mine").click()
    records = [json.loads(row) for row in download.value.path().read_text("utf-8").splitlines()]
    assert "Mine alone" in {record.get("content") for record in records}
    page.get_by_role("button", name="Delete everything of mine").click()
    page.locator("#forget-dialog .yes").click()
    expect(page.locator("#note")).to_contain_text("deleted")
    expect(page.locator(".chats a")).to_have_count(0)


def test_the_page_can_be_used_by_keyboard_alone(page, address, backend):
    visit(page, address)
    page.keyboard.press("/")
    page.keyboard.type("Hi")
    page.keyboard.press("Enter")
    expect_ready(page)
    answer(page).locator(".rate").first.focus()
    page.keyboard.press("Enter")
    expect(answer(page).locator(".rate").first).to_have_attribute("aria-pressed", "true")
    expect(answer(page).locator(".rate").first).to_be_focused()
    answer(page).locator(".regenerate").focus()
    page.keyboard.press("Space")
    expect(answer(page).locator(".versions")).to_have_text(re.compile("2 / 2"))
    answer(page).locator(".previous_version").focus()
    page.keyboard.press("Enter")
    expect(answer(page).locator(".versions")).to_have_text(re.compile("1 / 2"))
    expect(answer(page).locator(".previous_version")).to_be_focused()
    page.locator(".chats .menu").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem").nth(1)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#chat-menu")).to_be_hidden()
    page.keyboard.press("Control+Shift+O")
    expect(page.locator(".welcome")).to_be_visible()
    page.get_by_role("radio", name="Palaver").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_role("radio", name="Tutor")).to_be_checked()
    page.locator(".starter").first.focus()
    page.keyboard.press("Enter")
    expect_ready(page)
    num_ended = len(backend.ended)
    page.locator("#question textarea").focus()
    page.keyboard.type("long")
    page.keyboard.press("Enter")
    expect(page.locator("#live .answer .text")).to_contain_text("Another short")
    page.keyboard.press("Escape")
    expect(page.locator(".answer .mark")).to_have_text("Stopped.")
    assert backend.ended[num_ended:] == ["cancelled"]


def test_every_control_has_a_name_for_those_who_cannot_see_it(page, address):
    begin(page, address)
    nameless = page.evaluate("""() => [...document.querySelectorAll(
        'button, a, input, textarea, summary')].filter((at) =>
        at.checkVisibility() && !(at.ariaLabel || at.innerText.trim() || at.labels?.length
            || at.getAttribute('title') || at.placeholder)).map((at) => at.outerHTML.slice(0, 120))
    """)
    assert nameless == []


@pytest.mark.parametrize(
    ("locale", "new_chat", "placeholder"),
    [
        ("de-CH", "Neuer Chat", "Stellen Sie eine Frage"),
        ("fr-CA", "Nouvelle discussion", None),
        ("es-MX", "Chat nuevo", None),
        ("zh-CN", "新对话", None),
        ("pt-BR", "New chat", "Ask anything"),
    ],
)
def test_the_page_speaks_the_readers_language(browser, address, locale, new_chat, placeholder):
    context = browser.new_context(locale=locale)
    page = context.new_page()
    visit(page, address)
    expect(page.locator("#sidebar .new")).to_have_text(new_chat)
    if placeholder:
        expect(page.locator("#question textarea")).to_have_attribute("placeholder", placeholder)
    assert "__i18n__" not in page.locator("body").inner_text()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_are_the_systems_unless_the_reader_says_otherwise(browser, address, scheme):
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    visit(page, address)
    other = "light" if scheme == "dark" else "dark"
    expect(page.locator("body.dark")).to_have_count(int(scheme == "dark"))
    page.get_by_role("button", name="This chat").click()
    page.locator(f"[data-look=theme][value={other}]").check()
    page.reload()
    expect(page.locator("#sidebar .brand")).to_be_visible()
    expect(page.locator("body.dark")).to_have_count(int(other == "dark"))
    context.close()


def test_a_phone_has_room_for_everything(browser, address):
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    page = context.new_page()
    begin(page, address, "code")
    for opener in ("#settings", "#sidebar"):
        page.locator(f"{opener} .toggle-button").click()
        expect(page.locator(f"{opener}.open")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.locator(f"{opener} .toggle-button").click()
    answer(page).locator(".rate").first.click()
    expect(answer(page).locator(".reasons fieldset")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def slow(page, delay_ms=400):
    """Let every request of the page take longer, as over a poor connection."""

    def delay(route):
        page.wait_for_timeout(delay_ms)
        route.continue_()

    page.route("**/gradio_api/**", delay)


def test_a_first_question_that_is_turned_away_leaves_a_chat_that_can_be_begun(page, address):
    visit(page, address)
    page.get_by_role("radio", name="Tutor").check()
    expect(page.locator(".starter").first).to_have_text("Why is the sky blue?")
    ask(page, "full")
    expect(page.locator("#note")).to_contain_text("64 questions are waiting")
    expect(page.locator("#question textarea")).to_have_value("full")
    expect(page.locator(".welcome")).to_be_visible()
    expect(page.get_by_role("radio", name="Tutor")).to_be_checked()
    assert "?c=" not in page.url
    ask(page, "Hi")
    expect_ready(page)
    expect(page.locator("#header .persona")).to_have_text("Tutor")


def test_a_regenerate_that_fails_leaves_the_chat_as_it_was(page, address, backend):
    begin(page, address, "once")
    backend.script["once"] = QueueFull("64 questions are waiting, which is the most.")
    answer(page).locator(".regenerate").click()
    expect(page.locator("#note")).to_contain_text("64 questions are waiting")
    expect(bubbles(page, "bot")).to_have_text("You said: once")
    del backend.script["once"]


def test_an_edit_that_fails_is_given_back_where_it_was_made(page, address):
    begin(page, address)
    page.locator(".question .edit").click()
    page.locator("#edit-dialog textarea").fill("full")
    page.locator("#edit-dialog").get_by_role("button", name="Send").click()
    expect(page.locator("#note")).to_contain_text("64 questions are waiting")
    expect(page.locator("#edit-dialog textarea")).to_have_value("full")
    expect(bubbles(page, "user")).to_have_text("Hi")


def test_an_answer_that_breaks_off_is_shown_as_it_is_stored(page, address):
    visit(page, address)
    ask(page, "breaks")
    expect(page.locator(".answer .mark")).to_contain_text("broke off")
    expect(bubbles(page, "bot")).to_contain_text("The beginning of it.")
    expect(page.locator("#question textarea")).to_have_value("")


def test_what_was_typed_meanwhile_is_not_overwritten_by_what_failed(page, address):
    visit(page, address)
    slow(page)
    ask(page, "full")
    expect(page.locator("#question textarea")).to_have_value("")
    page.locator("#question textarea").fill("my next long thought")
    expect(page.locator("#note")).to_contain_text("64 questions are waiting")
    expect(page.locator("#question textarea")).to_have_value("my next long thought")


def test_a_second_question_sent_before_the_first_arrived_stays_in_the_line(page, address):
    visit(page, address)
    slow(page)
    ask(page, "Hi")
    expect(page.locator("#question textarea")).to_have_value("")
    ask(page, "And this?")
    expect(page.locator("#question textarea")).to_have_value("And this?")
    expect_ready(page)
    expect(page.locator("#question textarea")).to_have_value("And this?")
    page.locator("#question textarea").press("Enter")
    expect(bubbles(page, "bot").last).to_have_text("You said: And this?")


def test_a_seed_that_is_odd_loses_no_question(page, address, backend):
    visit(page, address)
    page.get_by_role("button", name="This chat").click()
    page.get_by_role("spinbutton", name="Seed").fill("-1")
    ask(page, "Hi")
    expect_ready(page)
    assert backend.configs[-1].seed == -1


def test_a_chat_deleted_while_it_is_answered_is_gone_for_good(page, address):
    begin(page, address)
    ask(page, "long")
    expect(page.locator("#live .answer .text")).to_contain_text("Another short")
    page.locator(".chats .menu").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.locator("#delete-dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".welcome")).to_be_visible()
    expect(page.locator(".chats a")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/\?$|/$"))
    ask(page, "Hi")
    expect_ready(page)


def test_a_chat_deleted_in_another_tab_ends_in_a_new_one_with_the_question_kept(page, address):
    begin(page, address)
    other = page.context.new_page()
    visit(other, page.url)
    other.locator(".chats .menu").click()
    other.get_by_role("menuitem", name="Delete").click()
    other.locator("#delete-dialog").get_by_role("button", name="Delete").click()
    expect(other.locator(".welcome")).to_be_visible()
    ask(page, "Still there?")
    expect(page.locator(".welcome")).to_be_visible()
    expect(page.locator("#question textarea")).to_have_value("Still there?")
    page.locator("#question textarea").press("Enter")
    expect_ready(page)


def test_after_everything_was_deleted_going_back_leads_to_a_new_chat(page, address):
    begin(page, address)
    page.get_by_role("link", name="New chat").click()
    expect(page.locator(".welcome")).to_be_visible()
    page.get_by_text("Your data").click()
    page.get_by_role("button", name="Delete everything of mine").click()
    page.locator("#forget-dialog .yes").click()
    expect(page.locator("#note")).to_contain_text("deleted")
    page.go_back()
    expect(page.locator("#note")).to_contain_text("isn't here")
    expect(page).to_have_url(re.compile(r"/\?$|/$"))
    ask(page, "Hi")
    expect_ready(page)


def test_ones_own_question_is_always_in_sight(page, address):
    begin(page, address, "tall")
    page.locator("#conversation").evaluate("(at) => at.scrollTo(0, 0)")
    page.wait_for_timeout(200)
    ask(page, "Hi")
    expect_ready(page, 2)
    expect(answer(page)).to_be_in_viewport()


def test_a_temporary_chat_can_be_dropped_at_once(page, address):
    visit(page, address)
    page.get_by_role("link", name="Temporary chat").click()
    expect(page.locator(".welcome h1")).to_have_text("A temporary chat")
    ask(page, "Hi")
    expect_ready(page)
    url = page.url
    page.locator("#header").get_by_role("button", name="Delete").click()
    expect(page.locator(".welcome")).to_be_visible()
    page.goto(url)
    expect(page.locator("#note")).to_contain_text("isn't here")


def test_what_changes_is_said_to_those_who_cannot_see_it(page, address):
    begin(page, address)
    expect(page.locator("#spoken")).to_have_text("The answer is there.")
    answer(page).locator(".rate").first.click()
    answer(page).get_by_role("button", name="Save").click()
    expect(page.locator("#spoken")).to_have_text("Thank you.")
    expect(answer(page).locator(".reasons summary")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_small_print_can_be_read(browser, address, scheme):
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    visit(page, address)
    page.get_by_role("button", name="This chat").click()
    expect(page.locator("#consent")).to_be_visible()
    faint = page.evaluate(CONTRAST, PARTS)
    assert faint == []
    # It would be found if it were there.
    page.add_style_tag(content=".keys { color: #777 !important; }")
    assert len(page.evaluate(CONTRAST, PARTS)) == 1
    context.close()
