"""How long moderators take: each alone on one thread, and all of a chain together."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chat.types import Message, Stage
from moderation.base import ModerationContext, Moderator
from moderation.chain import Chain
from moderation.reading import read_manifest

_WORDS = (
    "The train to the north leaves at nine, and whoever wants to see the mountains in the morning "
    "should take a window seat. My sister asked for the recipe of the soup that we had on Sunday; "
    "it needs two onions, a spoon of butter, some thyme and half an hour. Is it true that bees can "
    "recognise faces? I read so in a magazine, but its author didn't name a source. Write a short "
    "letter to the landlord about the heating, which has been cold since Thursday. "
)
NORMALISER = "(normaliser)"
TOGETHER = "(all together)"


@dataclass(frozen=True, slots=True)
class Speed:
    """Milliseconds that a check of a text of so many characters took: typical, and at worst 5%."""

    name: str
    num_chars: int
    p50_ms: float
    p95_ms: float
    num_errors: int = 0


def measure_speed(
    moderators: Sequence[Moderator],
    chain: Chain,
    *,
    lengths: Sequence[int],
    num_checks: int,
    stage: Stage = "input",
) -> Iterator[Speed]:
    """Yield the speed of the normaliser, of each moderator that watches `stage`, and of the chain.

    What the normaliser makes of a text is made once for all moderators, so it is measured apart.
    Ordinary prose is judged, never the same twice, after two checks that don't count.
    """
    for num_chars in lengths:
        size = num_checks + 2
        contexts = _make_contexts(num_chars, range(size), stage)
        yield _measure(NORMALISER, _normalise, contexts)
        for moderator in moderators:
            yield _measure(read_manifest(moderator).name, moderator.check, contexts)
        # Other texts: a moderator may remember what it has judged.
        others = _make_contexts(num_chars, range(size, 2 * size), stage)
        yield asyncio.run(_measure_chain(chain, others))


def make_text(num_chars: int, number: int) -> str:
    """Return prose of exactly so many characters, another one for each number."""
    words = _WORDS.split()
    start = number * 7 % len(words)
    turned = " ".join([f"{number}:", *words[start:], *words[:start], ""])
    return (turned * (num_chars // len(turned) + 1))[:num_chars]


def _make_contexts(num_chars: int, numbers: range, stage: Stage) -> list[ModerationContext]:
    return [_context(make_text(num_chars, number), stage) for number in numbers]


def _context(text: str, stage: Stage) -> ModerationContext:
    if stage == "input":
        return ModerationContext((Message("user", text),), stage)
    question = Message("user", "Tell me something.")
    return ModerationContext((question, Message("assistant", text)), stage)


def _normalise(context: ModerationContext) -> None:
    _ = context.normalised, context.views, context.readings


def _measure(
    name: str,
    judge: Callable[[ModerationContext], object],
    contexts: Sequence[ModerationContext],
) -> Speed:
    times, num_errors = [], 0
    for context in contexts:
        start = time.perf_counter()
        try:
            judge(context)
        except Exception:
            num_errors += 1
        times.append((time.perf_counter() - start) * 1000)
    return _sum_up(name, len(contexts[0].text), times, num_errors)


async def _measure_chain(chain: Chain, contexts: Sequence[ModerationContext]) -> Speed:
    times, num_errors = [], 0
    for context in contexts:
        start = time.perf_counter()
        decision = await chain.check(context)
        times.append((time.perf_counter() - start) * 1000)
        num_errors += any(verdict.outcome == "error" for verdict in decision.verdicts)
    return _sum_up(TOGETHER, len(contexts[0].text), times, num_errors)


def _sum_up(name: str, num_chars: int, times: list[float], num_errors: int) -> Speed:
    counted = sorted(times[2:])
    p50, p95 = (counted[min(len(counted) - 1, int(len(counted) * q))] for q in (0.5, 0.95))
    return Speed(name, num_chars, p50, p95, num_errors)
