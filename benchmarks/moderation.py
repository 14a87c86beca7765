"""What moderation costs whoever waits: until the first text shows, and until the answer is whole.

    python -m benchmarks.moderation [--moderators rules,pii,secrets]

The bundled model answers the same questions with the same seed, one at a time and sixteen at once,
moderated in both modes and not at all, in turns, so that a busy machine is busy for all of them.
Prints medians in milliseconds and their ratios to no moderation.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from chat.types import Message
from moderation.chain import Chain
from moderation.policy import Policy
from moderation.stream import Mode
from storage.store import Store
from tests.serving import make_chat_service, make_settings
from webapp.loading import load_backend, load_chain
from webapp.service import ChatService
from webapp.turn import MessagesRequest, TextDelta

ROUNDS = 7
STREAMS = (1, 16)
MOST_TOKENS = 96
QUESTION = "Tell me a story about a small boat on a lake."


def main() -> None:
    """Measure, and print a row for each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moderators", help="which to run, separated by commas")
    arguments = parser.parse_args()
    chosen = {"moderators": arguments.moderators} if arguments.moderators else {}
    with tempfile.TemporaryDirectory() as name:
        settings = make_settings(Path(name), **chosen)
        backend = load_backend(settings)
        moderated = load_chain(settings)
        cases: Mapping[str, tuple[Chain, Mode]] = {
            "not moderated": (Chain((), Policy.load("standard")), "window"),
            "window": (moderated, "window"),
            "buffer_all": (moderated, "buffer_all"),
        }
        print(f"moderators: {', '.join(settings.moderators)}")
        with Store.open(settings.database_url) as store:
            services = {
                case: make_chat_service(backend, chain, store, gate_mode=mode)
                for case, (chain, mode) in cases.items()
            }
            try:
                asyncio.run(measure(services))
            finally:
                moderated.close()
                backend.close()


async def measure(services: Mapping[str, ChatService]) -> None:
    """Print how long answers take by each of `services`, in turns."""
    for num_streams in STREAMS:
        took: dict[str, list[tuple[float, float]]] = {case: [] for case in services}
        for round_number in range(ROUNDS + 1):
            for case, service in services.items():
                times = await ask_all(service, num_streams, round_number)
                if round_number:  # the first warms up
                    took[case] += times
        base = [statistics.median(column) for column in zip(*took["not moderated"], strict=True)]
        for case, rows in took.items():
            first, total = (statistics.median(column) for column in zip(*rows, strict=True))
            print(
                f"{num_streams:3} at once, {case:14} first {first:7.0f} ms x{first / base[0]:.2f}"
                f"   all {total:7.0f} ms x{total / base[1]:.2f}",
                flush=True,
            )


async def ask_all(
    service: ChatService, num_streams: int, round_number: int
) -> list[tuple[float, float]]:
    """Return for each of so many answers at once the ms to its first text and to its last."""
    return await asyncio.gather(
        *(ask(service, number, round_number) for number in range(num_streams))
    )


async def ask(service: ChatService, number: int, round_number: int) -> tuple[float, float]:
    """Ask once; the seed depends on the number and the round alone."""
    config = replace(
        service.default_config, max_new_tokens=MOST_TOKENS, seed=1000 * round_number + number
    )
    messages = (Message("user", QUESTION),)
    start = time.perf_counter()
    first = 0.0
    owner = f"{id(service)}-{number}-{round_number}"
    async for _, event in service.complete(MessagesRequest(owner, messages, config)):
        if isinstance(event, TextDelta) and not first:
            first = time.perf_counter()
    end = time.perf_counter()
    return ((first or end) - start) * 1000, (end - start) * 1000


if __name__ == "__main__":
    main()
