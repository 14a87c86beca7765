"""The page's states: what its parts show for a chat, for a new one, and for who is looking."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import gradio as gr

from chat.errors import NotFound
from chat.text import clean_text
from chat.types import Conversation, GenerationConfig, Persona, Thread
from webapp.archive import Archive
from webapp.auth import Identity
from webapp.memory import is_temporary
from webapp.personas import Personas
from webapp.service import ChatService
from webapp.ui import view
from webapp.ui.dialogs import dialogs
from webapp.ui.language import Words, choose
from webapp.ui.parts import NO_PERSONA, Parts
from webapp.ui.thread import ThreadView, last_answer_of

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
class Site:
    """What the page has to know about where it runs."""

    can_sign_in: bool = False
    # Returns what a visitor takes along from another site's frame to sign in; see `view.account`.
    handover: Callable[[str], str] = lambda visitor_id: ""
    # Returns a sentence that everybody should read, or nothing.
    banner: Callable[[], str] = str


class Screen:
    """Puts together what the page's parts show."""

    def __init__(
        self,
        service: ChatService,
        archive: Archive,
        personas: Personas,
        parts: Parts,
        default_config: GenerationConfig,
        site: Site,
    ):
        self._service = service
        self._archive = archive
        self._personas = personas
        self._parts = parts
        self._default_config = default_config
        self._site = site

    def fixed(self, words: Words) -> Update:
        """Return what depends on the reader's language alone."""
        parts = self._parts
        return {
            parts.masthead: view.masthead(words),
            parts.your_data: view.your_data(words),
            parts.look: view.look(words),
            parts.dialogs: dialogs(words),
        }

    async def chat(self, reader: Reader, thread: Thread) -> Update:
        """Return the page with a chat on it, and the settings of its last answer."""
        parts, conversation = self._parts, thread.conversation
        last = last_answer_of(thread)
        config, persona_id, instructions = self._default_config, "", ""
        if last is not None and last.generation is not None:
            config, persona_id = last.generation.config, last.generation.persona
            instructions = last.generation.instructions
        return {
            **await self._frame(reader, conversation.id, persona_id),
            parts.thread: reader.view.thread(thread.messages),
            parts.address: conversation.id,
            parts.persona: gr.Radio(value=persona_id, visible=False),
            parts.instructions: instructions,
            parts.consent: await self._consent_of(reader, conversation),
            **self.config(config),
        }

    async def new_chat(self, reader: Reader, *, temporary: bool) -> Update:
        """Return the page with nothing said yet."""
        parts = self._parts
        personas = await self._personas.list()
        choices = [
            (reader.words("no_persona"), NO_PERSONA),
            *((persona.title, persona.id) for persona in personas),
        ]
        return {
            **await self._frame(reader, "temporary" if temporary else "", ""),
            **self.welcome(reader, None, temporary=temporary),
            parts.address: "temporary" if temporary else "",
            parts.persona: gr.Radio(choices=choices, value=NO_PERSONA, visible=bool(personas)),
            parts.instructions: "",
            parts.consent: await self._consent_of(reader, None),
            **self.config(self._default_config),
        }

    async def _frame(self, reader: Reader, address: str, persona_id: str) -> Update:
        parts = self._parts
        return {
            parts.banner: view.banner(self._site.banner()),
            parts.header: await self.header(reader, persona_id, address),
            parts.live: "",
            parts.note: "",
            parts.chats: await self.chats(reader, address),
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

    async def _consent_of(self, reader: Reader, conversation: Conversation | None) -> Any:
        word = conversation.training_consent if conversation else None
        if word is None:
            word = await self._archive.has_consented(reader.identity.id)
        return "yes" if word else "no"

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
