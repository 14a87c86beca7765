"""What is left of a turn when it is over: verdicts, redacted texts, its place in the store."""

import asyncio
import logging

from chat.errors import NotFound
from chat.types import Message, Turn
from moderation.base import ModerationContext
from moderation.chain import Chain
from moderation.decision import settle
from moderation.policy import Decision
from moderation.stream import OutputGate
from webapp.history import title_of
from webapp.judgement import place_findings
from webapp.memory import Memory, is_temporary, word_on_training
from webapp.turn import Draft
from webapp.underway import Underway

log = logging.getLogger(__name__)

# Moderators in shadow may finish what they are at: all that is shown is shown by then.
_PATIENCE_S = 0.25


class Recorder:
    """Stores turns, whatever became of them."""

    def __init__(self, memory: Memory, underway: Underway, model: str):
        """Store in `memory` what `model` has answered, and take it off the list `underway`."""
        self._memory = memory
        self._underway = underway
        self._model = model

    async def finish(
        self,
        draft: Draft,
        chain: Chain,
        judging: "asyncio.Task[Decision]",
        gate: OutputGate | None,
    ) -> Turn:
        """Store a turn, once its question is judged: what is stored was redacted.

        `gate` is what the answer passed, if there was one.
        """
        try:
            await asyncio.wait({judging})
            is_judged = judging.exception() is None
            if gate is not None:
                await gate.settle(_PATIENCE_S)
                draft.verdicts += gate.verdicts
            if draft.refused:
                await _redact(draft, chain)
            if is_judged:
                await settle(judging.result().pending, _PATIENCE_S)
                draft.verdicts += judging.result().late_verdicts()
            turn = place_findings(draft.finish(self._model))
            if is_judged and draft.is_admitted:
                draft.is_storing = True
                await self._remember(draft, turn)
            return turn
        finally:
            self._underway.remove(draft)
            draft.is_stored.set()

    async def _remember(self, draft: Draft, turn: Turn) -> None:
        opening = (*(draft.sent or ()), draft.question)
        title = title_of(next(m.content for m in opening if m.role == "user"))
        await asyncio.to_thread(self._write, draft, turn, title)
        log.info(
            "turn %s finished=%s prompt_tokens=%d completion_tokens=%d first_ms=%.0f total_ms=%.0f",
            turn.answer_id,
            turn.finish_reason,
            turn.usage.prompt_tokens,
            turn.usage.completion_tokens,
            turn.timings.first_token_ms,
            turn.timings.total_ms,
        )

    def _write(self, draft: Draft, turn: Turn, title: str) -> None:
        owner_id = draft.owner_id
        try:
            self._record(owner_id, draft, turn, title)
        except NotFound:
            if draft.owner_id == owner_id:
                raise
            # Who asked has signed in meanwhile, and all of theirs was moved.
            self._record(draft.owner_id, draft, turn, title)

    def _record(self, owner_id: str, draft: Draft, turn: Turn, title: str) -> None:
        word = draft.training_consent
        store = self._memory.of(turn.conversation_id)
        store.record_turn(
            owner_id,
            turn,
            title=title,
            history=draft.missing,
            consent=None if word is None else word_on_training(word),
        )
        if is_temporary(turn.conversation_id):
            self._memory.count_temporary_turn()


async def _redact(draft: Draft, chain: Chain) -> None:
    """Redact all of a refused answer: the stream was left where it was refused, and some may not
    have been asked about it. If one of those who redact fails, nothing of the answer is kept."""
    messages = (*draft.prompt, Message("assistant", draft.refused))
    context = ModerationContext(messages, "output", locale=draft.locale)
    decision = await chain.redact_refused(context, await chain.check(context))
    known = {verdict.moderator for verdict in draft.verdicts if verdict.stage == "output"}
    draft.verdicts += tuple(v for v in decision.verdicts if v.moderator not in known)
    failed = {verdict.moderator for verdict in decision.verdicts if verdict.outcome == "error"}
    draft.refused = "" if chain.may_redact("output", failed) else decision.apply(draft.refused)
