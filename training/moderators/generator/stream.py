"""The stream of generated rows, without repeats."""

import random
from collections.abc import Iterator

from training.moderators.generator.noise import generate_noise
from training.moderators.generator.requests import generate_requests
from training.moderators.generator.says import generate_says
from training.moderators.generator.surface import simplify
from training.moderators.generator.words import generate_words
from training.moderators.rows import Row


def generate(seed: int) -> Iterator[Row]:
    """Yield some 85,000 labelled rows, all of split "train"; the same seed, the same rows.

    A text that came before (but for case and punctuation) is dropped.
    """
    rng = random.Random(seed)
    seen: set[str] = set()
    for rows in (
        generate_requests(rng),
        generate_says(rng),
        generate_noise(rng),
        generate_words(rng),
    ):
        for row in rows:
            key = simplify(row.text)
            if key and key not in seen:
                seen.add(key)
                yield row
