"""What happens on each event of the page: translation, and nothing else."""

import time
from contextlib import aclosing
from dataclasses import replace

import gradio as gr

from chat.errors import NotFound, PalaverError
from chat.text import clean_text
from chat.types import GenerationConfig, Rating
from webapp.personas import configure
from webapp.turn import Answering, ChatRequest, TextDelta, TurnFinished, TurnStarted, Waiting
from webapp.ui import view
from webapp.ui.actions import Action, Asked, give_back, read_action, read_asked
from webapp.ui.booth import FRAME_S, Booth, Showing, Updates
from webapp.ui.parts import Parts, busy, ready
from webapp.ui.screen import House, Reader, Screen, Update
from webapp.ui.thread import Live


class Desk:
    """The handlers. Each checks for itself who is asking: a client can call any of them."""

    def __init__(
        self,
        house: House,
        screen: Screen,
        parts: Parts,
        config: GenerationConfig,
    ):
        """Act through `house`, with `config` where neither reader nor persona says otherwise."""
        self._service = house.service
        self._archive = house.archive
        self._booth = Booth(house, screen, parts)
        self._screen = screen
        self._parts = parts
        self._config = config

    async def greet(self, request: gr.Request) -> Update:
        """Write what depends on the reader's language alone."""
        return self._screen.fixed(self._screen.read_reader(request))

    async def open(self, address: str, request: gr.Request) -> Update:
        """Show the chat that the address names, or a new one."""
        reader = self._screen.read_reader(request)
        asked = clean_text(address or "")
        try:
            if asked in ("", "temporary"):
                return await self._screen.new_chat(reader, temporary=bool(asked))
            thread = await self._archive.read(reader.identity.id, asked)
            return await self._screen.chat(reader, thread)
        except NotFound:
            note = view.note(reader.words("chat_gone"))
            return {**await self._screen.new_chat(reader), self._parts.note: note}
        except PalaverError as error:
            note = view.note(view.problem(error, reader.words))
            return {self._parts.note: note, self._parts.live: ""}

    async def choose_persona(self, persona_id: str, address: str, request: gr.Request) -> Update:
        """Take over a persona's settings, and show what it begins with."""
        reader = self._screen.read_reader(request)
        parts = self._parts
        try:
            persona = await self._screen.find_persona(persona_id)
            config = configure(persona, self._config) if persona else self._config
        except PalaverError as error:
            return {parts.note: view.note(view.problem(error, reader.words))}
        update = {**self._screen.config(config), parts.note: ""}
        temporary = clean_text(address or "") == "temporary"
        return {**update, **self._screen.welcome(reader, persona, temporary=temporary)}

    async def search(self, text: str, address: str, request: gr.Request) -> Update:
        """List the chats in which something was said."""
        reader = self._screen.read_reader(request)
        try:
            found = await self._archive.list(reader.identity.id, search=(text or "")[:200])
        except PalaverError as error:
            return {self._parts.note: view.note(view.problem(error, reader.words))}
        is_search = bool((text or "").strip())
        chats = view.chat_list(found, address or "", reader.words, is_search=is_search)
        return {self._parts.chats: chats}

    async def ask(
        self,
        asked: str,
        temperature: float,
        top_p: float,
        max_new_tokens: float,
        seed: float | None,
        instructions: str,
        request: gr.Request,
    ) -> Updates:
        """Answer a question, showing each piece of the answer as it is released."""
        reader = self._screen.read_reader(request)
        wanted = Asked()
        try:
            wanted = read_asked(asked)
            if not wanted.is_anything:
                yield {self._parts.question: ready()}
                return
            config = replace(
                self._config,
                temperature=float(temperature),
                top_p=float(top_p),
                max_new_tokens=min(int(max_new_tokens), self._config.max_new_tokens),
                seed=None if seed is None else int(seed),
            )
            chat = wanted.to_request(
                reader.identity,
                config=config,
                locale=reader.locale,
                instructions=instructions or "",
            )
        except PalaverError as error:
            yield await self._recover(reader, wanted, None, error)
            return
        async with aclosing(self._answer(reader, wanted, chat)) as states:
            async for state in states:
                yield state

    async def stop(self, address: str, request: gr.Request) -> Update:
        """Show the chat as it is stored after a stop: the answer so far, marked as stopped."""
        reader = self._screen.read_reader(request)
        conversation_id = clean_text(address or "")
        await self._archive.settle(conversation_id)
        update = {self._parts.question: ready(), self._parts.live: ""}
        try:
            thread = await self._archive.read(reader.identity.id, conversation_id)
            return {**update, **await self._screen.thread(reader, thread)}
        except NotFound:
            return {**update, **await self._screen.anew(reader, conversation_id)}
        except PalaverError as error:
            return {**update, self._parts.note: view.note(view.problem(error, reader.words))}

    async def consent(self, choice: str, address: str, request: gr.Request) -> Update:
        """Remember whether this chat (or, in a new one, the chats to come) may train a model."""
        reader, parts = self._screen.read_reader(request), self._parts
        conversation_id = clean_text(address or "")
        try:
            # A new temporary chat has no say over others.
            if conversation_id != "temporary":
                await self._archive.consent(
                    reader.identity.id, choice == "yes", conversation_id or None
                )
        except PalaverError as error:
            other = "no" if choice == "yes" else "yes"
            problem = view.note(view.problem(error, reader.words))
            return {parts.note: problem, parts.consent: other}
        key = "consent_given" if choice == "yes" else "consent_withdrawn"
        return {parts.note: view.note(reader.words(key))}

    async def act(self, acted: str, address: str, request: gr.Request) -> Update:
        """Do what a button beside a message or a chat asks for."""
        reader = self._screen.read_reader(request)
        try:
            action = read_action(acted)
            return await self._act(reader, action, clean_text(address or ""))
        except NotFound:
            return {self._parts.note: view.note(reader.words("gone"))}
        except PalaverError as error:
            return {self._parts.note: view.note(view.problem(error, reader.words))}

    async def _act(self, reader: Reader, action: Action, address: str) -> Update:
        owner_id, parts = reader.identity.id, self._parts
        match action.do:
            case "version":
                thread = await self._archive.show_version(owner_id, address, action.id)
                return await self._screen.thread(reader, thread)
            case "rate" | "reasons":
                return await self._rate(reader, action, address)
            case "rename":
                await self._archive.rename(owner_id, action.id, action.text)
                return {parts.chats: await self._screen.chats(reader, address)}
            case "delete":
                await self._archive.delete(owner_id, action.id)
                note = view.note(reader.words("deleted"))
                if action.id == address:
                    return {**await self._screen.new_chat(reader), parts.note: note}
                return {parts.chats: await self._screen.chats(reader, address), parts.note: note}
            case "more":
                return {parts.chats: await self._screen.chats(reader, address, limit=action.count)}
            case "forget":
                await self._archive.forget(owner_id)
                note = view.note(reader.words("forgotten"))
                return {**await self._screen.new_chat(reader), parts.note: note}
            case "ballot" | "vote" | "skip" | "withdraw":
                return await self._booth.act(reader, action, address)

    async def _rate(self, reader: Reader, action: Action, address: str) -> Update:
        """Set a thumb, take it back when it is there already, or say why it is there."""
        owner_id, leaf_id = reader.identity.id, action.leaf or None
        thread = await self._archive.read(owner_id, address, leaf_id)
        rating = next((m.rating for m in thread.messages if m.stored.id == action.id), None)
        is_open = False
        if action.do == "rate" and rating is not None and rating.value == action.value:
            await self._archive.withdraw_rating(owner_id, address, action.id, owner_id)
        else:
            is_open = action.do == "rate"
            rating = Rating(action.id, owner_id, action.value, action.tags, action.text)
            await self._archive.rate(owner_id, address, rating)
        thread = await self._archive.read(owner_id, address, leaf_id)
        opened = action.id if is_open else ""
        return {
            self._parts.thread: await self._screen.messages(reader, thread, opened=opened),
            self._parts.note: view.note(reader.words("thanks") if action.do == "reasons" else ""),
        }

    async def _answer(self, reader: Reader, wanted: Asked, chat: ChatRequest) -> Updates:
        """Yield the page's states until the question is answered, or has failed."""
        showing = Showing({self._parts.question: busy(), self._parts.note: ""})
        if wanted.compares or self._booth.is_asked(chat):
            states = self._booth.compare(reader, wanted, chat, showing)
        else:
            states = self._reply(reader, wanted, chat, showing)
        try:
            async with aclosing(states):
                async for state in states:
                    yield state
        except PalaverError as error:
            recovered = await self._recover(reader, wanted, showing.started, error)
            yield showing.state | recovered

    async def _reply(
        self, reader: Reader, wanted: Asked, chat: ChatRequest, showing: Showing
    ) -> Updates:
        """Yield the page's states from the question to the finished answer.

        Each state is whole but for the list of chats, which comes with the last one: of states
        that follow one another too fast the page shows only the later.
        """
        parts, state = self._parts, showing.state
        live = Live(chat.text)
        shown_s = 0.0
        async with aclosing(self._service.reply(chat)) as events:
            async for event in events:
                match event:
                    case TurnStarted():
                        showing.started = event
                        live = Live(event.question)
                        state |= await self._screen.begun(reader, event, chat.persona)
                    case Waiting(position, wait_s):
                        note = view.waiting_note(position, wait_s, reader.words)
                        state[parts.note] = view.note(note)
                    case Answering():
                        state[parts.note] = ""
                    case TextDelta(delta, tokens_per_s):
                        live = live.grown(delta, tokens_per_s)
                        if time.monotonic() - shown_s < FRAME_S:
                            continue
                    case TurnFinished(turn):
                        await self._booth.note_regenerated(chat, wanted.instead, turn)
                        yield state | await self._booth.finish(reader, turn, wanted)
                        return
                state[parts.live] = reader.view.live(live)
                shown_s = time.monotonic()
                yield dict(state)

    async def _recover(
        self, reader: Reader, wanted: Asked, started: TurnStarted | None, error: PalaverError
    ) -> Update:
        """Return the page as it is stored after a failure, and what was typed back to its typer."""
        parts = self._parts
        conversation_id = started.conversation_id if started else wanted.conversation_id
        update: Update = {}
        is_stored = False
        try:
            thread = await self._archive.read(reader.identity.id, conversation_id)
            ids = {message.stored.id for message in thread.messages}
            is_stored = started is not None and started.answer_id in ids
            update = await self._screen.thread(reader, thread)
        except NotFound:
            kind = "temporary" if wanted.is_temporary else ""
            update = await self._screen.anew(reader, kind, wanted.persona)
        except PalaverError:
            pass  # the database fails: the page stays as it is, and says so
        text = "" if is_stored else wanted.text
        return {
            **update,
            parts.question: ready(),
            parts.live: "",
            parts.note: view.note(view.problem(error, reader.words)),
            parts.returned: give_back(text, wanted.replaces),
        }
