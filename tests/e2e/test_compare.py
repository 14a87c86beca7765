"""Answers side by side in Chromium: written blind, ranked by mouse and by keyboard, changed."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from storage.store import Store
from tests.e2e.page_kit import ask, expect_ready, visit
from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_settings, serve
from webapp.__main__ import main

pytestmark = pytest.mark.browser

QUESTION = "What is tea?"
CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")


class Named(ScriptedBackend):
    def __init__(self, model, answer):
        super().__init__({QUESTION: answer}, delay_s=0.02)
        self.model = model


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return make_settings(tmp_path_factory.mktemp("compare"), compare_answers=3)


@pytest.fixture(scope="module")
def address(settings):
    rivals = [Named("second-model", "A plant."), Named("third-model", "A word of three letters.")]
    backend = Named("first-model", "A hot drink made of leaves.")
    with serve(create_app(settings, backend=backend, rivals=rivals)) as address:
        yield address


@pytest.fixture(scope="module")
def asking_address(tmp_path_factory):
    """A site that asks by itself, for pairs."""
    settings = make_settings(tmp_path_factory.mktemp("asking"), compare_rate=1)
    rival = Named("second-model", "A plant.")
    with serve(create_app(settings, backend=Named("first-model", "Hot."), rivals=[rival])) as at:
        yield at


def ballot(page):
    return page.locator("#thread .ballot")


def candidates(page):
    return ballot(page).locator("[data-answer]")


def vote(page):
    return page.locator("#thread .vote")


def begin(page, address):
    """Ask a question, and have it answered once more side by side."""
    visit(page, address)
    ask(page, QUESTION)
    expect_ready(page)
    page.locator("#thread .compare").click()
    expect(candidates(page)).to_have_count(3)
    expect(page.locator("#question .submit-button")).to_be_visible()


def read_rankings(settings):
    with Store.open(settings.database_url) as store:
        return {ranked.comparison.id: ranked.ranking for ranked in store.export_rankings()}


def export(capsysbinary, settings, name):
    """Return the rows that the command line writes in a format."""
    places = ["--database-url", settings.database_url, "--data-dir", str(settings.data_dir)]
    flags = ["--format", name, "--output", "-", "--everything", *places]
    capsysbinary.readouterr()
    assert main(["export", "preferences", *flags]) == 0
    return [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]


def test_a_ranking_by_mouse_is_changed_exported_and_withdrawn(
    page, address, settings, capsysbinary
):
    begin(page, address)
    comparison_id = ballot(page).get_attribute("data-comparison")
    assert "-model" not in ballot(page).inner_text()
    ids = [candidates(page).nth(n).get_attribute("data-answer") for n in range(3)]
    for place, rank in enumerate(("2nd", "1st", "2nd")):
        candidates(page).nth(place).get_by_label(rank).check()
    candidates(page).nth(1).get_by_label("Acceptable").check()
    best = candidates(page).nth(1).locator(".text").inner_text()
    ballot(page).locator("textarea").fill("The clearest.")
    ballot(page).get_by_role("button", name="Save").click()
    expect(vote(page)).to_contain_text("Your ranking")
    expect(vote(page)).to_contain_text("-model")
    expect(page.locator("#thread .answer .text")).to_have_text(best)
    expect(page.locator("#thread .answer .versions")).to_contain_text("/ 4")
    ranking = read_rankings(settings)[comparison_id]
    assert ranking.groups[0] == (ids[1],) and set(ranking.groups[1]) == {ids[0], ids[2]}
    assert (ranking.acceptable, ranking.comment) == ({ids[1]}, "The clearest.")
    assert 0 < ranking.elapsed_s < 120

    page.reload()
    vote(page).get_by_role("button", name="Change").click()
    expect(candidates(page).first).to_be_focused()
    expect(candidates(page).nth(1).get_by_label("1st")).to_be_checked()
    candidates(page).nth(0).get_by_label("1st").check()
    ballot(page).get_by_label("None of them").check()
    expect(candidates(page).nth(1).get_by_label("Acceptable")).not_to_be_checked()
    ballot(page).get_by_role("button", name="Save").click()
    expect(vote(page)).to_contain_text("None of them is acceptable")
    ranking = read_rankings(settings)[comparison_id]
    assert set(ranking.groups[0]) == {ids[0], ids[1]} and ranking.is_none_acceptable

    for name in ("rankings", "arena", "trl-preference", "openai-dpo"):
        [*rows] = export(capsysbinary, settings, name)
        assert any(ids[2] in json.dumps(row) or best in json.dumps(row) for row in rows), name

    vote(page).get_by_role("button", name="Withdraw").click()
    expect(page.locator("#note")).to_contain_text("withdrawn")
    assert comparison_id not in read_rankings(settings)
    expect(vote(page).get_by_role("button", name="Rank them")).to_be_visible()


def test_a_ranking_by_keyboard_alone(page, address, settings):
    begin(page, address)
    comparison_id = ballot(page).get_attribute("data-comparison")
    ids = [candidates(page).nth(n).get_attribute("data-answer") for n in range(3)]
    page.locator("#question textarea").focus()
    for rank in ("1", "3", "2"):
        # Backwards from the line to ask in; each answer is a stop of its own.
        for _ in range(30):
            page.keyboard.press("Shift+Tab")
            if page.evaluate("document.activeElement.matches('[data-answer]')"):
                break
        page.keyboard.press(rank)
        assert page.evaluate("document.activeElement.value") == rank
        page.keyboard.press("Shift+Tab")  # from the rank to its answer
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.do === 'vote'"):
            break
    page.keyboard.press("Enter")
    expect(vote(page)).to_contain_text("Your ranking")
    expect(vote(page).get_by_role("button", name="Change")).to_be_focused()
    assert read_rankings(settings)[comparison_id].groups == ((ids[2],), (ids[0],), (ids[1],))


def test_a_ranking_that_is_not_whole_is_not_sent_and_says_what_is_missing(page, address):
    begin(page, address)
    candidates(page).first.focus()
    page.keyboard.press("1")
    ballot(page).get_by_role("button", name="Save").click()
    expect(ballot(page).get_by_role("alert")).to_contain_text("Give each answer a rank")
    expect(candidates(page).nth(1).get_by_label("1st")).to_be_focused()
    ballot(page).locator("textarea").focus()
    page.keyboard.press("2")  # typed, and no rank
    expect(ballot(page).locator("textarea")).to_have_value("2")


def test_it_is_asked_by_itself_again_after_a_reload_and_never_in_the_way(page, asking_address):
    visit(page, asking_address)
    ask(page, QUESTION)
    expect(candidates(page)).to_have_count(2)
    page.reload()
    expect(candidates(page)).to_have_count(2)
    expect(ballot(page).get_by_text("How much better")).to_be_visible()
    ask(page, QUESTION)  # without having ranked
    expect(page.locator("#thread .question")).to_have_count(2)
    expect(candidates(page)).to_have_count(2)
    expect(vote(page)).to_contain_text("to be ranked")
    ballot(page).get_by_role("button", name="Skip").click()
    expect(ballot(page)).to_have_count(0)
    page.reload()
    expect(vote(page)).to_have_count(2)
    expect(ballot(page)).to_have_count(0)
    vote(page).last.get_by_role("button", name="Rank them").click()
    expect(candidates(page).first).to_be_focused()


def test_an_answer_to_an_earlier_question_is_ranked_without_leaving_the_chat(page, asking_address):
    visit(page, asking_address)
    for number in (1, 2):
        ask(page, QUESTION)
        expect(page.locator("#thread .question")).to_have_count(number)
        expect(candidates(page)).to_have_count(2)
    vote(page).get_by_role("button", name="Rank them").click()
    expect(ballot(page)).to_have_count(1)
    for place in range(2):
        candidates(page).nth(place).get_by_label("1st" if place else "2nd").check()
    ballot(page).get_by_role("button", name="Save").click()
    expect(vote(page).first).to_contain_text("Your ranking")
    expect(page.locator("#thread .question")).to_have_count(2)


def test_on_a_phone_the_answers_stand_below_one_another(page, address):
    page.set_viewport_size({"width": 390, "height": 844})
    begin(page, address)
    first, second = (candidates(page).nth(place).bounding_box() for place in range(2))
    assert second["y"] >= first["y"] + first["height"]
    assert first["x"] >= 0 and first["x"] + first["width"] <= 390
    overflow = "e => e.scrollWidth - e.clientWidth"
    assert page.locator("#conversation").evaluate(overflow) == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for place in range(3):
        candidates(page).nth(place).get_by_label("3rd").check()
    ballot(page).get_by_role("button", name="Save").click()
    expect(vote(page)).to_contain_text("=")


def test_a_temporary_chat_offers_no_comparison(page, asking_address):
    visit(page, f"{asking_address}/?temporary=1")
    ask(page, QUESTION)
    expect_ready(page)
    expect(page.locator("#thread .regenerate")).to_have_count(1)
    expect(page.locator("#thread .compare")).to_have_count(0)


def test_a_stop_ends_all_answers_and_asks_nothing(page, address):
    visit(page, address)
    ask(page, "slow " * 60)
    expect_ready(page)
    page.locator("#thread .compare").click()
    expect(page.locator("#live .candidate")).to_have_count(3)
    page.locator("#question .stop-button").click()
    expect_ready(page)
    expect(ballot(page)).to_have_count(0)
    expect(page.locator("#thread .answer .mark")).to_contain_text("Stopped")


def test_an_answer_given_again_is_noted_and_nothing_is_asked(page, address, settings):
    visit(page, address)
    ask(page, QUESTION)
    expect_ready(page)
    page.locator("#thread .regenerate").click()
    expect(page.locator("#thread .versions")).to_contain_text("2 / 2")
    expect_ready(page)
    expect(vote(page)).to_have_count(0)
    with Store.open(settings.database_url) as store, store._database.read() as session:
        rows = session.connection().exec_driver_sql(
            "SELECT method, count(*) FROM comparisons GROUP BY method"
        )
        assert dict(tuple(row) for row in rows)["regenerate"] == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_of_a_ballot_can_be_read_in_both_themes(browser, address, scheme):
    context = browser.new_context(color_scheme=scheme, locale="en-US")
    page = context.new_page()
    begin(page, address)
    ballot(page).get_by_role("button", name="Save").click()
    expect(ballot(page).get_by_role("alert")).to_be_visible()
    assert page.evaluate(CONTRAST, ".ballot, .ballot *") == []
    for place in range(3):
        candidates(page).nth(place).get_by_label("1st").check()
    ballot(page).get_by_role("button", name="Save").click()
    expect(vote(page)).to_be_visible()
    assert page.evaluate(CONTRAST, ".vote, .vote *") == []
    context.close()
