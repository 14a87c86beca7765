"""The review page in Chromium: verdicts marked, a threshold moved, a rule made and in force."""

import re
import sqlite3
import time
from contextlib import closing
from dataclasses import replace

import httpx
import pytest
from playwright.sync_api import Page, expect

from chat.types import Span, Verdict
from storage.store import Store
from tests.e2e.page_kit import ask, bubbles, expect_ready
from tests.e2e.page_kit import visit as visit_chat
from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_settings, serve
from tests.storage_kit import make_turn

pytestmark = pytest.mark.browser

PREDICT = "/gradio_api/run/predict"
EVIL = "You fool <img src=x onerror='window.hacked=1'> ${window.hacked=1} {{value}}"
FOUND = Verdict(
    "fast", "1.2", "input", {"harassment": 0.83, "hate": 0.2}, (Span(4, 8, "harassment", 0.83),),
    latency_ms=1.25, action="block", category="harassment", policy_version="abc123",
)  # fmt: skip
PASSED = replace(FOUND, scores={"harassment": 0.4}, spans=(), action="allow", category="")


def fill(folder, num_turns: int = 30) -> None:
    """Store turns: of every three, one was refused."""
    with Store.open(f"sqlite:///{folder / 'palaver.db'}") as store:
        for number in range(num_turns):
            found = PASSED if number % 3 else FOUND
            question = f"{EVIL} {number}" if found is FOUND else f"Hello {number}"
            turn = make_turn(f"c{number}", question=question, verdicts=(found,))
            store.record_turn("ann", turn)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    # Whoever sits at the machine itself is its administrator.
    folder = tmp_path_factory.mktemp("review")
    with serve(create_app(make_settings(folder), backend=ScriptedBackend())) as address:
        fill(folder)
        yield address


@pytest.fixture(scope="module")
def guarded_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("guarded")


@pytest.fixture(scope="module")
def guarded(guarded_folder):
    settings = make_settings(guarded_folder, admin_password="correct horse")
    with serve(create_app(settings, backend=ScriptedBackend())) as address:
        fill(guarded_folder, 3)
        yield address


def visit(page: Page, address: str, query: str = "") -> None:
    page.goto(f"{address}/review{query}")
    expect(page.locator("#review .tabs")).to_be_visible()


def articles(page: Page):
    return page.locator("#review article.verdict")


def expect_note(page: Page, text: str) -> None:
    expect(page.locator("#review-note p")).to_have_text(re.compile(text))


def test_a_verdict_is_found_read_and_marked(page, address):
    visit(page, address)
    expect(articles(page)).to_have_count(10)
    first = articles(page).first
    expect(first.locator(".judged")).to_contain_text(EVIL)
    expect(first.locator("mark")).to_have_text("fool")
    expect(first.locator(".found")).to_contain_text("fast 1.2")
    expect(first.locator(".found")).to_contain_text("harassment 0.83, hate 0.20")
    expect(first.locator(".found")).to_contain_text("abc123")
    assert page.evaluate("window.hacked") is None

    first.get_by_text("Categories and note").click()
    first.get_by_role("checkbox", name="hate").check()
    first.get_by_label("Note").fill("<b>satire</b> ☕")
    first.get_by_role("button", name="False positive").click()
    expect_note(page, "Saved: False positive")
    said = "You: False positive (harassment, hate) “<b>satire</b> ☕”"
    expect(first.locator(".said")).to_contain_text(said)
    first.get_by_role("button", name="Correct").click()
    expect(first.locator(".said")).to_contain_text("You: Correct")
    expect(first.locator(".said")).to_contain_text("no longer valid: 1")

    page.get_by_label("Reviewed").select_option("Reviewed")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("reviewed=yes"))
    expect(articles(page)).to_have_count(1)
    page.get_by_label("Reviewed").select_option("any")
    page.get_by_label("Action").select_option("allow")
    page.get_by_label("Words in the text").fill("hello 1")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("action=allow"))
    expect(articles(page)).to_have_count(8)
    expect(page.get_by_label("Words in the text")).to_have_value("hello 1")


