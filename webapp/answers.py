"""Several answers to one question, written side by side."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar

from chat.errors import InvalidRequest, QueueFull
from webapp.turn import Draft, TurnEvent

Decision = TypeVar("Decision")


async def follow(draft: Draft, first: Draft, judging: "asyncio.Task[Decision]") -> Decision:
    """Give `draft` the place of the one whose question it shares; that was judged once."""
    decision = await asyncio.shield(judging)
    draft.conversation_id, draft.parent_id = first.conversation_id, first.parent_id
    draft.question, draft.earlier = first.question, first.earlier
    draft.sent, draft.missing = first.sent, first.missing
    draft.instructions = first.instructions
    return decision


async def merge(
    runs: Sequence[AsyncGenerator[TurnEvent, None]],
    drafts: Sequence[Draft],
    *,
    may_fail: bool = False,
) -> AsyncGenerator[tuple[int, TurnEvent], None]:
    """Yield the events of all `runs` as they come, each with the number of its run.

    With `may_fail` a run that fails ends by itself, as long as another goes on or has ended well,
    and unless it is the first and was turned away: the record of the question is with it.
    """
    arrived: asyncio.Queue[tuple[int, TurnEvent | Exception | None]] = asyncio.Queue()

    async def pump(number: int, run: AsyncGenerator[TurnEvent, None]) -> None:
        ending: Exception | None = None
        try:
            async with aclosing(run) as events:
                async for event in events:
                    arrived.put_nowait((number, event))
        except Exception as error:
            ending = error
        arrived.put_nowait((number, ending))

    pumps = [asyncio.create_task(pump(number, run)) for number, run in enumerate(runs)]
    num_open, num_failed = len(pumps), 0
    try:
        while num_open:
            number, event = await arrived.get()
            if event is None:
                num_open -= 1
            elif isinstance(event, Exception):
                num_open, num_failed = num_open - 1, num_failed + 1
                is_turned_away = number == 0 and isinstance(event, (QueueFull, InvalidRequest))
                if not may_fail or is_turned_away or num_failed == len(pumps):
                    raise event
            else:
                yield number, event
    except (QueueFull, InvalidRequest):
        # All of it or nothing: who asks again would find the answers that had begun.
        for draft in drafts:
            draft.is_admitted = False
        raise
    finally:
        for task in pumps:
            task.cancel()
        await asyncio.wait(pumps)
