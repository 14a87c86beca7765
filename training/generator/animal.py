"""Animals: sounds, young, homes and kinds."""

from dataclasses import dataclass
from functools import cache

from training.generator.scene import Exchange, Scene
from training.generator.tables import read_records


@dataclass(frozen=True, slots=True)
class Animal:
    """An animal; `sound` may be empty."""

    name: str
    sound: str
    young: str
    home: str
    kind: str


@cache
def read_animals() -> tuple[Animal, ...]:
    """Return the animals of tables/animals.txt."""
    return tuple(Animal(*record) for record in read_records("animals"))


def with_article(noun: str) -> str:
    """Return the noun with "a" or "an"."""
    return ("an " if noun[0] in "aeiou" else "a ") + noun


_IRREGULAR = {"mouse": "mice", "goose": "geese", "wolf": "wolves", "sheep": "sheep",
              "deer": "deer", "fish": "fish", "fox": "foxes", "butterfly": "butterflies",
              "donkey": "donkeys", "monkey": "monkeys", "turkey": "turkeys"}  # fmt: skip


def pluralise(noun: str) -> str:
    """Return the plural of an animal's name."""
    return _IRREGULAR.get(noun, noun + "s")


_SOUND = (
    "[what|which] [sound|noise] does {an} make?",
    "what does {an} [say|sound like]?",
    "how does {an} [sound|go]?",
    "[what|which] [sound|noise] do {many} make?",
    "<tell> what sound {an} makes",
    "what do {many} say?",
    "{an} says what?",
)
_WHO_SOUNDS = (
    "[which|what] animal {verb}?",
    "who {verb}?",
    "name an animal that {verb}",
    "what animal says {sound}?",
)
_YOUNG = (
    "[what is|what's|what do you call|tell me what you call] a baby {animal}[| called]?",
    "[what is|what's] the [young|baby|child] of {an} called?",
    "{an}'s baby is called what?",
    "[what is|what's] the name for a young {animal}?",
    "how do you call a baby {animal}?",
)
_HOME = (
    "[what is|what's] the home of {an}?",
    "where can you find {many}?",
    "<tell> where {many} live",
    "where do {many} live?",
)
_KIND = (
    "what kind of animal is {an}?",
    "what [class|type] of animal is {an}?",
    "{an} is what kind of animal?",
)
_WHAT = (
    "what is {an}?",
    "[tell me about|describe|tell me something about] {many}",
    "what do you know about {many}?",
    "[tell me|give me] a fact about {many}",
)


def play_animal(scene: Scene) -> list[Exchange]:
    """Return a question about an animal."""
    animal = scene.choose(read_animals())
    name = with_article(animal.name)
    slots = {
        "an": name, "animal": animal.name, "many": pluralise(animal.name), "sound": animal.sound,
        "young": animal.young, "home": animal.home, "kind": with_article(animal.kind),
        "verb": _third_person(animal.sound),
    }  # fmt: skip
    kinds = (
        ["sound", "young", "home", "kind", "what", "who"]
        if animal.sound
        else ["young", "home", "kind", "what"]
    )
    return [_ask_animal(scene, animal, slots, scene.choose(kinds))]


def _third_person(verb: str) -> str:
    return (
        " and ".join(
            word + ("es" if word.endswith(("s", "sh", "ch", "z")) else "s")
            for word in verb.split(" and ")
        )
        if verb
        else ""
    )


def _ask_animal(scene: Scene, animal: Animal, slots: dict[str, str], kind: str) -> Exchange:
    if kind == "sound":
        answer = scene.say("[{an} {verb}.|{many} {sound}.]", slots)
        return Exchange(scene.ask(scene.choose(_SOUND), slots), answer, slots["verb"])
    if kind == "who":
        alike = [other.name for other in read_animals() if other.sound == animal.sound]
        slots = slots | {"who": with_article(scene.choose(alike))}
        return Exchange(
            scene.ask(scene.choose(_WHO_SOUNDS), slots), scene.say("{who} {verb}.", slots)
        )
    if kind == "young":
        question = scene.ask(scene.choose(_YOUNG), slots)
        answer = scene.say("[A baby {animal} is called {young}.|It's called {young}.]", slots)
        return Exchange(question, answer, animal.young)
    if kind == "home":
        question = scene.ask(scene.choose(_HOME), slots)
        return Exchange(question, scene.say("{many} live {home}.", slots), animal.home)
    if kind == "kind":
        question = scene.ask(scene.choose(_KIND), slots)
        return Exchange(question, scene.say("{an} is {kind}.", slots), animal.kind)
    tail = " {many} {sound}." if animal.sound else ""
    answer = scene.say(
        "{an} is {kind}. {many} live {home}, and a baby {animal} is called "
        "{young}." + scene.choose(("", tail)),
        slots,
    )
    return Exchange(
        scene.ask(scene.choose(_WHAT), slots),
        answer.replace(f". {slots['many']}", f". {slots['many'].capitalize()}"),
    )