def test_what_was_missed_is_marked_with_the_keyboard_alone(page, address):
    visit(page, address, "?action=allow&search=Hello+29")
    page.get_by_role("button", name="Missed").focus()
    page.keyboard.press("Enter")
    # It has to be about something, so that is asked for.
    expect(page.get_by_role("checkbox", name="harassment")).to_be_focused()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Missed").focus()
    page.keyboard.press("Enter")
    expect_note(page, "Saved: Missed")
    expect(page.locator(".said")).to_contain_text("You: Missed (harassment)")
    expect(page.get_by_role("button", name="Missed")).to_be_focused()


def test_who_works_through_what_is_open_stays_in_the_list(page, address):
    visit(page, address, "?action=allow&reviewed=no&search=Hello+2")
    expect(articles(page).first).to_be_visible()
    before = articles(page).count()
    seen = articles(page).first.get_attribute("data-id")
    articles(page).first.get_by_text("Categories and note").click()
    articles(page).first.get_by_role("checkbox", name="harassment").check()
    articles(page).first.get_by_label("Note").fill("about this one")
    kept = articles(page).nth(1)
    kept.get_by_text("Categories and note").click()
    kept.get_by_label("Note").fill("about that one")
    page.get_by_role("button", name="Missed").first.focus()
    page.keyboard.press("Enter")
    expect(articles(page)).to_have_count(before - 1)
    assert articles(page).first.get_attribute("data-id") != seen
    expect(articles(page).first.get_by_role("button", name="Missed")).to_be_focused()
    # What was said of one verdict is never said of the next.
    for box in page.locator("[name=categories]").all():
        expect(box).not_to_be_checked()
    written = [note.input_value() for note in page.locator("[name=note]").all()]
    assert "about this one" not in written


def test_older_verdicts_are_a_page_further(page, address):
    visit(page, address, "?action=")
    expect(articles(page)).to_have_count(25)
    seen = {row.get_attribute("data-id") for row in articles(page).all()}
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("link", name="Newest")).to_be_visible()
    expect(articles(page)).to_have_count(5)
    assert not seen & {row.get_attribute("data-id") for row in articles(page).all()}


