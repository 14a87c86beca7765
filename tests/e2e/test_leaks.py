"""What the moderators refuse is at no moment anywhere in the page."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.page_kit import ask, expect_ready, visit
from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_settings, serve

pytestmark = pytest.mark.browser

TALK = "The lake is calm and the boats are out today. Write to jane.doe@example.com for more. "
SCRIPT = {
    "plain": [TALK * 2, "You should ki", "ll yourself now. ", TALK],
    "disguised": [TALK * 2, "You sh0uld k i", " l l  y0urs3lf now. ", TALK],
    "encoded": [TALK * 2, "a2lsbCB5b3Vy", "c2VsZiBub3c= ", TALK],
}
# Of each, words that belong to what is refused, in pieces that could be seen on their own.
SECRETS = {
    "plain": ("You should ki", "kill", "yourself"),
    "disguised": ("k i", "y0urs3lf"),
    "encoded": ("a2ls", "c2Vs"),
}
# Keeps all that the page says, whatever changes: its text, its markup, and what is typed.
WATCH = """
window.seen = new Set();
const look = () => document.body && window.seen.add(document.body.innerHTML);
new MutationObserver(look).observe(document, {
    subtree: true, childList: true, characterData: true, attributes: true,
});
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    settings = make_settings(tmp_path_factory.mktemp("leaks"), moderators="rules,pii,secrets")
    backend = ScriptedBackend(SCRIPT, delay_s=0.02)
    with serve(create_app(settings, backend=backend)) as address:
        yield address


def check_seen(page, question: str) -> None:
    seen = page.evaluate("[...window.seen]")
    assert len(seen) > 5
    # Part of the answer was shown before it was refused, or else this test sees nothing.
    assert any("The lake is calm" in state for state in seen)
    for secret in (*SECRETS[question], "jane.doe"):
        assert not any(secret in state for state in seen), secret


@pytest.mark.parametrize("question", SCRIPT)
def test_no_state_of_the_page_shows_what_is_refused(page, address, question):
    page.add_init_script(WATCH)
    visit(page, address)
    ask(page, question)
    expect_ready(page)
    check_seen(page, question)
    expect(page.locator("#thread .answer .text")).not_to_contain_text("The lake is calm")
    # Once more, and after a reload.
    page.locator("#thread .answer").hover()
    page.locator("#thread .answer .regenerate").click()
    expect(page.locator("#thread .answer .versions")).to_have_text(re.compile(r"2 / 2"))
    expect_ready(page)
    check_seen(page, question)
    page.reload()
    expect_ready(page)
    seen = page.evaluate("[...window.seen]")
    assert not any(secret in state for state in seen for secret in SECRETS[question])
