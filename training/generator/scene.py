"""What a category works with: random choices that respect the split, and phrasing."""

import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, TypeVar

from training.generator.grammar import count, expand
from training.generator.sources import Sources
from training.generator.surface import capitalise, decorate, roughen

Split = Literal["train", "held_out"]
T = TypeVar("T")
_NUM_TRIES = {"train": 12, "held_out": 60}
_MIN_HELD_OUT = 4  # a question with fewer forms is never withheld from training


@lru_cache(maxsize=200_000)
def is_held_out(kind: str, value: str) -> bool:
    """Return whether this phrasing or slot value belongs to the held-out tenth."""
    return zlib.crc32(f"{kind}:{value}".encode()) % 10 == 0


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and its answer; `short` is the answer in a word or two, where there is one."""

    user: str
    assistant: str
    short: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """One stream of random choices, in one split."""

    rng: random.Random
    split: Split
    sources: Sources
    pools: dict[str, list[str]] = field(default_factory=dict)

    def belongs(self, kind: str, value: str) -> bool:
        """Return whether a value lies in this split."""
        return is_held_out(kind, value) == (self.split == "held_out")

    def chance(self, probability: float) -> bool:
        """Return True this often."""
        return self.rng.random() < probability

    def choose(self, values: Sequence[T]) -> T:
        """Return one of the values, whatever the split (for facts that must be learnt)."""
        return values[int(self.rng.random() * len(values))]

    def pick(self, kind: str, values: Sequence[str]) -> str:
        """Return one of the values that lie in this split (for slots that must generalise)."""
        pool = self.pools.get(kind)
        if pool is None:
            pool = [value for value in values if self.belongs(kind, value)] or list(values)
            self.pools[kind] = pool
        return self.choose(pool)

    def pick_some(self, kind: str, values: Sequence[str], num: int) -> list[str]:
        """Return `num` different values of this split (fewer if it has no more)."""
        self.pick(kind, values)
        pool = self.pools[kind]
        return self.rng.sample(pool, min(num, len(pool)))

    def phrase(self, template: str) -> str:
        """Return an expansion of the template that lies in this split, if one is found."""
        text = expand(template, self.rng)
        if count(template) < _MIN_HELD_OUT:
            return text
        for _ in range(_NUM_TRIES[self.split]):
            if self.belongs("phrase", text):
                break
            text = expand(template, self.rng)
        return text

    def ask(
        self, template: str, slots: Mapping[str, str] | None = None, plain: bool = False
    ) -> str:
        """Return a user's message; `plain` leaves out polite openers and closers."""
        text = self.phrase(template)
        keep = " ".join(slots.values()) if slots else ""
        text = text.format_map(slots) if slots else text
        if not plain:
            text = decorate(text, self.rng)
        return roughen(text, self.rng, keep)

    def say(self, template: str, slots: Mapping[str, str] | None = None) -> str:
        """Return an answer: an expansion with its first letter in upper case."""
        text = expand(template, self.rng)
        return capitalise(text.format_map(slots) if slots else text)
