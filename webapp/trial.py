"""A rule tried on stored texts before it judges any."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, cast

from chat.review import JudgedText, OperatorRule
from chat.types import Span, Stage

MOST_TEXTS = 5_000
MOST_CHARS = 20_000_000
MOST_SHOWN = 50
# So many are looked through between two signs of progress.
_BATCH = 100
_BATCH_CHARS = 200_000

Finder = Callable[[str, Stage], tuple[Span, ...]]


class TextStore(Protocol):
    """Where the texts are: `storage.store.Store`."""

    def iterate_texts(self, since: datetime, stage: Stage, limit: int) -> Iterator[JudgedText]:
        """Yield texts of a stage, the newest first."""

    def count_texts(self, since: datetime, stage: Stage) -> int:
        """Return how many there are."""


@dataclass(frozen=True, slots=True)
class Match:
    """A text in which the rule found something, and where."""

    text: JudgedText
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """How far a trial has come; ``matches`` are the first few of ``num_matches``."""

    num_done: int
    num_texts: int
    num_matches: int
    matches: tuple[Match, ...]
    is_over: bool = False


async def run_trial(
    store: TextStore, rule: OperatorRule, find: Finder, *, since: datetime, most_texts: int
) -> AsyncGenerator[Trial, None]:
    """Yield how far it has come, batch by batch, the newest texts first.

    `find` returns the matches of the rule in a text.
    """
    limit = max(1, min(most_texts, MOST_TEXTS))
    stages = [cast(Stage, stage) for stage in rule.stages]
    counts = [await asyncio.to_thread(store.count_texts, since, stage) for stage in stages]
    num_texts = sum(min(count, limit) for count in counts)
    texts = itertools.chain.from_iterable(
        store.iterate_texts(since, stage, limit) for stage in stages
    )
    num_done = num_matches = num_chars = 0
    matches: list[Match] = []
    yield Trial(0, num_texts, 0, ())
    while num_chars < MOST_CHARS:
        batch, found = await asyncio.to_thread(_look_through, texts, find)
        if not batch:
            break
        num_done += len(batch)
        num_chars += sum(len(text.text) for text in batch)
        num_matches += len(found)
        matches += found[: MOST_SHOWN - len(matches)]
        yield Trial(num_done, max(num_texts, num_done), num_matches, tuple(matches))
    yield Trial(num_done, max(num_texts, num_done), num_matches, tuple(matches), is_over=True)


def _look_through(
    texts: Iterator[JudgedText], find: Finder
) -> tuple[list[JudgedText], list[Match]]:
    batch: list[JudgedText] = []
    found: list[Match] = []
    num_chars = 0
    for text in itertools.islice(texts, _BATCH):
        batch.append(text)
        if spans := find(text.text, text.stage):
            found.append(Match(text, spans))
        num_chars += len(text.text)
        if num_chars > _BATCH_CHARS:
            break
    return batch, found
