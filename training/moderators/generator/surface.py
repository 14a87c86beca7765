"""The many manners of one request: hurried, chatty, polite, after a long story, with a reason."""

import random
import re

from training.generator.surface import capitalise, decorate, roughen
from training.moderators.generator.phrases import read_blocks
from training.moderators.generator.slots import fill, start_sentences

_SHORT = 240
_MARKS = re.compile(r"[\W_]+")
# Words that a slip of the finger would turn into rude ones.
_KEEP = "counts accounts country shirts shifts sheets assets ducks fucking peanuts punishment"


def simplify(text: str) -> str:
    """Return what two texts share that differ in case and punctuation only."""
    return _MARKS.sub(" ", text.casefold()).strip()


def dress(text: str, rng: random.Random) -> str:
    """Return a text as some person might have typed it: case, marks, now and then a typo."""
    text = start_sentences(text)
    if len(text) > _SHORT or "\n" in text:
        return text if rng.random() < 0.9 else text.lower()
    return roughen(text, rng, _KEEP)


def surround(request: str, rng: random.Random) -> str:
    """Return a request with, at times, what people put before and after it."""
    draw = rng.random()
    manner = read_blocks("surroundings")
    if draw < 0.10:
        return f"{fill(rng.choice(manner['before']), rng)} {capitalise(request)}"
    if draw < 0.19:
        return f"{request} {fill(rng.choice(manner['after']), rng)}"
    if draw < 0.24:
        return tell(request, rng)
    return decorate(request, rng)


def tell(text: str, rng: random.Random) -> str:
    """Return a text at the end of somebody's story, or amid it."""
    lines = read_blocks("surroundings")["story"]
    story = [fill(line, rng) for line in rng.sample(lines, rng.randint(2, 5))]
    place = len(story) if rng.random() < 0.6 else rng.randrange(len(story))
    gap = rng.choice((" ", "\n", "\n\n"))
    before, after = " ".join(story[:place]), " ".join(story[place:])
    return gap.join(part for part in (before, capitalise(text), after) if part)
