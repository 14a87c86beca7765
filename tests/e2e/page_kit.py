"""How the tests use the page: as a person would."""

from playwright.sync_api import Page, expect

ROLES = {"user": ".question", "bot": ".answer"}


def visit(page: Page, address: str) -> None:
    """Open the page and wait until it can be used."""
    page.goto(address)
    expect(page.locator("#question textarea")).to_be_editable()
    expect(page.locator("#chats p, #chats nav").first).to_be_visible()
    expect(page.locator("#sidebar .brand")).to_have_count(1)


def ask(page: Page, text: str) -> None:
    """Type a question and send it."""
    page.locator("#question textarea").fill(text)
    page.locator("#question textarea").press("Enter")


def bubbles(page: Page, role: str):
    """Return the texts that a person ("user") or the model ("bot") said."""
    return page.locator(f"#conversation {ROLES[role]} .text")


def expect_ready(page: Page, count: int = 1) -> None:
    """Wait until a chat has `count` finished answers and is listed."""
    expect(page.locator("#thread .answer")).to_have_count(count)
    expect(page.locator("#live article")).to_have_count(0)
    expect(page.locator("#question .submit-button")).to_be_visible()
