"""What is done again and again while the application serves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def repeating(
    action: Callable[[], Awaitable[object]], pause_s: float, ignored: type[Exception]
) -> AsyncIterator[None]:
    """Do `action` every `pause_s` seconds while the block runs.

    Where it raises `ignored`, the next time will do.
    """

    async def repeat() -> None:
        while True:
            await asyncio.sleep(pause_s)
            with suppress(ignored):
                await action()

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
