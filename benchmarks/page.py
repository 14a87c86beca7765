"""How long the page takes to open: new, beside 1,000 earlier chats, and with a chat of 200 turns.

    python -m benchmarks.page

Starts the application with a scripted model in a temporary folder and opens the page in Chromium,
each case in turn several times, so that a busy machine is busy for all of them. Prints the median
of the milliseconds from the request of the page until the last of what it shows is there. The
browser's cache is warm, as it is for whoever comes back.
"""

import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from chat.types import GenerationConfig, Message, Turn, Usage
from storage.store import Store
from tests.e2e.conftest import FLAGS, find_browser
from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_settings, serve
from webapp.auth import COOKIE, CookieKeys, VisitorCookie, read_key

ROUNDS = 7
NUM_CHATS = 1_000
NUM_TURNS = 200
ANSWER = "Here is **what** I know, with `code`:\n\n1. one\n2. two\n\n" + "A sentence follows. " * 12
# Resolves when what was to be shown is there, with the milliseconds since the page was asked for.
SHOWN = """(selector) => new Promise((resolve) => {
    const look = () => document.querySelector(selector)
        ? requestAnimationFrame(() => resolve(performance.now()))
        : setTimeout(look, 5);
    look();
})"""


def main() -> None:
    """Measure, and print a row for each case."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        settings = make_settings(folder)
        fill(settings.database_url)
        app = create_app(settings, backend=ScriptedBackend())
        browser = playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
        with serve(app) as address:
            cases = {
                "a new visitor": (open_as(browser, address, folder, "new"), "", ".starter"),
                f"{NUM_CHATS:,} earlier chats": (
                    open_as(browser, address, folder, "many"),
                    "",
                    ".chats li:nth-child(100)",
                ),
                f"a chat of {NUM_TURNS} turns": (
                    open_as(browser, address, folder, "long"),
                    "?c=long",
                    f"#thread .message:nth-child({NUM_TURNS * 2})",
                ),
            }
            times: dict[str, list[float]] = {case: [] for case in cases}
            for _ in range(ROUNDS + 1):
                for case, (context, query, selector) in cases.items():
                    times[case].append(measure(context, f"{address}/{query}", selector))
        browser.close()
    for case, values in times.items():
        print(f"{case:24} {statistics.median(values[1:]):6.0f} ms (first {values[0]:.0f} ms)")


def fill(database_url: str) -> None:
    """Give one visitor many chats, and another one long chat."""
    with Store.open(database_url) as store:
        for number in range(NUM_CHATS):
            store.record_turn("many", make_turn(f"chat{number}", None, 0), title=f"Chat {number}")
        parent_id = None
        for number in range(NUM_TURNS):
            turn = make_turn("long", parent_id, number)
            store.record_turn("long", turn, title="A long chat")
            parent_id = turn.answer_id


def make_turn(chat: str, parent_id: str | None, number: int) -> Turn:
    """Return one turn of a chat."""
    return Turn(
        conversation_id=chat,
        parent_id=parent_id,
        question_id=f"{chat}-q{number}",
        question=Message("user", f"Question {number}?"),
        answer_id=f"{chat}-a{number}",
        answer=Message("assistant", ANSWER),
        finish_reason="stop",
        usage=Usage(10, 60),
        config=GenerationConfig(),
        model="scripted",
    )


def open_as(browser: Browser, address: str, folder: Path, visitor_id: str) -> BrowserContext:
    """Return a browser's session that is signed in as `visitor_id`."""
    header = VisitorCookie(CookieKeys(*read_key(folder).split())).header(visitor_id, is_https=False)
    value = header.partition(";")[0].removeprefix(f"{COOKIE}=")
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.add_cookies([{"name": COOKIE, "value": value, "url": address}])
    return context


def measure(context: BrowserContext, url: str, selector: str) -> float:
    """Return the milliseconds from asking for the page until `selector` is shown."""
    page = context.new_page()
    page.goto(url, wait_until="commit")
    elapsed_ms = float(page.evaluate(SHOWN, selector))
    page.close()
    return elapsed_ms


if __name__ == "__main__":
    main()
