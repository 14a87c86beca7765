"""Conversations that tell something about a person and ask for it some turns later."""

from collections.abc import Callable
from typing import TypeAlias

from training.generator.person import Trait, draw_value, read_traits
from training.generator.scene import Exchange, Scene

Filler: TypeAlias = Callable[[Scene], list[Exchange]]
_CORRECTED = (
    "[Sorry about that|Oh, sorry|Thanks for telling me|Okay, I see]: {x}[.|!| it is.]",
    "[Sorry about that|Thanks for the correction|All right|Got it], {x}[.|!]",
)
_TRAIT_WEIGHTS = {"name": 14.0}


def draw_trait(scene: Scene, without: tuple[str, ...] = ()) -> Trait:
    """Return a trait, most often the name."""
    traits = [trait for trait in read_traits() if trait.name not in without]
    return scene.rng.choices(traits, [_TRAIT_WEIGHTS.get(trait.name, 1.5) for trait in traits])[0]


def tell_trait(scene: Scene, trait: Trait, value: str) -> Exchange:
    """Return the exchange in which the person tells the value."""
    slots = {"x": value}
    return Exchange(scene.ask(trait.tell, slots, plain=True), scene.say(trait.reply, slots))


def recall_trait(scene: Scene, trait: Trait, value: str) -> Exchange:
    """Return the exchange in which the person asks for the value."""
    answer = scene.say(trait.answer, {"x": value})
    return Exchange(scene.ask(trait.ask), answer, value)


def _correct(scene: Scene, trait: Trait, old: str) -> tuple[Exchange, str]:
    value = draw_value(scene, trait)
    slots = {"x": value, "old": old}
    question = scene.ask(trait.correct, slots, plain=True)
    return Exchange(question, scene.say(scene.choose(_CORRECTED), slots)), value


def _fill(scene: Scene, filler: Filler, num: int) -> list[Exchange]:
    exchanges: list[Exchange] = []
    while len(exchanges) < num:
        exchanges += filler(scene)
    return exchanges[: max(num, 0)]


def _play_recall(scene: Scene, filler: Filler) -> list[Exchange]:
    trait = draw_trait(scene)
    value = draw_value(scene, trait)
    exchanges = _fill(scene, filler, scene.rng.choices((0, 1), (75, 25))[0])
    exchanges.append(tell_trait(scene, trait, value))
    if scene.chance(0.12):
        correction, value = _correct(scene, trait, value)
        exchanges.append(correction)
    exchanges += _fill(scene, filler, scene.rng.choices((0, 1, 2, 3, 4), (28, 28, 22, 14, 8))[0])
    exchanges.append(recall_trait(scene, trait, value))
    return exchanges


def _play_two_traits(scene: Scene, filler: Filler) -> list[Exchange]:
    first = draw_trait(scene)
    second = draw_trait(scene, (first.name,))
    values = {trait.name: draw_value(scene, trait) for trait in (first, second)}
    exchanges = [tell_trait(scene, trait, values[trait.name]) for trait in (first, second)]
    exchanges += _fill(scene, filler, scene.rng.choices((0, 1, 2), (50, 30, 20))[0])
    asked = scene.rng.sample((first, second), scene.rng.randint(1, 2))
    return exchanges + [recall_trait(scene, trait, values[trait.name]) for trait in asked]


_PAIR = (
    ("name", "city", "[my name is|I'm|I am|hi, I'm] {a} [and I live in|and I'm from|from|, I "
    "live in"
                     "|and I come from] {b}[.|!|]"),
    ("name", "age", "[my name is|I'm|I am|hi, I'm] {a} [and I'm|, I'm|and I am] {b}[ years "
    "old|][.|]"),
    ("name", "hobby", "[my name is|I'm|I am|hi, I'm] {a} [and I like|, I love|and my hobby is] "
    "{b}"),
    ("name", "job", "[my name is|I'm|I am|hi, I'm] {a} [and I'm|, I'm|and I work as] {b}[.|]"),
    ("name", "dog", "[my name is|I'm|I am|hi, I'm] {a} and my dog is [called|named] {b}[.|]"),
    ("name", "pet", "[my name is|I'm|I am|hi, I'm] {a} and my cat is [called|named] {b}[.|]"),
    ("name", "colour", "[my name is|I'm|I am] {a} and my favourite colour is {b}[.|]"),
    ("dog", "pet", "I have a dog called {a} and a cat called {b}[.|]"),
    ("sister", "friend", "my sister is called {a} and my best friend is {b}[.|]"),
)  # fmt: skip


def _play_pair(scene: Scene, filler: Filler) -> list[Exchange]:
    """Return a conversation where two things are told in one sentence."""
    first_name, second_name, template = scene.choose(_PAIR)
    traits = {trait.name: trait for trait in read_traits()}
    first, second = traits[first_name], traits[second_name]
    values = {first: draw_value(scene, first), second: draw_value(scene, second)}
    told = scene.ask(template, {"a": values[first], "b": values[second]}, plain=True)
    greeting = scene.say(
        first.reply
        if first_name == "name"
        else "[How nice!|Thanks for telling me!|I see!|Good to know!]",
        {"x": values[first]},
    )
    exchanges = [Exchange(told, greeting)]
    exchanges += _fill(scene, filler, scene.rng.choices((0, 1, 2), (50, 30, 20))[0])
    asked = scene.rng.sample((first, second), scene.rng.randint(1, 2))
    return exchanges + [recall_trait(scene, trait, values[trait]) for trait in asked]


def _play_unknown(scene: Scene, filler: Filler) -> list[Exchange]:
    exchanges = _fill(scene, filler, scene.rng.choices((0, 1, 2), (60, 25, 15))[0])
    trait = draw_trait(scene)
    if scene.chance(0.3):
        other = draw_trait(scene, (trait.name,))
        exchanges.append(tell_trait(scene, other, draw_value(scene, other)))
    exchanges.append(Exchange(scene.ask(trait.ask), scene.say(trait.unknown)))
    if scene.chance(0.45):
        value = draw_value(scene, trait)
        exchanges.append(tell_trait(scene, trait, value))
        if scene.chance(0.6):
            exchanges.append(recall_trait(scene, trait, value))
    return exchanges


def play_memory(scene: Scene, filler: Filler) -> list[Exchange]:
    """Return a conversation about remembering; `filler` gives unrelated turns in between."""
    kinds = (_play_recall, _play_two_traits, _play_pair, _play_unknown)
    return scene.rng.choices(kinds, (50, 15, 15, 20))[0](scene, filler)