def test_the_chart_is_a_picture_and_a_table_and_a_file(page, address):
    visit(page, address, "?view=actions")
    expect(page.get_by_role("img", name=re.compile("Verdicts that led"))).to_be_visible()
    expect(page.locator(".legend")).to_contain_text("harassment 10")
    page.get_by_label("By").select_option("Moderator")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".legend")).to_contain_text("fast 10")
    page.get_by_text("As a table").click()
    expect(page.get_by_role("cell", name="10")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert "fast,harassment,block,10" in download.value.path().read_text()


def test_the_slider_says_what_would_have_been(page, address):
    visit(page, address, "?view=thresholds&threshold=0.41")
    sums = page.locator("#review .sums")
    expect(sums).to_contain_text("and 10 reach 0.41. Something was done about 10.")
    slider = page.get_by_role("slider", name="Threshold")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(sums).to_contain_text("and 30 reach 0.40")
    expect(page.locator("#review output")).to_have_text("0.40")
    expect(page.get_by_text("more strictly: 20")).to_be_visible()
    expect(page.locator(".changes li")).to_have_count(10)
    expect(slider).to_be_focused()
    expect(page).to_have_url(re.compile(r"/review\?.*threshold=0\.4"))
    page.get_by_label("Action").select_option("warn")
    expect(page.get_by_text("more mildly: 10")).to_be_visible()


def test_a_rule_is_tried_made_judges_rests_and_goes(page, address):
    visit(page, address, "?view=rules")
    page.get_by_label("Name").fill("Wizards")
    page.get_by_label("Category").fill("harassment")
    page.get_by_label("Wordings").fill("hello 1\\d\nx+y")
    page.get_by_role("button", name="Try on stored texts").click()
    expect_note(page, "the rule Wizards has the pattern 'x\\+y'")
    expect(page.get_by_label("Wordings")).to_have_value("hello 1\\d\nx+y")
    page.get_by_label("Wordings").fill("hello 1\\d\ngandalf")
    page.get_by_role("button", name="Try on stored texts").click()
    expect(page.locator(".trial")).to_contain_text("7 with a match")
    expect(page.locator(".trial mark").first).to_have_text(re.compile(r"Hello 1\d"))
    page.get_by_label("In force").check()
    page.get_by_role("button", name="Save").click()
    expect_note(page, "Saved.")
    expect(page).to_have_url(re.compile("rule=wizards"))

    visit_chat(page, address)
    ask(page, "Tell me of G.a.n.d.a.l.f")
    expect_ready(page)
    expect(bubbles(page, "bot")).not_to_contain_text("You said")
    visit(page, address, "?moderator=rules")
    expect(articles(page).first.locator("mark")).to_have_text("G.a.n.d.a.l.f")

    visit(page, address, "?view=rules")
    page.get_by_role("link", name="Wizards").click()
    expect(page.get_by_label("Name")).to_have_value("Wizards")
    page.get_by_label("In force").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="Wizards (resting)")).to_be_visible()
    page.get_by_text("Delete", exact=True).click()
    page.get_by_role("button", name="Yes, do it").click()
    expect_note(page, "deleted")
    expect(page.get_by_role("link", name="Wizards")).to_have_count(0)
    expect(page.get_by_label("Name")).to_have_value("")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_fits_a_phone_and_speaks_the_reader_s_language(browser, address, scheme):
    context = browser.new_context(
        viewport={"width": 390, "height": 800}, locale="de-DE", color_scheme=scheme
    )
    page = context.new_page()
    for view, said in (
        ("verdicts", "Fehlalarm"),
        ("actions", "Als CSV herunterladen"),
        ("thresholds", "Schwelle"),
        ("rules", "Neue Regel"),
    ):
        visit(page, address, f"?view={view}")
        expect(page.get_by_text(said).first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == 390, view
    context.close()


def test_others_see_one_sentence_and_the_way_to_sign_in(page, guarded):
    page.goto(f"{guarded}/review")
    expect(page.locator("#review-refusal")).to_contain_text("for the administrator")
    expect(page.locator("#review-refusal a")).to_have_attribute("href", "login")
    expect(page.locator("#review-desk")).not_to_be_visible()
    visit_chat(page, guarded)
    expect(page.get_by_role("link", name="Review")).to_have_count(0)


def test_administrators_alone_read_that_the_policy_is_broken(browser, tmp_path):
    policy = tmp_path / "ours.toml"
    policy.write_text("")
    settings = make_settings(tmp_path, policy=policy, admin_password="correct horse")
    with serve(create_app(settings, backend=ScriptedBackend())) as address:
        policy.write_text("nonsense")
        while not httpx.get(f"{address}/health").json()["moderation"]["policy_problem"]:
            time.sleep(0.1)
        page = browser.new_page(locale="en-US")
        visit_chat(page, address)
        expect(page.locator("#banner p")).to_have_count(0)
        page.goto(f"{address}/login")
        page.locator("[name=password]").fill("correct horse")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        visit_chat(page, address)
        expect(page.locator("#banner")).to_contain_text("The policy stays as it was.")
        expect(page.locator("#banner")).to_contain_text("ours.toml cannot be read")
        page.close()


def test_no_handler_serves_somebody_else(guarded, guarded_folder):
    """A client can call every event by its number, whatever its page shows."""
    with Store.open(f"sqlite:///{guarded_folder / 'palaver.db'}") as store:
        verdict_id = store.list_verdicts().verdicts[0].id
    said = ""
    acts = [
        f'{{"do": "mark", "id": "{verdict_id}", "mark": "missed", "categories": ["hate"]}}',
        '{"do": "save", "name": "R", "category": "hate", "patterns": "x", "stages": ["input"]}',
        '{"do": "try", "name": "R", "category": "hate", "patterns": "hello", "stages": ["input"]}',
    ]
    with httpx.Client(base_url=guarded) as client:
        numbers = re.findall(r'"id":\s*(\d+),\s*"targets"', client.get("/review").text)
        assert len(numbers) > 5
        for number in map(int, numbers):
            for data in ([""], *([act] for act in acts), *([act, ""] for act in acts)):
                sent = {"data": data, "fn_index": number, "session_hash": "x"}
                said += client.post(PREDICT, json=sent).text
    assert said.count("for the administrator") >= 5
    assert "fool" not in said and "Hello" not in said
    with closing(sqlite3.connect(guarded_folder / "palaver.db")) as database:
        for table in ("reviews", "rules"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
