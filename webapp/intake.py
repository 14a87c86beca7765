"""What a question passes before the model sees it: the moderators, and its place in the store."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

from chat.errors import NotFound
from chat.types import Message, StoredMessage
from moderation.base import ModerationContext
from moderation.chain import Chain
from moderation.policy import Decision
from webapp.history import conversation_id_of, match_path, without_turns
from webapp.judgement import with_instructions
from webapp.memory import Memory
from webapp.turn import Draft

JUDGED_AT_ONCE = 8


class Intake:
    """Judges what is asked, redacts it, and finds where in the store it belongs."""

    def __init__(self, memory: Memory):
        self._memory = memory

    async def judge(self, draft: Draft, chain: Chain) -> Decision:
        """Moderate the question, and all that was sent with it; find its place in the store."""
        if draft.sent is None:
            decision = await self._judge_asked(draft, chain)
        else:
            decision = await self._judge_sent(draft, (*draft.sent, draft.question), chain)
            await self._place(draft)
        draft.verdicts = decision.verdicts
        return decision

    async def _judge_asked(self, draft: Draft, chain: Chain) -> Decision:
        """Moderate a question of the page, and the instructions that its asker gave."""
        told: list[Decision] = []
        if draft.instructions:
            messages = (Message("system", draft.instructions),)
            told = await _judge([ModerationContext(messages, "input", locale=draft.locale)], chain)
            draft.instructions = told[0].apply(draft.instructions)
        context = ModerationContext((*draft.earlier, draft.question), "input", locale=draft.locale)
        [decision] = await _judge([context], chain)
        draft.question = Message("user", decision.apply(draft.question.content))
        return with_instructions(decision, told)

    async def _judge_sent(
        self, draft: Draft, messages: tuple[Message, ...], chain: Chain
    ) -> Decision:
        """Moderate a whole conversation, a few messages at a time so that others get their turn.

        The last message decides, or a system message that is refused. An earlier turn that is
        refused is kept from the model, as it is on the page.
        """
        decisions: list[Decision] = []
        ends = range(0, len(messages) + JUDGED_AT_ONCE, JUDGED_AT_ONCE)
        for start, stop in pairwise(ends):
            contexts = [
                ModerationContext(messages[: end + 1], "input", locale=draft.locale)
                for end in range(start, min(stop, len(messages)))
            ]
            decisions += await _judge(contexts, chain)
        *sent, draft.question = (
            Message(message.role, decision.apply(message.content))
            for message, decision in zip(messages, decisions, strict=True)
        )
        draft.sent = tuple(sent)
        draft.earlier = without_turns(sent, [decision.is_refused for decision in decisions[:-1]])
        told = (
            decision
            for message, decision in zip(messages[:-1], decisions, strict=False)
            if message.role == "system"
        )
        return with_instructions(decisions[-1], told)

    async def _place(self, draft: Draft) -> None:
        """Find where the conversation that a client sent continues the one in the store."""
        assert draft.sent is not None
        draft.conversation_id = conversation_id_of(draft.owner_id, (*draft.sent, draft.question))
        known: list[StoredMessage] = []
        if draft.sent:
            with suppress(NotFound):  # a conversation that the store hasn't seen yet
                known = await asyncio.to_thread(
                    self._memory.store.read_tree, draft.owner_id, draft.conversation_id
                )
        draft.parent_id, draft.missing = match_path(known, draft.sent)


async def _judge(contexts: Sequence[ModerationContext], chain: Chain) -> list[Decision]:
    """Judge texts that are kept, even if they are refused."""
    decisions = await chain.check_many(contexts)
    return [
        await chain.redact_refused(context, decision)
        for context, decision in zip(contexts, decisions, strict=True)
    ]
