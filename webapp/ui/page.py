"""The page's components and what happens on each event: translation, and nothing else."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI

from chat.errors import NotFound, PalaverError
from chat.text import clean_text
from chat.types import GenerationConfig
from webapp.service import ChatService
from webapp.settings import Settings
from webapp.turn import Answering, ChatRequest, TextDelta, TurnFinished, TurnStarted, Waiting
from webapp.ui import view

FOLDER = Path(__file__).parent
LONGEST_QUESTION = 100_000
MOST_EVENTS = 10_000
THINKING = "…"
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
TAKE_QUESTION = "(text) => ['', text]"
ASK_WITH_ADDRESS = "(text) => [text, palaver.conversation()]"
Updates = AsyncGenerator[tuple[Any, ...], None]


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


def build(service: ChatService, settings: Settings) -> gr.Blocks:
    """Return the page: the list of earlier chats, the conversation, and the line to ask in."""
    desk = _Desk(service, replace(service.default_config, max_new_tokens=settings.max_new_tokens))
    with gr.Blocks(title="Palaver", fill_height=True, analytics_enabled=False) as page:
        with gr.Sidebar(open=True, width=280, elem_id="sidebar"):
            gr.HTML('<a class="brand" href="?">Palaver</a><a class="new" href="?">New chat</a>')
            chats = gr.HTML(elem_id="chats")
            gr.HTML(f'<p class="privacy">{PRIVACY}</p>')
        gr.HTML(view.header(service.model, service.provider), elem_id="header")
        chatbot = gr.Chatbot(
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
        note = gr.Markdown(elem_id="note", visible=True)
        question = gr.Textbox(
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
        address = gr.Textbox(visible="hidden", elem_id="address")
        asked = gr.Textbox(visible="hidden", elem_id="asked")
        open_chat = gr.Button(visible="hidden", elem_id="open-chat")

        outputs = [question, chatbot, address, chats, note]
        asking: dict[str, Any] = {
            "outputs": outputs,
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
        # The line is emptied by an event of its own, in the browser: of the many states of an
        # answer the page may leave out those that come too fast.
        taking = question.submit(None, [question], [question, asked], js=TAKE_QUESTION, **quiet)
        answering = taking.then(desk.ask, [asked, address], js=ASK_WITH_ADDRESS, **asking)
        starting = chatbot.example_select(desk.ask_starter, None, **asking)
        question.stop(None, cancels=[answering, starting], **quiet)
        for event in (answering, starting):
            # A cancelled event counts as a failed one.
            event.failure(desk.stop, [address], outputs, js=READ_ADDRESS, **quiet)
        address.change(None, [address], None, js="(id) => palaver.show(id)", **quiet)
        page.load(None, None, None, js="() => palaver.uncover()", **quiet)
        # Whoever opens another chat leaves the answer that is being written.
        open_chat.click(None, cancels=[answering, starting], **quiet)
        gr.on(
            [page.load, open_chat.click],
            desk.open,
            [address],
            [chatbot, address, chats, note],
            js=READ_ADDRESS,
            trigger_mode="always_last",
            **quiet,
        )
    page.queue(max_size=MOST_EVENTS, default_concurrency_limit=64)
    return page


class _Desk:
    """The handlers. Each checks for itself who is asking: a client can call any of them."""

    def __init__(self, service: ChatService, config: GenerationConfig):
        self._service = service
        self._config = config

    async def open(self, conversation_id: str, request: gr.Request) -> tuple[Any, ...]:
        """Show the chat that the address names, or a new one."""
        owner_id = _visitor(request)
        conversation_id = clean_text(conversation_id or "")
        note = ""
        history = []
        try:
            if conversation_id:
                history = await self._service.read_conversation(owner_id, conversation_id)
        except NotFound:
            note = "That chat isn't here (any more). This is a new one."
            conversation_id = "none"
        except PalaverError as error:
            note = str(error)
        chats = await self._chats(owner_id, conversation_id)
        return view.bubbles(history), conversation_id, chats, note

    async def ask(self, text: str, conversation_id: str, request: gr.Request) -> Updates:
        """Answer a question, showing each piece of the answer as it is released."""
        owner_id = _visitor(request)
        text, conversation_id = clean_text(text or ""), clean_text(conversation_id or "")
        if not text.strip():
            yield _ready(), gr.skip(), gr.skip(), gr.skip(), gr.skip()
            return
        earlier: list[view.Bubble] = []
        try:
            if conversation_id:
                stored = await self._service.read_conversation(owner_id, conversation_id)
                earlier = view.bubbles(stored)
            async with aclosing(self._answer(owner_id, text, conversation_id, request)) as states:
                async for line, answer, *rest in states:
                    exchange = [view.bubble("user", text), view.bubble("assistant", answer)]
                    yield line, [*earlier, *exchange], *rest
        except PalaverError as error:
            # Nothing is lost: what was typed goes back to where it can be sent again.
            yield _ready(text), earlier, gr.skip(), gr.skip(), str(error)

    async def ask_starter(self, request: gr.Request, event: gr.SelectData) -> Updates:
        """Begin a new chat with one of the starters."""
        text = event.value["text"] if isinstance(event.value, dict) else str(event.value)
        async with aclosing(self.ask(text, "", request)) as updates:
            async for update in updates:
                yield update

    async def stop(self, conversation_id: str, request: gr.Request) -> tuple[Any, ...]:
        """Show the chat as it is stored after a stop: the answer so far, marked as stopped."""
        await self._service.settle(conversation_id)
        return (_ready(), *await self.open(conversation_id, request))

    async def _answer(
        self, owner_id: str, text: str, conversation_id: str, request: gr.Request
    ) -> Updates:
        """Yield the line, the answer so far, the address, the chats and the note.

        Each state is whole but for the chats, which come with the last one: of states that follow
        one another too fast the page shows only the later.
        """
        asked = ChatRequest(
            owner_id=owner_id,
            text=text,
            conversation_id=conversation_id or None,
            config=self._config,
            locale=request.headers.get("accept-language", ""),
        )
        answer, note = "", ""
        yield _busy(), THINKING, conversation_id, gr.skip(), note
        async with aclosing(self._service.reply(asked)) as events:
            async for event in events:
                match event:
                    case TurnStarted():
                        conversation_id = event.conversation_id
                    case Waiting(position):
                        note = view.waiting_note(position)
                    case Answering():
                        note = ""
                    case TextDelta(delta):
                        answer += delta
                    case TurnFinished(turn):
                        chats = await self._chats(owner_id, conversation_id)
                        note = view.turn_note(turn, self._service.context_length)
                        yield _ready(), turn.answer.content, conversation_id, chats, note
                        return
                yield _busy(), answer or THINKING, conversation_id, gr.skip(), note

    async def _chats(self, owner_id: str, current: str) -> str:
        conversations = await self._service.list_conversations(owner_id, limit=100)
        return view.conversation_links(conversations, current)


def _visitor(request: gr.Request) -> str:
    """Return who is asking: the signed cookie's word, never the page's."""
    return str(request.request.state.visitor_id)


def _busy() -> Any:
    return gr.Textbox(submit_btn=False, stop_btn=True)


def _ready(text: str | None = None) -> Any:
    if text is None:
        return gr.Textbox(submit_btn=True, stop_btn=False)
    return gr.Textbox(value=text, submit_btn=True, stop_btn=False)
