"""One turn of chat, from the question to its place in the store: the job that Palaver does.

With its parts `drafting`, `intake`, `recording` and `memory` the only place that knows what
inference, moderation and storage do for one another.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from chat.errors import EngineError, InvalidRequest, PalaverError, QueueFull
from chat.text import clean_text
from chat.types import GenerationConfig, Message, Usage
from inference.backend import Backend, GenerationFinished, Queued, TextPiece
from moderation.base import ModerationContext
from moderation.categories import find_uncovered
from moderation.chain import Chain
from moderation.policy import Decision
from moderation.stream import Mode, OutputGate
from moderation.templates import answer_for
from moderation.text.language import detect_language
from webapp.answers import follow, merge
from webapp.drafting import Drafting
from webapp.guard import Guard
from webapp.intake import Intake
from webapp.judgement import Judgement, to_judgement
from webapp.memory import Memory
from webapp.pace import Pace
from webapp.personas import Personas
from webapp.recording import Recorder
from webapp.turn import (
    Answering,
    ChatRequest,
    Contender,
    Draft,
    MessagesRequest,
    TextDelta,
    TurnEvent,
    TurnFinished,
    Waiting,
)
from webapp.underway import Underway

log = logging.getLogger(__name__)


class ChatService:
    """Answers questions: moderation in, engine, moderation out, store."""

    def __init__(
        self,
        backend: Backend,
        guard: Guard,
        memory: Memory,
        personas: Personas,
        underway: Underway,
        *,
        gate_mode: Mode = "window",
        rivals: Sequence[Backend] = (),
    ):
        """Answer by `backend`.

        Args:
            backend: the model.
            guard: the moderators and the policies.
            memory: where the chats are.
            personas: those that a question may name.
            underway: where the turns are listed until they are stored.
            gate_mode: see `OutputGate`.
            rivals: further models, which answer beside it where answers are compared.
        """
        self._backend = backend
        self._backends = {each.model: each for each in (*rivals, backend)}
        self._memory = memory
        self._drafting = Drafting(memory, personas, backend.model)
        self._intake = Intake(memory)
        self._guard = guard
        self._gate_mode = gate_mode
        self._pace = Pace()
        self._underway = underway
        self._recorder = Recorder(memory, underway, backend.model)

    @property
    def model(self) -> str:
        """The name of the model that answers."""
        return self._backend.model

    @property
    def models(self) -> tuple[str, ...]:
        """The names of all models that can be compared, the one of the chat first."""
        return (self.model, *(name for name in self._backends if name != self.model))

    @property
    def num_waiting(self) -> int:
        """How many questions wait in line, with all models."""
        counts = (each.stats().get("num_waiting", 0) for each in self._backends.values())
        return sum(count for count in counts if isinstance(count, int))

    @property
    def provider(self) -> str:
        """The execution provider that the model really runs on."""
        return self._backend.provider

    @property
    def context_length(self) -> int:
        """How many tokens the model can read and write in one turn."""
        return self._backend.context_length

    @property
    def policy_name(self) -> str:
        """The name of the operator's policy."""
        return self._guard.policy.name

    @property
    def default_config(self) -> GenerationConfig:
        """The sampling that the model's makers recommend."""
        return self._backend.default_config

    def health(self) -> Mapping[str, object]:
        """Return what is in use and how it does: ok, or degraded with the part that failed."""
        engine = self._backend.stats()
        storage = self._memory.store.check()
        is_up = bool(engine["is_alive"] and storage["ok"])
        chain = self._guard.chain()
        return {
            "status": "ok" if is_up else "degraded",
            "model": self._backend.model,
            "provider": self._backend.provider,
            "context_length": self._backend.context_length,
            "engine": engine,
            "moderation": self._guard.health(),
            "moderators": chain.health(),
            "uncovered_categories": find_uncovered(chain.categories("input")),
            "policy_version": chain.policy.version,
            "storage": storage,
        }

    async def moderate(self, texts: Sequence[str], *, locale: str = "") -> list[Judgement]:
        """Judge texts as the chat judges a program's questions; nothing is stored."""
        chain = self._guard.chain(audience="api")
        messages = ((Message("user", clean_text(text)),) for text in texts)
        contexts = [ModerationContext(each, "input", locale=locale) for each in messages]
        decisions = await chain.check_many(contexts)
        return [to_judgement(decision, chain.policy) for decision in decisions]

    async def reply(self, request: ChatRequest) -> AsyncGenerator[TurnEvent, None]:
        """Answer a question of the page; closing the generator cancels the answer.

        Raises:
            InvalidRequest: the question is empty or too long, or the one before it is still
                being answered.
            NotFound: the conversation, the question or the persona isn't there, or is somebody
                else's.
            Unavailable: the queue is full, the model failed, or the store can't be written.
        """
        draft = await self._drafting.draft(request)
        self._check_idle(draft.conversation_id)
        chain = self._guard.chain(draft.policy, request.audience)
        judging = asyncio.create_task(self._intake.judge(draft, chain))
        async with aclosing(self._run(draft, chain, judging)) as events:
            async for event in events:
                yield event

    async def complete(
        self, request: MessagesRequest, *, num_answers: int = 1
    ) -> AsyncGenerator[tuple[int, TurnEvent], None]:
        """Answer the last of `request.messages`; the others are its history, as given.

        Several answers to the one question are written side by side; each event comes with the
        number of its answer, from 0. With a seed, each answer has its own: the next number.

        Raises: as `reply`. What one answer raises ends all.
        """
        first = self._drafting.draft_sent(request)
        others = [
            self._drafting.draft_sent(request, number, first) for number in range(1, num_answers)
        ]
        chain = self._guard.chain(first.policy, "api")
        async with aclosing(self._answer_all([first, *others], chain)) as events:
            async for numbered in events:
                yield numbered

    async def compare(
        self, request: ChatRequest, contenders: Sequence[Contender]
    ) -> AsyncGenerator[tuple[int, TurnEvent], None]:
        """Answer a question of the page by several `contenders`, side by side.

        The question is judged once, each answer by itself; each event comes with the number of its
        contender. One that fails leaves the others alone.

        Raises: as `reply`, if none can answer or the first is turned away.
        """
        drafted = await self._drafting.draft(request)
        self._check_idle(drafted.conversation_id)
        chain = self._guard.chain(drafted.policy, request.audience)
        drafts = [drafted.beside(contender) for contender in contenders]
        async with aclosing(self._answer_all(drafts, chain, may_fail=True)) as events:
            async for numbered in events:
                yield numbered

    def _answer_all(
        self, drafts: Sequence[Draft], chain: Chain, *, may_fail: bool = False
    ) -> AsyncGenerator[tuple[int, TurnEvent], None]:
        """Carry several answers to one question to the store; the question is judged once."""
        first, *others = drafts
        judging = asyncio.create_task(self._intake.judge(first, chain))
        runs = [self._run(first, chain, judging)]
        for draft in others:
            following = asyncio.create_task(_follow(draft, first, judging, is_spare=may_fail))
            runs.append(self._run(draft, chain, following))
        return merge(runs, drafts, may_fail=may_fail)

    def _check_idle(self, conversation_id: str) -> None:
        if self._underway.of_chat(conversation_id):
            raise InvalidRequest(
                "This chat is still being answered; wait for the answer, or stop it.",
                param="messages",
                code="conversation_busy",
            )

    async def _run(
        self, draft: Draft, chain: Chain, judging: "asyncio.Task[Decision]"
    ) -> AsyncGenerator[TurnEvent, None]:
        """Carry a turn from its question to the store, whatever happens on the way."""
        self._underway.add(draft)
        gate: OutputGate | None = None
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
                mode = self._gate_mode
                gate = OutputGate(chain, draft.prompt, mode=mode, locale=draft.locale)
                async with aclosing(self._answer(draft, gate)) as events:
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
            finishing = self._recorder.finish(draft, chain, judging, gate)
            turn = await asyncio.shield(asyncio.create_task(finishing))
        yield TurnFinished(turn)

    async def _answer(self, draft: Draft, gate: OutputGate) -> AsyncGenerator[TurnEvent, None]:
        """Let the model write, and pass on what the moderators let pass."""
        ending: GenerationFinished | None = None
        written: list[str] = []
        try:
            backend = self._backends[draft.model or self.model]
            async with aclosing(backend.generate(draft.prompt, draft.config)) as events:
                async for event in events:
                    match event:
                        case Queued(position):
                            yield Waiting(position, self._wait_s(position))
                        case TextPiece(text, num_tokens):
                            written.append(text)
                            if not draft.first_text_s:
                                draft.first_text_s = time.monotonic()
                                yield Answering()
                            draft.usage = _count(draft.usage, num_tokens)
                            if released := await gate.feed(text):
                                yield TextDelta(released, draft.tokens_per_s)
                        case GenerationFinished():
                            ending = event
                    if gate.decision.is_refused:
                        break
            if released := await gate.finish():
                yield TextDelta(released)
            # Only now: a reader who left while the end was judged hasn't seen it.
            if ending is not None:
                _note(draft, ending)
                if draft.first_text_s:
                    self._pace.record(time.monotonic() - draft.first_text_s)
        finally:
            draft.answer = gate.released
            if gate.decision.is_refused:
                draft.refused = "".join(written)
                self._refuse(draft, gate.decision)
            await gate.close()
        if draft.finish_reason == "error":
            raise EngineError("The model failed in the middle of the answer; please try again.")

    def _refuse(self, draft: Draft, decision: Decision) -> None:
        language = detect_language(draft.question.content, hint=draft.locale)
        draft.answer = answer_for(decision.category, language)
        draft.finish_reason = "content_filter"

    def _wait_s(self, position: int) -> float:
        max_running = self._backend.stats().get("max_running", 1)
        return self._pace.wait_s(position, max_running if isinstance(max_running, int) else 1)


async def _follow(
    draft: Draft, first: Draft, judging: "asyncio.Task[Decision]", *, is_spare: bool
) -> Decision:
    """Wait for the decision on the question of the first, whose record has all of it.

    If it is refused, a draft that `is_spare` has nothing to add, and isn't stored.
    """
    decision = await follow(draft, first, judging)
    if is_spare and decision.is_refused:
        draft.is_admitted = False
    return replace(decision, pending=())


def _count(usage: Usage, num_tokens: int) -> Usage:
    return Usage(usage.prompt_tokens, usage.completion_tokens + num_tokens)


def _note(draft: Draft, event: GenerationFinished) -> None:
    draft.finish_reason = event.finish_reason
    draft.usage = event.usage
    draft.num_dropped = event.num_dropped
    draft.queued_ms = event.queued_ms
    draft.first_token_ms = event.first_token_ms
