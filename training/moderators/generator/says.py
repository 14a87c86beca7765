"""Statements, answers, jailbreaks and injections: families of templates with their labels."""

import random
from collections.abc import Iterator

from training.moderators.generator.groups import generate_groups
from training.moderators.generator.labelling import label
from training.moderators.generator.payloads import draw_payload
from training.moderators.generator.phrases import Family, name_family, read_blocks, read_families
from training.moderators.generator.slots import fill
from training.moderators.generator.surface import dress, surround, tell
from training.moderators.rows import Row

_TRIES = 4
_SURROUNDED = 0.12


def generate_says(rng: random.Random) -> Iterator[Row]:
    """Yield up to `weight` rows for each template of each family."""
    for family in read_families():
        for number in range(len(family.templates)):
            yield from _vary(family, number, rng)
    yield from generate_groups(rng)


def _vary(family: Family, number: int, rng: random.Random) -> Iterator[Row]:
    seen: set[str] = set()
    for _ in range(family.weight * _TRIES):
        row = _draw(family, number, rng)
        if row.text not in seen:
            seen.add(row.text)
            yield row
        if len(seen) >= family.weight:
            return


def _draw(family: Family, number: int, rng: random.Random) -> Row:
    template = family.templates[number]
    if family.frame:
        wrapper = rng.choice(read_blocks("wrappers")[family.frame])
        template = wrapper.replace("{text}", template)
    payload = draw_payload(rng)
    text = fill(template, rng, payload.given)
    positive, unknown = family.positive, family.unknown
    if not family.is_neutral and payload.is_harmful_in(text):
        positive += payload.topic.positive
        unknown += payload.topic.unknown
    if not family.frame and rng.random() < _SURROUNDED:
        text = surround(text, rng) if family.kind == "jailbreak" else tell(text, rng)
    return Row(
        dress(text, rng),
        label(positive, unknown),
        f"generated/{family.kind}",
        name_family(family, number),
        tags=("harmful" if positive else "lookalike", *family.tags),
    )
