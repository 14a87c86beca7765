"""One turn of chat, from the question to its place in the store: the job that Palaver does.

The only module that knows what inference, moderation and storage do for one another.
"""

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress

from chat.errors import EngineError, InvalidRequest, NotFound, PalaverError, QueueFull
from chat.text import clean_text
from chat.types import Conversation, GenerationConfig, Message, StoredMessage, Turn, Usage
from inference.backend import Backend, GenerationFinished, Queued, TextPiece
from moderation.base import ModerationContext
from moderation.chain import Chain
from moderation.language import detect_language
from moderation.policy import Decision
from moderation.stream import Mode, OutputGate
from moderation.templates import answer_for
from storage.store import Store
from webapp.history import (
    conversation_id_of,
    match_path,
    title_of,
    without_refused_turns,
    without_turns,
)
from webapp.turn import (
    Answering,
    ChatRequest,
    Draft,
    MessagesRequest,
    TextDelta,
    TurnEvent,
    TurnFinished,
    Waiting,
)

log = logging.getLogger(__name__)
JUDGED_AT_ONCE = 8


class ChatService:
    """Answers questions: moderation in, engine, moderation out, store."""

    def __init__(self, backend: Backend, chain: Chain, store: Store, *, gate_mode: Mode = "window"):
        self._backend = backend
        self._chain = chain
        self._store = store
        self._gate_mode = gate_mode
        self._drafts: list[Draft] = []

    @property
    def model(self) -> str:
        """The name of the model that answers."""
        return self._backend.model

    @property
    def provider(self) -> str:
        """The execution provider that the model really runs on."""
        return self._backend.provider

    @property
    def context_length(self) -> int:
        """How many tokens the model can read and write in one turn."""
        return self._backend.context_length

    @property
    def default_config(self) -> GenerationConfig:
        """The sampling that the model's makers recommend."""
        return self._backend.default_config

    def health(self) -> Mapping[str, object]:
        """Return what an operator wants to know of the parts: engine, moderators, store."""
        engine = dict(self._backend.stats())
        storage = dict(self._store.check())
        is_up = bool(engine["is_alive"] and storage["ok"])
        return {
            "status": "ok" if is_up else "degraded",
            "model": self._backend.model,
            "provider": self._backend.provider,
            "context_length": self._backend.context_length,
            "engine": engine,
            "moderators": self._chain.health(),
            "policy_version": self._chain.policy.version,
            "storage": storage,
        }

    async def list_conversations(self, owner_id: str, *, limit: int = 50) -> list[Conversation]:
        """Return the owner's conversations, the latest first."""
        return await asyncio.to_thread(self._store.list_conversations, owner_id, limit=limit)

    async def read_conversation(self, owner_id: str, conversation_id: str) -> list[StoredMessage]:
        """Return the messages of a conversation from the first to the last.

        Raises:
            NotFound: there is no such conversation, or it is somebody else's.
        """
        return await asyncio.to_thread(self._store.read_branch, owner_id, conversation_id)

    async def settle(self, conversation_id: str | None = None, *, timeout_s: float = 5.0) -> None:
        """Wait until the turns under way (of one conversation) have been stored."""
        drafts = [d for d in self._drafts if conversation_id in (None, d.conversation_id)]
        if drafts:
            stored = asyncio.gather(*(draft.is_stored.wait() for draft in drafts))
            with suppress(TimeoutError):
                await asyncio.wait_for(stored, timeout_s)

    async def reply(self, request: ChatRequest) -> AsyncGenerator[TurnEvent, None]:
        """Answer a question of the page; closing the generator cancels the answer.

        Raises:
            InvalidRequest: the question is empty or too long, or the one before it is still
                being answered.
            NotFound: the conversation isn't there, or is somebody else's.
            Unavailable: the queue is full, the model failed, or the store can't be written.
        """
        question = _read_question(request.text)
        history: list[StoredMessage] = []
        if request.conversation_id:
            history = await self.read_conversation(request.owner_id, request.conversation_id)
            self._check_idle(request.conversation_id)
        draft = Draft(
            owner_id=request.owner_id,
            conversation_id=request.conversation_id or uuid.uuid4().hex,
            parent_id=history[-1].id if history else None,
            question=question,
            config=request.config,
            locale=request.locale,
            history=tuple(history),
            earlier=without_refused_turns(history),
        )
        async with aclosing(self._run(draft)) as events:
            async for event in events:
                yield event

    async def complete(self, request: MessagesRequest) -> AsyncGenerator[TurnEvent, None]:
        """Answer the last of `request.messages`; the others are its history, as given.

        Raises: as `reply`.
        """
        messages = tuple(Message(m.role, clean_text(m.content).strip()) for m in request.messages)
        if not messages or messages[-1].role != "user":
            raise InvalidRequest("The last of the messages must be the user's.", param="messages")
        *earlier, last = messages
        draft = Draft(
            owner_id=request.owner_id,
            conversation_id="",
            parent_id=None,
            question=_read_question(last.content),
            config=request.config,
            locale=request.locale,
            sent=tuple(earlier),
        )
        async with aclosing(self._run(draft)) as events:
            async for event in events:
                yield event

    def _check_idle(self, conversation_id: str) -> None:
        if any(draft.conversation_id == conversation_id for draft in self._drafts):
            raise InvalidRequest(
                "This chat is still being answered; wait for the answer, or stop it.",
                param="messages",
                code="conversation_busy",
            )

    async def _run(self, draft: Draft) -> AsyncGenerator[TurnEvent, None]:
        """Carry a turn from its question to the store, whatever happens on the way."""
        self._drafts.append(draft)
        judging = asyncio.create_task(self._judge(draft))
        try:
            # A conversation that was sent has no place before it is judged.
            if draft.sent is None:
                yield draft.started
            decision = await asyncio.shield(judging)
            if draft.sent is not None:
                yield draft.started
            if decision.is_refused:
                self._refuse(draft, decision)
                yield TextDelta(draft.answer)
            else:
                async with aclosing(self._answer(draft)) as events:
                    async for event in events:
                        yield event
        except (QueueFull, InvalidRequest):
            # Turned away at the door: there was no turn, and the same words may be sent again.
            draft.is_admitted = False
            raise
        except PalaverError:
            draft.finish_reason = "error"
            raise
        except Exception as error:
            draft.finish_reason = "error"
            log.exception("a turn failed")
            raise EngineError("The answer failed; please try again.") from error
        finally:
            # A reader who leaves can't stop this: it goes on even if nobody waits for it.
            turn = await asyncio.shield(asyncio.create_task(self._finish(draft, judging)))
        yield TurnFinished(turn)

    async def _finish(self, draft: Draft, judging: "asyncio.Task[Decision]") -> Turn:
        """Store the turn, once its question is judged: what is stored was redacted."""
        try:
            await asyncio.wait({judging})
            turn = draft.finish(self.model)
            if judging.exception() is None and draft.is_admitted:
                await self._remember(draft, turn)
            return turn
        finally:
            self._drafts.remove(draft)
            draft.is_stored.set()

    async def _judge(self, draft: Draft) -> Decision:
        """Moderate the question, and all that was sent with it; find its place in the store."""
        if draft.sent is None:
            context = ModerationContext(
                (*draft.earlier, draft.question), "input", locale=draft.locale
            )
            decision = await self._chain.check(context)
            draft.question = Message("user", decision.apply(draft.question.content))
        else:
            decision = await self._judge_sent(draft, (*draft.sent, draft.question))
            await self._place(draft)
        draft.verdicts = decision.verdicts
        return decision

    async def _judge_sent(self, draft: Draft, messages: tuple[Message, ...]) -> Decision:
        """Moderate a whole conversation, a few messages at a time so that others get their turn.

        The last message decides, or a system message that is refused. An earlier turn that is
        refused is kept from the model, as it is on the page.
        """
        decisions: list[Decision] = []
        for start in range(0, len(messages), JUDGED_AT_ONCE):
            ends = range(start + 1, min(start + JUDGED_AT_ONCE, len(messages)) + 1)
            contexts = (ModerationContext(messages[:e], "input", locale=draft.locale) for e in ends)
            decisions += await asyncio.gather(*(self._chain.check(context) for context in contexts))
        *sent, draft.question = (
            Message(message.role, decision.apply(message.content))
            for message, decision in zip(messages, decisions, strict=True)
        )
        draft.sent = tuple(sent)
        draft.earlier = without_turns(sent, [decision.is_refused for decision in decisions[:-1]])
        refused_system = (
            decision
            for message, decision in zip(messages, decisions, strict=True)
            if message.role == "system" and decision.is_refused
        )
        return next(refused_system, decisions[-1])

    async def _place(self, draft: Draft) -> None:
        """Find where the conversation that a client sent continues the one in the store."""
        assert draft.sent is not None
        draft.conversation_id = conversation_id_of(draft.owner_id, (*draft.sent, draft.question))
        known: list[StoredMessage] = []
        if draft.sent:
            with suppress(NotFound):  # a conversation that the store hasn't seen yet
                known = await asyncio.to_thread(
                    self._store.read_tree, draft.owner_id, draft.conversation_id
                )
        draft.parent_id, draft.missing = match_path(known, draft.sent)

    async def _answer(self, draft: Draft) -> AsyncGenerator[TurnEvent, None]:
        """Let the model write, and pass on what the moderators let pass."""
        prompt = (*draft.earlier, draft.question)
        ending: GenerationFinished | None = None
        gate = OutputGate(self._chain, prompt, mode=self._gate_mode, locale=draft.locale)
        try:
            async with aclosing(self._backend.generate(prompt, draft.config)) as events:
                async for event in events:
                    match event:
                        case Queued(position):
                            yield Waiting(position)
                        case TextPiece(text, num_tokens):
                            if not draft.usage.completion_tokens:
                                yield Answering()
                            draft.usage = _count(draft.usage, num_tokens)
                            if released := await gate.feed(text):
                                yield TextDelta(released)
                        case GenerationFinished():
                            ending = event
                    if gate.decision.is_refused:
                        break
            if released := await gate.finish():
                yield TextDelta(released)
            # Only now: a reader who left while the end was judged hasn't seen it.
            if ending is not None:
                _note(draft, ending)
        finally:
            draft.answer = gate.released
            draft.verdicts += gate.verdicts
            if gate.decision.is_refused:
                self._refuse(draft, gate.decision)
        if draft.finish_reason == "error":
            raise EngineError("The model failed in the middle of the answer; please try again.")

    def _refuse(self, draft: Draft, decision: Decision) -> None:
        language = detect_language(draft.question.content, hint=draft.locale)
        draft.answer = answer_for(decision.category, language)
        draft.finish_reason = "content_filter"

    async def _remember(self, draft: Draft, turn: Turn) -> None:
        opening = (*(draft.sent or ()), draft.question)
        await asyncio.to_thread(
            self._store.record_turn,
            draft.owner_id,
            turn,
            title=title_of(next(m.content for m in opening if m.role == "user")),
            history=draft.missing,
        )
        log.info(
            "turn %s finished=%s prompt_tokens=%d completion_tokens=%d first_ms=%.0f total_ms=%.0f",
            turn.answer_id,
            turn.finish_reason,
            turn.usage.prompt_tokens,
            turn.usage.completion_tokens,
            turn.timings.first_token_ms,
            turn.timings.total_ms,
        )


def _read_question(text: str) -> Message:
    question = clean_text(text).strip()
    if not question:
        raise InvalidRequest("The message is empty; please write something.", param="messages")
    return Message("user", question)


def _count(usage: Usage, num_tokens: int) -> Usage:
    return Usage(usage.prompt_tokens, usage.completion_tokens + num_tokens)


def _note(draft: Draft, event: GenerationFinished) -> None:
    draft.finish_reason = event.finish_reason
    draft.usage = event.usage
    draft.num_dropped = event.num_dropped
    draft.queued_ms = event.queued_ms
    draft.first_token_ms = event.first_token_ms
