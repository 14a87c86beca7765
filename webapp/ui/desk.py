"""What happens on each event of the page: translation, and nothing else."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import gradio as gr

from chat.errors import NotFound, PalaverError
from chat.text import clean_text
from chat.types import GenerationConfig
from webapp.service import ChatService
from webapp.turn import Answering, ChatRequest, TextDelta, TurnFinished, TurnStarted, Waiting
from webapp.ui import view

THINKING = "…"
Updates = AsyncGenerator[tuple[Any, ...], None]


class Desk:
    """The handlers. Each checks for itself who is asking: a client can call any of them."""

    def __init__(self, service: ChatService, config: GenerationConfig):
        self._service = service
        self._config = config

    async def open(self, conversation_id: str, request: gr.Request) -> tuple[Any, ...]:
        """Show the chat that the address names, or a new one."""
        owner_id = _visitor(request)
        conversation_id = clean_text(conversation_id or "")
        try:
            history = []
            if conversation_id:
                history = await self._service.read_conversation(owner_id, conversation_id)
            chats = await self._chats(owner_id, conversation_id)
            return view.bubbles(history), conversation_id, chats, ""
        except NotFound:
            note = "That chat isn't here (any more). This is a new one."
            return [], "none", await self._chats(owner_id, ""), note
        except PalaverError as error:
            return [], conversation_id, gr.skip(), str(error)

    async def ask(self, text: str, conversation_id: str, request: gr.Request) -> Updates:
        """Answer a question, showing each piece of the answer as it is released."""
        owner_id = _visitor(request)
        text, conversation_id = clean_text(text or ""), clean_text(conversation_id or "")
        if not text.strip():
            yield _ready(), gr.skip(), gr.skip(), gr.skip(), gr.skip()
            return
        earlier: Any = gr.skip()
        try:
            async with aclosing(self._answer(owner_id, text, conversation_id, request)) as states:
                async for earlier, line, answer, *rest in states:
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
        """Yield what was said before, the line, the answer so far, the address, chats and note.

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
        earlier: list[view.Bubble] = []
        answer, note = "", ""
        async with aclosing(self._service.reply(asked)) as events:
            async for event in events:
                match event:
                    case TurnStarted():
                        earlier = view.bubbles(event.history)
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
                        yield earlier, _ready(), turn.answer.content, conversation_id, chats, note
                        return
                yield earlier, _busy(), answer or THINKING, conversation_id, gr.skip(), note

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
