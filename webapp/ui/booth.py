"""Where the page's readers compare answers and cast their votes."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from chat.types import Comparison, Turn
from webapp.arena import ArenaEvent, ComparisonFinished
from webapp.memory import is_temporary
from webapp.turn import Answering, ChatRequest, TextDelta, TurnFinished, TurnStarted, Waiting
from webapp.ui import view
from webapp.ui.actions import Action, Asked
from webapp.ui.comparison import LiveComparison
from webapp.ui.parts import Parts, ready
from webapp.ui.screen import House, Reader, Screen, Update

# An answer is shown anew at most this often: a reader sees no difference, a server does.
FRAME_S = 0.04
Updates = AsyncGenerator[Update, None]


@dataclass(slots=True)
class Showing:
    """What the page shows of the exchange under way, for whoever has to go on from there."""

    state: Update
    started: TurnStarted | None = None


class Booth:
    """The handlers of comparisons. Whose they are is asked every time."""

    def __init__(self, house: House, screen: Screen, parts: Parts):
        self._service = house.service
        self._archive = house.archive
        self._arena = house.arena
        self._votes = house.votes
        self._screen = screen
        self._parts = parts

    def is_asked(self, chat: ChatRequest) -> bool:
        """Say by chance whether to answer a question several times; never where one can't."""
        is_fleeting = chat.is_temporary or is_temporary(chat.conversation_id or "")
        return not chat.regenerates and not is_fleeting and self._arena.is_asked()

    async def compare(
        self, reader: Reader, wanted: Asked, chat: ChatRequest, showing: Showing
    ) -> Updates:
        """Yield the page's states from the question to the finished answers, side by side.

        Each state is whole but for the list of chats, which comes with the last one.
        """
        live = LiveComparison(chat.text, ("",) * self._arena.num_answers)
        shown_s = 0.0
        async with aclosing(self._arena.compare(chat, is_wanted=wanted.compares)) as events:
            async for place, event in events:
                if isinstance(event, TurnStarted) and showing.started is None:
                    showing.started = event
                    live = LiveComparison(event.question, live.answers)
                    begun = await self._screen.begun(reader, event, chat.persona)
                    showing.state |= begun
                elif isinstance(event, ComparisonFinished):
                    finished = await self.finish(reader, event.shown, wanted)
                    yield showing.state | finished
                    return
                live = self._follow(reader, showing, live, place, event)
                is_late = time.monotonic() - shown_s >= FRAME_S
                if is_late or not isinstance(event, TextDelta):
                    showing.state[self._parts.live] = reader.view.live_comparison(live)
                    shown_s = time.monotonic()
                    yield dict(showing.state)

    def _follow(
        self,
        reader: Reader,
        showing: Showing,
        live: LiveComparison,
        place: int,
        event: ArenaEvent,
    ) -> LiveComparison:
        """Return what is written so far; the wait in line is told below."""
        match event:
            case Waiting(position, wait_s):
                note = view.waiting_note(position, wait_s, reader.words)
                showing.state[self._parts.note] = view.note(note)
            case Answering():
                showing.state[self._parts.note] = ""
            case TextDelta(delta):
                return live.grown(place, delta)
            case TurnFinished(turn):
                return live.ended(place, turn.answer.content)
        return live

    async def finish(self, reader: Reader, turn: Turn, wanted: Asked) -> Update:
        """Return the page with a finished turn on it."""
        parts = self._parts
        thread = await self._archive.read(reader.identity.id, turn.conversation_id, turn.answer_id)
        update = await self._screen.thread(reader, thread)
        if wanted.is_searching:
            del update[parts.chats]
        note = view.turn_note(turn, self._service.context_length, reader.words)
        return {**update, parts.question: ready(), parts.note: view.note(note)}

    async def note_regenerated(self, chat: ChatRequest, old_id: str, turn: Turn) -> None:
        """Remember which answer another one was asked for instead of, where the page says so."""
        if chat.regenerates and old_id:
            await self._arena.note_regenerated(chat.owner_id, turn.conversation_id, old_id, turn)

    async def act(self, reader: Reader, action: Action, address: str) -> Update:
        """Do what a button of a comparison asks for."""
        owner_id, note, ballot = reader.identity.id, "", ""
        leaf_id = action.leaf or None
        match action.do:
            case "vote":
                ranked = await self._votes.rank(owner_id, action.to_ranking(owner_id))
                await self._put_on_display(owner_id, address, leaf_id, ranked, action)
                leaf_id, note = None, reader.words("vote_saved")
            case "skip":
                self._votes.skip(owner_id, action.id)
            case "withdraw":
                await self._votes.withdraw(owner_id, action.id, owner_id)
                note = reader.words("vote_withdrawn")
            case _:
                ballot = action.id
        thread = await self._archive.read(owner_id, address, leaf_id)
        update = await self._screen.thread(reader, thread, ballot=ballot)
        return {**update, self._parts.note: view.note(note)}

    async def _put_on_display(
        self,
        owner_id: str,
        address: str,
        leaf_id: str | None,
        ranked: Comparison,
        action: Action,
    ) -> None:
        """Go on with the best answer, unless the chat went on with another one already."""
        shown = leaf_id
        if leaf_id in ranked.answer_ids:
            best = action.to_ranking(owner_id).groups[0]
            shown = leaf_id if leaf_id in best else best[0]
        if shown:
            await self._archive.show_version(owner_id, address, shown)
