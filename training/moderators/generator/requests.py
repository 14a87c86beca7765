"""Requests: harmful acts and their look-alikes in the same frames, and questions about harm."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle, islice

from training.generator.grammar import count
from training.moderators.generator.inflection import add_ing
from training.moderators.generator.labelling import label
from training.moderators.generator.phrases import Topic, read_blocks, read_topics
from training.moderators.generator.slots import fill
from training.moderators.generator.surface import dress, surround
from training.moderators.rows import Row

# At least and at most; the more readings an act has, the more.
_PER_ACT = {True: (17, 70), False: (13, 42)}
_READINGS = 2  # per row
_PER_SENTENCE = 3
_MOST_PER_SENTENCE = 16
_PER_DEFUSED = 3
_FAMILY = 6  # acts of one side of a family; look-alikes of the same field go with them


def generate_requests(rng: random.Random) -> Iterator[Row]:
    """Yield the rows of all topics; the two sides of a topic are drawn alike often per act."""
    for topic in read_topics():
        for part in _divide(topic):
            yield from _ask(part, part.harmful, part.harmful_says, rng, is_harmful=True)
            yield from _ask(part, part.benign, part.benign_says, rng, is_harmful=False)
            yield from _defuse(part, rng)


def _divide(topic: Topic) -> Iterator[Topic]:
    """Yield the families of a topic, each with a share of everything."""
    num_parts = max(1, round(len(topic.harmful or topic.benign) / _FAMILY))
    for part in range(num_parts):
        yield replace(
            topic,
            name=f"{topic.name}.{part}",
            harmful=topic.harmful[part::num_parts],
            benign=topic.benign[part::num_parts],
            harmful_says=topic.harmful_says[part::num_parts],
            benign_says=topic.benign_says[part::num_parts],
        )


def _ask(
    topic: Topic, acts: Sequence[str], says: Sequence[str], rng: random.Random, *, is_harmful: bool
) -> Iterator[Row]:
    for act in acts:
        for name, text in islice(_frame(act, "ask", rng), _allot(act, is_harmful=is_harmful)):
            yield _row(topic, text, f"frame:{name}", is_harmful=is_harmful)
    for sentence in says:
        for _ in range(max(_PER_SENTENCE, min(_MOST_PER_SENTENCE, count(sentence)))):
            text = dress(surround(fill(sentence, rng), rng), rng)
            yield _row(topic, text, "frame:sentence", is_harmful=is_harmful)


def _allot(act: str, *, is_harmful: bool) -> int:
    least, most = _PER_ACT[is_harmful]
    return max(least, min(most, count(act) // _READINGS))


def _defuse(topic: Topic, rng: random.Random) -> Iterator[Row]:
    """Yield questions about harmful acts that do no harm, and the like where they still do."""
    if topic.defuse == "none":
        return
    for act in topic.harmful:
        for name, text in islice(_frame(act, f"about_{topic.defuse}", rng), _PER_DEFUSED):
            yield _row(topic, text, f"frame:{name}", is_harmful=False)
        for name, text in islice(_frame(act, "though", rng), 1):
            yield _row(topic, text, f"frame:{name}", is_harmful=True)
    for act in topic.benign:
        for kind in ("though", f"about_{topic.defuse}"):
            if kind == "though" or rng.random() < 0.25:
                for name, text in islice(_frame(act, kind, rng), 1):
                    yield _row(topic, text, f"frame:{name}", is_harmful=False)


def _frame(act: str, kind: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Yield (name of the frame, request) for an act; no frame comes again before all came."""
    frames = read_blocks("frames")[kind]
    order = rng.sample(range(len(frames)), len(frames))
    for number in cycle(order):
        deed = fill(act, rng)
        given = {"act": deed, "acting": add_ing(deed)}
        request = fill(frames[number], rng, given)
        if rng.random() < 0.8:
            request = surround(request, rng)
        yield f"{kind}.{number}", dress(request, rng)


def _row(topic: Topic, text: str, tag: str, *, is_harmful: bool) -> Row:
    labels = label(topic.positive, topic.unknown) if is_harmful else label(())
    side = "harmful" if is_harmful else "lookalike"
    return Row(text, labels, "generated/requests", f"requests/{topic.name}", tags=(side, tag))
