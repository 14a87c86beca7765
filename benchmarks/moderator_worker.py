"""What it costs to run a moderator in a worker process instead of in this one.

    python -m benchmarks.moderator_worker

One moderator judges the same texts here (in a thread each, as built-ins are) and in a worker, in
turns, so that a busy machine slows both. Prints medians in milliseconds and their ratio.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence

from chat.types import Message
from moderation.base import ModerationContext, Moderator
from moderation.chain import Chain
from moderation.loading import load
from moderation.policy import Policy
from moderation.workers.remote import RemoteModerator

_TARGET = ("moderation.pii", "PiiModerator")
_ROUNDS = 300
_STARTS = 10
_SENTENCE = "We met at the station at eight, and the train was late as ever. "


def start_worker() -> RemoteModerator:
    """Return the moderator in a worker of its own."""
    return RemoteModerator("bench", *_TARGET, {}, environment={}, path=tuple(sys.path))


def measure_starts(num_starts: int) -> list[float]:
    """Return how long a worker takes until it could judge, in ms."""
    took = []
    for _ in range(num_starts):
        start = time.perf_counter()
        moderator = start_worker()
        took.append((time.perf_counter() - start) * 1000)
        moderator.close()
    return took


async def measure_checks(
    moderators: Sequence[Moderator], text: str, num_rounds: int, num_at_once: int
) -> list[float]:
    """Return for each moderator the median time of so many checks at once, in ms."""
    chains = [Chain((moderator,), Policy.load("standard")) for moderator in moderators]
    took: list[list[float]] = [[] for _ in chains]
    for _ in range(num_rounds):
        for chain, row in zip(chains, took, strict=True):
            # A context each, because it keeps what was normalised.
            contexts = [
                ModerationContext((Message("user", text),), "input") for _ in range(num_at_once)
            ]
            start = time.perf_counter()
            await asyncio.gather(*(chain.check(context) for context in contexts))
            row.append((time.perf_counter() - start) * 1000)
    return [statistics.median(row) for row in took]


def main() -> None:
    """Measure, and print."""
    print(f"start of a worker: {statistics.median(measure_starts(_STARTS)):.0f} ms")
    worker = start_worker()
    try:
        for num_chars in (64, 2_000, 20_000):
            for num_at_once in (1, 8):
                text = (_SENTENCE * (num_chars // len(_SENTENCE) + 1))[:num_chars]
                rounds = max(10, _ROUNDS * 64 // num_chars // num_at_once)
                pair = (load(*_TARGET, {}), worker)
                here, apart = asyncio.run(measure_checks(pair, text, rounds, num_at_once))
                print(
                    f"{num_chars:6} characters, {num_at_once} at once: {here:8.2f} ms here, "
                    f"{apart:8.2f} ms in a worker, ratio {apart / here:.2f}"
                )
    finally:
        worker.close()


if __name__ == "__main__":
    main()
