"""The page: its parts, and which event of theirs leads to what."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI

from webapp.service import ChatService
from webapp.settings import Settings
from webapp.ui import view
from webapp.ui.desk import Desk

FOLDER = Path(__file__).parent
LONGEST_QUESTION = 100_000
MOST_EVENTS = 10_000
STARTERS = (
    "What is the capital of France?",
    "Tell me a short story about a fox.",
    "What is 12 plus 7?",
    "Who are you?",
)
GREETING = """# What shall we talk about?

Palaver is a small language model that runs right here. It knows little, and can be wrong."""
PRIVACY = (
    "Questions, answers and the moderators' verdicts are stored on this server: for you to find "
    "them again, and for its operator to train a better model. Nothing is sent elsewhere."
)
# The address is the only place that says which chat is open; see page.js.
READ_ADDRESS = "() => [palaver.conversation()]"
TAKE_QUESTION = "(text) => palaver.take(text)"
ASK_WITH_ADDRESS = "(text) => [text, palaver.conversation()]"


def mount(app: FastAPI, service: ChatService, settings: Settings) -> None:
    """Put the page at the root of `app`, behind the routes that it already has."""
    page = build(service, settings)
    # The style reads best as a file of its own, the script has to run before the page does.
    script = (FOLDER / "page.js").read_text(encoding="utf-8")
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        footer_links=[],
        show_error=False,
        ssr_mode=False,
        theme=_theme(),
        css_paths=FOLDER / "style.css",
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


@dataclass(frozen=True, slots=True)
class _Parts:
    """The components that events read and change."""

    question: gr.Textbox
    chatbot: gr.Chatbot
    address: gr.Textbox
    chats: gr.HTML
    note: gr.Markdown
    asked: gr.Textbox
    open_chat: gr.Button


def build(service: ChatService, settings: Settings) -> gr.Blocks:
    """Return the page: the list of earlier chats, the conversation, and the line to ask in."""
    config = replace(service.default_config, max_new_tokens=settings.max_new_tokens)
    with gr.Blocks(title="Palaver", fill_height=True, analytics_enabled=False) as page:
        parts = _lay_out(service)
        _connect(page, parts, Desk(service, config))
    page.queue(max_size=MOST_EVENTS, default_concurrency_limit=64)
    return page


def _lay_out(service: ChatService) -> _Parts:
    with gr.Sidebar(open=True, width=280, elem_id="sidebar"):
        gr.HTML('<a class="brand" href="?">Palaver</a><a class="new" href="?">New chat</a>')
        chats = gr.HTML(elem_id="chats")
        gr.HTML(f'<p class="privacy">{PRIVACY}</p>')
    gr.HTML(view.header(service.model, service.provider), elem_id="header")
    return _Parts(
        chats=chats,
        chatbot=_make_chatbot(),
        note=gr.Markdown(elem_id="note"),
        question=_make_question(),
        address=gr.Textbox(visible="hidden", elem_id="address"),
        asked=gr.Textbox(visible="hidden", elem_id="asked"),
        open_chat=gr.Button(visible="hidden", elem_id="open-chat"),
    )


def _make_chatbot() -> gr.Chatbot:
    return gr.Chatbot(
        elem_id="chat",
        show_label=False,
        label="Conversation",
        scale=1,
        height=None,
        layout="bubble",
        placeholder=GREETING,
        examples=[{"text": text} for text in STARTERS],
        buttons=["copy"],
        feedback_options=None,
        allow_tags=False,
        latex_delimiters=[],
        group_consecutive_messages=False,
    )


def _make_question() -> gr.Textbox:
    return gr.Textbox(
        elem_id="question",
        show_label=False,
        label="Your question",
        placeholder="Ask anything",
        lines=1,
        max_lines=8,
        max_length=LONGEST_QUESTION,
        submit_btn=True,
        stop_btn=False,
        autofocus=True,
    )


def _connect(page: gr.Blocks, parts: _Parts, desk: Desk) -> None:
    shown = [parts.chatbot, parts.address, parts.chats, parts.note]
    asking: dict[str, Any] = {
        "outputs": [parts.question, *shown],
        # The engine has the line in which people wait, and tells them their place.
        "concurrency_limit": None,
        "show_progress": "hidden",
        "api_visibility": "private",
    }
    # Answered by a plain request each. Gradio's page drops a call that joins the queue in the
    # moment in which the stream of an earlier one closes, so only answers are streamed.
    quiet: dict[str, Any] = {
        "queue": False,
        "show_progress": "hidden",
        "api_visibility": "private",
    }
    # The line is emptied by an event of its own, in the browser: of the many states of an answer
    # the page may leave out those that come too fast.
    taking = parts.question.submit(
        None, [parts.question], [parts.question, parts.asked], js=TAKE_QUESTION, **quiet
    )
    answering = taking.then(desk.ask, [parts.asked, parts.address], js=ASK_WITH_ADDRESS, **asking)
    starting = parts.chatbot.example_select(desk.ask_starter, None, **asking)
    parts.question.stop(None, cancels=[answering, starting], **quiet)
    for event in (answering, starting):
        # A cancelled event counts as a failed one.
        event.failure(
            desk.stop, [parts.address], [parts.question, *shown], js=READ_ADDRESS, **quiet
        )
    parts.address.change(None, [parts.address], None, js="(id) => palaver.show(id)", **quiet)
    page.load(None, None, None, js="() => palaver.uncover()", **quiet)
    # Whoever opens another chat leaves the answer that is being written.
    parts.open_chat.click(None, cancels=[answering, starting], **quiet)
    gr.on(
        [page.load, parts.open_chat.click],
        desk.open,
        [parts.address],
        shown,
        js=READ_ADDRESS,
        trigger_mode="always_last",
        **quiet,
    )
