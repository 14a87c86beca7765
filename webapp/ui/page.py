"""The page: which event of its parts leads to what."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI

from webapp.review import ReviewDesk
from webapp.rules import RuleDesk
from webapp.settings import Settings
from webapp.ui.admin import add_admin_page
from webapp.ui.desk import Desk
from webapp.ui.language import catalogue
from webapp.ui.parts import Parts, lay_out
from webapp.ui.review import add_review_page
from webapp.ui.screen import House, Screen, Site

FOLDER = Path(__file__).parent
STYLES = ("style.css", "comparison.css", "code.css", "admin.css", "review.css")
SCRIPTS = ("page.js", "comparison.js", "review.js")
MOST_EVENTS = 10_000
# The address is the only place that says which chat is open; see page.js.
READ_ADDRESS = "() => [palaver.address()]"
WITH_ADDRESS = "(value) => [value, palaver.address()]"
TAKE_QUESTION = "(text) => palaver.take(text)"
TAKE_BACK = "(back, line) => palaver.takeBack(back, line)"
READ_ASKED = "(_, ...settings) => [palaver.asked, ...settings]"
READ_ACTED = "() => [palaver.acted, palaver.address()]"


def mount(
    app: FastAPI,
    house: House,
    reviewing: ReviewDesk,
    rules: RuleDesk,
    settings: Settings,
    site: Site,
) -> None:
    """Put the page at the root of `app`, behind the routes that it already has."""
    i18n = gr.I18n(**catalogue())
    page = build(house, reviewing, rules, settings, site, i18n)
    # The style reads best as a file of its own, the script has to run before the page does.
    script = "".join((FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS)
    with warnings.catch_warnings():
        # With more than one page, Gradio complains even though it is told not to render on the
        # server.
        warnings.filterwarnings("ignore", message="SSR mode is not supported")
        gr.mount_gradio_app(
            app,
            page,
            path="/",
            footer_links=[],
            show_error=False,
            ssr_mode=False,
            i18n=i18n,
            theme=_theme(),
            css_paths=[FOLDER / name for name in STYLES],
            head=f'<meta name="color-scheme" content="light dark"><script>{script}</script>',
            favicon_path=str(FOLDER / "icon.svg"),
        )


def _theme() -> gr.themes.Base:
    # Fonts of the reader's own system: Gradio's default ones come from another host.
    return gr.themes.Base(
        primary_hue="teal",
        neutral_hue="stone",
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "monospace"],
    )


def build(
    house: House,
    reviewing: ReviewDesk,
    rules: RuleDesk,
    settings: Settings,
    site: Site,
    i18n: gr.I18n,
) -> gr.Blocks:
    """Return the page, and the administrator's two behind it."""
    most_tokens = min(settings.max_new_tokens, house.service.context_length)
    config = replace(house.service.default_config, max_new_tokens=most_tokens)
    with gr.Blocks(title="Palaver", fill_height=True, analytics_enabled=False) as page:
        parts = lay_out(i18n, config, most_tokens=most_tokens)
        screen = Screen(house, parts, config, site)
        _connect(page, parts, Desk(house, screen, parts, config))
    add_admin_page(page, house.personas)
    add_review_page(page, reviewing, rules)
    page.queue(max_size=MOST_EVENTS, default_concurrency_limit=64)
    return page


def _connect(page: gr.Blocks, parts: Parts, desk: Desk) -> None:
    # Answered by a plain request each. Gradio's page drops a call that joins the queue in the
    # moment in which the stream of an earlier one closes, so only answers are streamed.
    quiet: dict[str, Any] = {
        "queue": False,
        "show_progress": "hidden",
        "api_visibility": "private",
    }
    answering = _connect_asking(parts, desk, quiet)
    _connect_opening(page, parts, desk, answering, quiet)
    _connect_settings(parts, desk, quiet)
    page.load(desk.greet, None, parts.fixed, **quiet).then(
        None, None, None, js="() => palaver.begin()", **quiet
    )
    acted = [parts.acted, parts.address]
    parts.act.click(desk.act, acted, parts.shown, js=READ_ACTED, trigger_mode="multiple", **quiet)
    parts.search.change(
        desk.search,
        [parts.search, parts.address],
        [parts.chats, parts.note],
        js=WITH_ADDRESS,
        trigger_mode="always_last",
        **quiet,
    )


def _connect_opening(
    page: gr.Blocks, parts: Parts, desk: Desk, answering: list[Any], quiet: dict[str, Any]
) -> None:
    """Connect what leads to another chat; who opens one leaves the answer being written."""
    parts.open_chat.click(None, cancels=answering, **quiet)
    gr.on(
        [page.load, parts.open_chat.click],
        desk.open,
        [parts.address],
        parts.shown,
        js=READ_ADDRESS,
        trigger_mode="always_last",
        **quiet,
    ).then(None, None, None, js="() => palaver.opened()", **quiet)
    parts.address.change(None, [parts.address], None, js="(id) => palaver.show(id)", **quiet)


def _connect_settings(parts: Parts, desk: Desk, quiet: dict[str, Any]) -> None:
    parts.persona.input(
        desk.choose_persona,
        [parts.persona, parts.address],
        [parts.thread, parts.note, *parts.settings],
        js=WITH_ADDRESS,
        **quiet,
    )
    parts.consent.input(
        desk.consent,
        [parts.consent, parts.address],
        [parts.note, parts.consent],
        js=WITH_ADDRESS,
        **quiet,
    )


def _connect_asking(parts: Parts, desk: Desk, quiet: dict[str, Any]) -> list[Any]:
    """Connect the two ways to ask: the line, and the buttons beside what was said.

    Returns the events that answer, for those who cancel them.
    """
    asking: dict[str, Any] = {
        "inputs": [parts.asked, *parts.settings],
        "outputs": parts.answered,
        # The engine has the line in which people wait, and tells them their place.
        "concurrency_limit": None,
        "show_progress": "hidden",
        "api_visibility": "private",
    }
    # The line is emptied by an event of its own, in the browser: of the many states of an answer
    # the page may leave out those that come too fast.
    taking = parts.question.submit(
        None, [parts.question], [parts.question, parts.asked], js=TAKE_QUESTION, **quiet
    )
    answering = [
        taking.then(desk.ask, **asking),
        parts.send.click(desk.ask, js=READ_ASKED, **asking),
    ]
    sent: dict[str, Any] = {"js": "() => palaver.sent()", **quiet}
    parts.question.stop(None, cancels=answering, **quiet)
    for event in answering:
        event.then(None, None, None, **sent)
        # A cancelled event counts as a failed one.
        stopping = event.failure(
            desk.stop, [parts.address], parts.answered, js=READ_ADDRESS, **quiet
        )
        stopping.then(None, None, None, **sent)
    line = [parts.returned, parts.question]
    parts.returned.change(None, line, [parts.question], js=TAKE_BACK, **quiet)
    return answering
