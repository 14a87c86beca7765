"""The page's states: what its parts show for a chat, for a new one, and for who is looking."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from chat.errors import NotFound
from chat.text import clean_text
from chat.types import GenerationConfig, Persona, Thread
from webapp.archive import Archive
from webapp.arena import Arena
from webapp.auth import Identity
from webapp.memory import is_temporary
from webapp.personas import Personas
from webapp.service import ChatService
from webapp.turn import TurnStarted
from webapp.ui import view
from webapp.ui.comparison import Ballots
from webapp.ui.dialogs import dialogs
from webapp.ui.language import Words, choose
from webapp.ui.parts import NO_PERSONA, Parts
from webapp.ui.thread import ThreadView, last_answer_of
from webapp.votes import Votes

# What each of the page's parts is to show.
Update = dict[Any, Any]


@dataclass(frozen=True, slots=True)
class Reader:
    """Who looks at the page, and in which language."""

    identity: Identity
    words: Words
    locale: str
    view: ThreadView


@dataclass(frozen=True, slots=True)
class House:
    """What the page acts through."""

    service: ChatService
    archive: Archive
    arena: Arena
    votes: Votes
    personas: Personas


@dataclass(frozen=True, slots=True)
class Site:
    """What the page has to know about where it runs."""

    can_sign_in: bool = False
    # Returns what a visitor takes along from another site's frame to sign in; see `view.account`.
    handover: Callable[[str], str] = lambda visitor_id: ""
    # Returns a sentence that everybody should read, or nothing.
    banner: Callable[[], str] = str
    # Returns a sentence for administrators alone, or nothing.
    notice: Callable[[], str] = str


class Screen:
    """Puts together what the page's parts show."""

    def __init__(
        self,
        house: House,
        parts: Parts,
        default_config: GenerationConfig,
        site: Site,
    ):
        self._service = house.service
        self._archive = house.archive
        self._votes = house.votes
        self._personas = house.personas
        self._parts = parts
        self._default_config = default_config
        self._site = site

    def fixed(self, reader: Reader) -> Update:
        """Return what depends on the reader alone, not on any chat."""
        parts, words = self._parts, reader.words
        return {
            parts.masthead: view.masthead(words),
            parts.your_data: view.your_data(words, reader.identity.id),
            parts.look: view.look(words),
            parts.dialogs: dialogs(words),
        }

    async def chat(self, reader: Reader, thread: Thread) -> Update:
        """Return the page with a chat on it, and the settings of its last answer."""
        parts, conversation = self._parts, thread.conversation
        last = last_answer_of(thread)
        config, instructions = self._default_config, ""
        if last is not None and last.generation is not None:
            config, instructions = last.generation.config, last.generation.instructions
        return {
            **self._frame(reader),
            **await self.thread(reader, thread),
            parts.instructions: instructions,
            parts.consent: gr.Radio(
                value="yes" if conversation.training_consent else "no",
                visible=not is_temporary(conversation.id),
            ),
            **self.config(config),
        }

    async def thread(self, reader: Reader, thread: Thread, *, ballot: str = "") -> Update:
        """Return the page with a chat on it; the settings stay as they are.

        `ballot` is the comparison to be ranked, if somebody asked for one.
        """
        parts, chat_id = self._parts, thread.conversation.id
        last = last_answer_of(thread)
        persona_id = last.generation.persona if last and last.generation else ""
        return {
            parts.header: await self.header(reader, persona_id, chat_id),
            parts.thread: await self.messages(reader, thread, ballot=ballot),
            parts.live: "",
            parts.note: "",
            parts.chats: await self.chats(reader, chat_id),
            parts.address: chat_id,
            parts.persona: gr.Radio(value=persona_id, visible=False),
        }

    async def begun(self, reader: Reader, started: TurnStarted, persona_id: str) -> Update:
        """Return the page as it is when a turn begins."""
        parts, chat_id = self._parts, started.conversation_id
        return {
            parts.header: await self.header(reader, persona_id, chat_id),
            parts.thread: await self._history(reader, started),
            parts.address: chat_id,
            parts.persona: gr.Radio(visible=False),
        }

    async def messages(
        self, reader: Reader, thread: Thread, *, opened: str = "", ballot: str = ""
    ) -> str:
        """Return what was said in a chat; `opened` is the answer whose reasons are asked for.

        What is to be ranked is shown so: the comparison `ballot`, or else that of the last answer,
        unless it is ranked or was passed over.
        """
        chat_id, owner_id = thread.conversation.id, reader.identity.id
        if is_temporary(chat_id):
            return reader.view.thread(thread.messages, opened)
        ballots = Ballots(await self._votes.list(owner_id, chat_id))
        last = ballots.of(thread.messages[-1].stored.id) if thread.messages else None
        if not ballot and last is not None and last.ranking is None:
            ballot = last.comparison.id
            if self._votes.is_skipped(owner_id, ballot):
                ballot = ""
        if ballot:
            self._votes.note_seen(owner_id, ballot)
        return reader.view.thread(thread.messages, opened, replace(ballots, open_id=ballot))

    async def _history(self, reader: Reader, started: TurnStarted) -> str:
        """Return what was said before a question that is being answered."""
        chat_id = started.conversation_id
        if is_temporary(chat_id) or not started.history:
            return reader.view.thread(started.history)
        ballots = Ballots(await self._votes.list(reader.identity.id, chat_id))
        return reader.view.thread(started.history, "", ballots)

    async def new_chat(self, reader: Reader, *, temporary: bool = False) -> Update:
        """Return the page with nothing said yet, and the usual settings."""
        parts = self._parts
        word = await self._archive.has_consented(reader.identity.id)
        return {
            **self._frame(reader),
            **await self.anew(reader, "temporary" if temporary else ""),
            parts.instructions: "",
            parts.consent: gr.Radio(value="yes" if word else "no", visible=not temporary),
            **self.config(self._default_config),
        }

    async def anew(self, reader: Reader, address: str, persona_id: str = "") -> Update:
        """Return the page with nothing said; the settings stay as they are."""
        parts = self._parts
        temporary = address == "temporary" or is_temporary(address)
        personas = await self._personas.list()
        choices = [
            (reader.words("no_persona"), NO_PERSONA),
            *((persona.title, persona.id) for persona in personas),
        ]
        chosen = next((persona for persona in personas if persona.id == persona_id), None)
        return {
            **self.welcome(reader, chosen, temporary=temporary),
            parts.header: await self.header(reader, "", "temporary" if temporary else ""),
            parts.live: "",
            parts.note: "",
            parts.chats: await self.chats(reader, ""),
            parts.address: new_address(temporary=temporary),
            parts.persona: gr.Radio(
                choices=choices, value=chosen.id if chosen else NO_PERSONA, visible=bool(personas)
            ),
        }

    def _frame(self, reader: Reader) -> Update:
        parts = self._parts
        notice = self._site.notice() if reader.identity.is_admin else ""
        return {
            parts.banner: view.banner(" ".join(filter(None, (self._site.banner(), notice)))),
            parts.account: view.account(
                reader.identity,
                reader.words,
                can_sign_in=self._site.can_sign_in,
                handover=self._site.handover(reader.identity.id),
            ),
        }

    async def header(self, reader: Reader, persona_id: str, address: str) -> str:
        """Return the line that says who answers, in the chat at `address`."""
        persona = None
        if persona_id:
            # One that is no more still has its name on the chats that it answered.
            with suppress(NotFound):
                persona = await self._personas.read(persona_id)
            persona = persona or Persona(persona_id, persona_id)
        temporary = address == "temporary" or is_temporary(address)
        return view.header(
            self._service.model, self._service.provider, persona, reader.words, temporary=temporary
        )

    def welcome(self, reader: Reader, persona: Persona | None, *, temporary: bool) -> Update:
        """Return what a new chat with `persona` begins with."""
        starters: Sequence[str] = persona.starters if persona else ()
        if not starters:
            starters = [reader.words(f"starter_{number}") for number in range(1, 5)]
        welcome = reader.view.welcome(persona, starters, temporary=temporary)
        return {self._parts.thread: welcome}

    def config(self, config: GenerationConfig) -> Update:
        """Return the settings as `config` has them."""
        parts = self._parts
        return {
            parts.temperature: config.temperature,
            parts.top_p: config.top_p,
            parts.max_new_tokens: min(config.max_new_tokens, self._default_config.max_new_tokens),
            parts.seed: config.seed,
        }

    async def find_persona(self, persona_id: str) -> Persona | None:
        """Return a persona; None for an empty id.

        Raises:
            NotFound: there is no such persona.
        """
        return await self._personas.read(clean_text(persona_id)) if persona_id else None

    async def chats(self, reader: Reader, current: str, limit: int = view.LISTED) -> str:
        """Return the list of the reader's chats; `current` is the one on display."""
        chats = await self._archive.list(reader.identity.id, limit=min(limit, view.MOST_LISTED))
        return view.chat_list(chats, current, reader.words)

    def read_reader(self, request: gr.Request) -> Reader:
        """Return who is asking: the signed cookie's word, never the page's."""
        locale = request.headers.get("accept-language", "")
        words = choose(locale)
        identity: Identity = request.request.state.identity
        return Reader(identity, words, locale, ThreadView(words, self._service.provider))


def new_address(*, temporary: bool) -> str:
    """Return what tells the script that no chat is open; each time another, so that it hears it."""
    return f"{'new-temporary' if temporary else 'new'} {time.monotonic_ns()}"
