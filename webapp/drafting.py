"""How a request becomes the draft of a turn: what it follows, and by what it is to be answered."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from chat.errors import InvalidRequest
from chat.text import clean_text
from chat.types import Message, Thread, ThreadMessage
from moderation.text.language import detect_language
from webapp.history import without_refused_turns
from webapp.memory import Memory
from webapp.personas import Personas, render_prompt
from webapp.turn import ChatRequest, Draft, MessagesRequest, answer_id_of

MOST_INSTRUCTIONS = 4_000


class Drafting:
    """Reads requests, and from the store what they don't say themselves."""

    def __init__(self, memory: Memory, personas: Personas, model: str):
        """`model` is the name that personas may call themselves."""
        self._memory = memory
        self._personas = personas
        self._model = model

    async def draft(self, request: ChatRequest) -> Draft:
        """Find what the question belongs to, and what is known about how to answer it."""
        branch, question = await self._locate(request)
        draft = Draft(
            owner_id=request.owner_id,
            conversation_id=request.conversation_id
            or self._memory.new_id(temporary=request.is_temporary),
            parent_id=branch[-1].stored.id if branch else None,
            question=question,
            config=request.config,
            locale=request.locale,
            persona=request.persona,
            instructions=_read_instructions(request.instructions),
            history=branch,
            earlier=without_refused_turns([message.stored for message in branch]),
        )
        if request.regenerates:
            draft.question_id = request.regenerates
        if request.persona:
            await self._take_on(draft, request.persona)
        return draft

    async def _locate(self, request: ChatRequest) -> tuple[tuple[ThreadMessage, ...], Message]:
        """Return the branch that the question follows, and the question."""
        earlier_id = request.regenerates or request.replaces
        if request.conversation_id is None:
            return (), _read_question(request.text)
        question = None if request.regenerates else _read_question(request.text)
        thread = await self._read_thread(
            request.owner_id, request.conversation_id, earlier_id or request.follows
        )
        if earlier_id is None:
            assert question is not None
            return thread.messages, question
        *before, earlier = thread.messages
        if earlier.stored.message.role != "user":
            raise InvalidRequest(
                f"The message {earlier_id[:64]!r} is an answer; name the question before it.",
                param="messages",
            )
        return tuple(before), question or earlier.stored.message

    async def _take_on(self, draft: Draft, persona_id: str) -> None:
        """Let the draft be answered as a persona: by its system prompt, under its policy."""
        persona = await self._personas.read(persona_id)
        language = detect_language(draft.question.content, hint=draft.locale)
        draft.policy = persona.policy
        draft.persona_prompt = render_prompt(
            persona, model=self._model, language=language, today=datetime.now(UTC).date()
        )

    def draft_sent(
        self, request: MessagesRequest, number: int = 0, first: Draft | None = None
    ) -> Draft:
        messages = tuple(Message(m.role, clean_text(m.content).strip()) for m in request.messages)
        if not messages or messages[-1].role != "user":
            raise InvalidRequest("The last of the messages must be the user's.", param="messages")
        *earlier, last = messages
        seed = request.config.seed
        draft = Draft(
            owner_id=request.owner_id,
            conversation_id="",
            parent_id=None,
            question=_read_question(last.content),
            config=replace(request.config, seed=None if seed is None else seed + number),
            locale=request.locale,
            sent=tuple(earlier),
        )
        if first is not None:
            draft.question_id = first.question_id
            draft.answer_id = answer_id_of(first.answer_id, number)
        return draft

    async def _read_thread(
        self, owner_id: str, conversation_id: str, leaf_id: str | None = None
    ) -> Thread:
        return await asyncio.to_thread(
            self._memory.of(conversation_id).read_thread,
            owner_id,
            conversation_id,
            annotator_id=owner_id,
            leaf_id=leaf_id,
        )


def _read_question(text: str) -> Message:
    question = clean_text(text).strip()
    if not question:
        raise InvalidRequest("The message is empty; please write something.", param="messages")
    return Message("user", question)


def _read_instructions(text: str) -> str:
    instructions = clean_text(text).strip()
    if len(instructions) > MOST_INSTRUCTIONS:
        raise InvalidRequest(
            f"The instructions have {len(instructions):,} characters; allowed are "
            f"{MOST_INSTRUCTIONS:,}.",
            param="instructions",
        )
    return instructions
