"""Single words and pairs of them, as people type in a chat: "no", "how?", "and now". Harmless.

Without them a classifier takes one word for the whole of what it was learnt with: "no" for a
jailbreak, "how" for a crime.
"""

import random
import tomllib
import zlib
from collections.abc import Iterator
from pathlib import Path

from moderation.text.lexicon import common_words
from training.moderators.generator.labelling import label
from training.moderators.rows import Row

_CHARGED = Path(__file__).parents[1] / "phrases" / "words_charged.toml"
_MOST_WORDS = 8_000
# Pairs are made of the most common words alone: those say nothing together.
_PLAIN = 400
_NUM_PAIRS = 2_500
_FAMILIES = 40
_ENDS = ("", "", "", "", ".", "?", "!", "...")


def generate_words(rng: random.Random) -> Iterator[Row]:
    """Yield each common word alone, and pairs of the most common ones, in several spellings."""
    charged = tuple(tomllib.loads(_CHARGED.read_text(encoding="utf-8"))["begins"])
    words = [word for word in common_words() if not word.startswith(charged)]
    for word in words[:_MOST_WORDS]:
        yield _make_row(rng, word, word)
    plain = words[:_PLAIN]
    for _ in range(_NUM_PAIRS):
        first, second = rng.sample(plain, 2)
        yield _make_row(rng, first, f"{first} {second}")


def _make_row(rng: random.Random, word: str, text: str) -> Row:
    spelled = rng.choice((text, text, text.capitalize(), text.upper()))
    family = f"words/{zlib.crc32(word.encode()) % _FAMILIES}"
    return Row(
        spelled + rng.choice(_ENDS), label((), ()), "generated/words", family, tags=("short",)
    )
