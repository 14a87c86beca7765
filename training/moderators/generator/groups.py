"""Sentences about people: each identity in as many hateful as friendly and plain sentences."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from training.moderators.generator.labelling import label
from training.moderators.generator.phrases import (
    Family,
    name_family,
    read_blocks,
    read_group_families,
)
from training.moderators.generator.slots import fill
from training.moderators.generator.surface import dress, simplify
from training.moderators.rows import Row

_PER_GROUP = 80  # rows of each side for every identity


@dataclass(frozen=True, slots=True)
class Identity:
    """How a group is named: "Muslims", "a Muslim", "Muslim"; and what sort of trait it is."""

    trait: str
    people: str
    one: str
    adjective: str

    def fill_given(self) -> dict[str, str]:
        """Return the phrases for `{people}`, `{one}` and `{adjective}`."""
        return {"people": self.people, "one": self.one, "adjective": self.adjective}


@cache
def read_identities() -> tuple[Identity, ...]:
    """Return the identities of phrases/identities.toml, one `people | one | adjective` a line."""
    return tuple(
        Identity(trait, *(part.strip() for part in line.split("|")))
        for trait, lines in read_blocks("identities").items()
        for line in lines
    )


def generate_groups(rng: random.Random) -> Iterator[Row]:
    """Yield as many rows with a positive label as without, for every identity alike."""
    sides = _sides()
    for identity in read_identities():
        for families in sides.values():
            seen: set[str] = set()
            while len(seen) < _PER_GROUP:
                row = _draw(rng.choice(families), identity, rng)
                key = simplify(row.text)
                if key not in seen:
                    seen.add(key)
                    yield row


def _sides() -> Mapping[bool, list[Family]]:
    families = read_group_families()
    return {
        is_hateful: [f for f in families if bool(f.positive) == is_hateful for _ in f.templates]
        for is_hateful in (True, False)
    }


def _draw(family: Family, identity: Identity, rng: random.Random) -> Row:
    number = rng.randrange(len(family.templates))
    text = fill(family.templates[number], rng, identity.fill_given())
    side = "harmful" if family.positive else "lookalike"
    return Row(
        dress(text, rng),
        label(family.positive, family.unknown),
        "generated/groups",
        name_family(family, number),
        tags=(side, f"identity:{identity.people}", f"trait:{identity.trait}"),
    )
