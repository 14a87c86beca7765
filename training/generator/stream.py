"""The endless stream of generated conversations, without repeats."""

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.generator.conversation import Row, draw_conversation
from training.generator.scene import Scene, Split
from training.generator.sources import read_sources

_MAX_REPEATS = 200


@dataclass(frozen=True, slots=True)
class Args:
    """What to generate; `out` may be None when rows are only iterated or shown."""

    out: Path | None = None
    conversations: int = 10_000
    seed: int = 1
    data: Path | None = None
    split: Split = "train"
    show: int = 0


def generate(args: Args) -> Iterator[Row]:
    """Yield `args.conversations` rows `{"messages", "source"}`; the same seed, the same rows.

    A conversation that came before is dropped. Stops early if only repeats come.
    """
    scene = Scene(random.Random(args.seed), args.split, read_sources(args.data))
    seen: set[int] = set()
    num_repeats = 0
    while len(seen) < args.conversations and num_repeats < _MAX_REPEATS:
        row = draw_conversation(scene)
        key = _fingerprint(row)
        if key in seen:
            num_repeats += 1
            continue
        num_repeats = 0
        seen.add(key)
        yield row


def _fingerprint(row: Row) -> int:
    text = json.dumps(row["messages"]).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())
