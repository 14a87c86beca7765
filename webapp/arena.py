"""Answers side by side: which are drawn, when they are asked for, and what comes of them."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass, replace
from random import Random

from chat.errors import InvalidRequest, NotFound
from chat.types import Comparison, FinishReason, GenerationConfig, Turn
from preferences.draws import (
    Draw,
    Source,
    draw_sources,
    drop_identical,
    is_asked,
    shuffle_answers,
)
from webapp.memory import Memory, is_temporary
from webapp.service import ChatService
from webapp.turn import ChatRequest, Contender, TurnEvent, TurnFinished

SEEDS = 2**64
# An answer that somebody can judge is one that the model has ended.
_GOOD: tuple[FinishReason, ...] = ("stop", "length")


@dataclass(frozen=True, slots=True)
class Habits:
    """How often answers are compared without being asked to, and how many of them.

    ``rate`` is a share of the questions; nobody is asked while more than ``longest_queue`` wait.
    """

    rate: float = 0.0
    num_answers: int = 2
    longest_queue: int = 0


@dataclass(frozen=True, slots=True)
class ComparisonFinished:
    """All answers are over. ``comparison`` is None where fewer than two can be told apart;
    ``shown`` is the answer on display."""

    shown: Turn
    comparison: Comparison | None


ArenaEvent = TurnEvent | ComparisonFinished


class Arena:
    """Has a question answered by several, blind, and remembers what was shown and why."""

    def __init__(
        self, service: ChatService, memory: Memory, habits: Habits, rng: Random | None = None
    ):
        """Ask `service` as `habits` say, and record in `memory`; `rng` is what chance comes from.

        Without one, chance is the operating system's.
        """
        self._service = service
        self._memory = memory
        self._habits = habits
        self._rng = rng or Random()

    @property
    def num_answers(self) -> int:
        """How many answers are written side by side."""
        return self._habits.num_answers

    def is_asked(self) -> bool:
        """Say by chance whether the next question is to be answered several times."""
        waiting = self._service.num_waiting
        return is_asked(self._habits.rate, waiting, self._habits.longest_queue, self._rng)

    async def compare(
        self, request: ChatRequest, *, is_wanted: bool = True
    ) -> AsyncGenerator[tuple[int, ArenaEvent], None]:
        """Answer a question several times, each event with the place in which it is shown.

        The last event is a ComparisonFinished. `is_wanted`: the reader asked for it, not chance.

        Raises: as `ChatService.reply`; also InvalidRequest in a temporary chat.
        """
        if request.is_temporary or is_temporary(request.conversation_id or ""):
            raise InvalidRequest(
                "Answers can't be compared in a temporary chat, of which nothing is kept; begin "
                "another chat."
            )
        pool = self._pool(request.config)
        draw = draw_sources(pool, self._habits.num_answers, self._rng)
        contenders = self._make_contenders(draw, request.config)
        shown = shuffle_answers([each.answer_id for each in contenders], self._rng)
        turns: dict[str, Turn] = {}
        async with aclosing(self._service.compare(request, contenders)) as events:
            async for number, event in events:
                answer_id = contenders[number].answer_id
                if isinstance(event, TurnFinished):
                    turns[answer_id] = event.turn
                yield shown.index(answer_id), event
        record = {"sources": [asdict(source) for source in pool], "is_wanted": is_wanted}
        if not is_wanted:
            record["rate"] = self._habits.rate
        # Where nothing is to be compared, the first contender's is what is stored for sure.
        spare = next(turns[each.answer_id] for each in contenders if each.answer_id in turns)
        ended = [turns[answer_id] for answer_id in shown if answer_id in turns]
        finished = await self._conclude(request.owner_id, draw, ended, spare, record)
        yield shown.index(finished.shown.answer_id), finished

    async def note_regenerated(
        self, owner_id: str, conversation_id: str, old_id: str, turn: Turn
    ) -> None:
        """Remember that somebody asked for another answer than `old_id`: a hint, never a vote."""
        if is_temporary(conversation_id) or turn.finish_reason not in _GOOD:
            return
        answer_ids = (old_id, turn.answer_id)
        comparison = Comparison(
            uuid.uuid4().hex, conversation_id, turn.question_id, answer_ids, "regenerate"
        )
        # The page may name any message as the old answer, and the chat may be gone.
        with suppress(NotFound, InvalidRequest):
            await asyncio.to_thread(self._memory.store.record_comparison, owner_id, comparison)

    def _pool(self, config: GenerationConfig) -> list[Source]:
        """Return who could answer: each model, at the settings of who asks."""
        settings = {
            "temperature": config.temperature,
            "top_p": config.top_p,
            "top_k": config.top_k,
            "min_p": config.min_p,
            "repetition_penalty": config.repetition_penalty,
            "max_new_tokens": config.max_new_tokens,
        }
        return [Source(model, settings) for model in self._service.models]

    def _make_contenders(self, draw: Draw, config: GenerationConfig) -> list[Contender]:
        """Return who answers; the chat's own model first, which is known to take the question."""
        models = sorted(
            (source.model for source in draw.sources), key=lambda m: m != self._service.model
        )
        seed = config.seed
        return [
            Contender(
                uuid.uuid4().hex,
                model,
                replace(config, seed=None if seed is None else _move_seed(seed, number)),
            )
            for number, model in enumerate(models)
        ]

    async def _conclude(
        self,
        owner_id: str,
        draw: Draw,
        turns: Sequence[Turn],
        spare: Turn,
        record: Mapping[str, object],
    ) -> ComparisonFinished:
        """Record what is to be ranked, and put the first good answer on display."""
        good = [t for t in turns if t.finish_reason in _GOOD and t.answer.content.strip()]
        kept = [good[place] for place in drop_identical([t.answer.content for t in good])]
        shown = kept[0] if kept else spare
        comparison: Comparison | None = None
        if len(kept) > 1:
            comparison = Comparison(
                uuid.uuid4().hex,
                shown.conversation_id,
                shown.question_id,
                tuple(turn.answer_id for turn in kept),
                draw.method,
                draw.probability,
                draw={
                    **record,
                    "num_failed": len(draw.sources) - len(good),
                    "num_identical": len(good) - len(kept),
                },
            )
        return await asyncio.to_thread(self._store, owner_id, shown, comparison)

    def _store(
        self, owner_id: str, shown: Turn, comparison: Comparison | None
    ) -> ComparisonFinished:
        store = self._memory.store
        try:
            if comparison is not None:
                store.record_comparison(owner_id, comparison)
            store.select_message(owner_id, shown.conversation_id, shown.answer_id)
        except NotFound:  # deleted meanwhile, or somebody else's: who asked has signed in
            comparison = None
        return ComparisonFinished(shown, comparison)


def _move_seed(seed: int, number: int) -> int:
    """Return another seed for answer `number`, within what a seed may be."""
    moved = seed + number
    return moved if moved < SEEDS else moved - SEEDS
