"""Facts people tell about themselves, and how they ask for them later."""

from dataclasses import dataclass
from functools import cache

from training.generator.scene import Scene, is_held_out
from training.generator.tables import read_groups, read_lines

_ONSETS = [
    "b",
    "d",
    "f",
    "g",
    "h",
    "j",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "t",
    "v",
    "w",
    "z",
    "br",
    "ch",
    "dr",
    "fl",
    "gr",
    "kr",
    "sh",
    "st",
    "th",
    "tr",
]
_VOWELS = ["a", "e", "i", "o", "u", "ai", "ee", "ia", "io", "a", "e", "i", "o"]
_CODAS = ["", "", "", "n", "l", "r", "s", "th", "m", "x", "nd", "k"]


def invent_name(scene: Scene) -> str:
    """Return a made-up first name of this split: copying must work for any name."""
    rng = scene.rng
    for _ in range(30):
        syllables = [rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(rng.randint(1, 3))]
        name = ("".join(syllables) + rng.choice(_CODAS)).capitalize()
        if 2 < len(name) < 11 and scene.belongs("invented-name", name):
            break
    return name


def draw_name(scene: Scene) -> str:
    """Return a first name of this split, sometimes an invented one."""
    return invent_name(scene) if scene.chance(0.3) else scene.pick("name", read_lines("names"))


def held_out_names() -> list[str]:
    """Return the names no training conversation uses."""
    return [name for name in read_lines("names") if is_held_out("name", name)]


@dataclass(frozen=True, slots=True)
class Trait:
    """Something to tell and to recall: `{x}` is the value."""

    name: str
    tell: str
    reply: str
    ask: str
    answer: str
    unknown: str
    correct: str


@cache
def read_traits() -> tuple[Trait, ...]:
    """Return the traits of tables/traits.txt, one `field value` line each, blank-separated."""
    rows: list[list[str]] = []
    for line in read_lines("traits"):
        if line.startswith("="):
            rows.append([line[1:].strip()])
        else:
            rows[-1].append(line.split(" ", 1)[1].strip())
    return tuple(Trait(*row) for row in rows)


def draw_value(scene: Scene, trait: Trait) -> str:
    """Return a value of this split for a trait."""
    if trait.name in ("name", "friend", "sister", "pet", "dog", "child"):
        return draw_name(scene)
    if trait.name == "age":
        return scene.pick("age", [str(age) for age in range(7, 90)])
    if trait.name == "number":
        return str(scene.rng.randint(1, 99))
    return scene.pick(f"trait-{trait.name}", read_groups("trait_values")[trait.name])
