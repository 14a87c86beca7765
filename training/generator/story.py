"""Short stories built from a character, a place, an object, a problem, a helper and an ending."""

from dataclasses import dataclass
from functools import cache

from training.generator.scene import Exchange, Scene
from training.generator.tables import read_lines, read_records

_REQUESTS = (
    "[tell me|tell|can you tell me|could you tell me|please tell me|read me|I'd like to hear"
    "|I want to hear|do you know|write|write me|can you write|make up|share|give me|can I have] "
    "[a story|a short story|a bedtime story|a little story|a nice story|a tale|a fairy tale"
    "|a children's story|a fun story|a good story|a story for kids|a very short story]",
    "[story please|story time|tell story|a story please|another story please|I want a story"
    "|tell me a story, please|once upon a time]",
)
_ABOUT = (
    "[tell me|can you tell me|please tell me|I'd like|write|write me|can you write|make up|give me"
    "|could you write|I want] [a story|a short story|a little story|a bedtime story|a tale"
    "|a nice story|a fairy tale] about {topic}[| please| for my kids]",
    "[story|short story] about {topic}",
)
_MORE = (
    "[another one|tell me another one|one more|another story|one more story|again, another one"
    "|more stories][| please|!|]",
    "[another one|one more|another story|now one] about {topic}",
)
_MORAL = (
    "[what is|what's] the [moral|lesson|point][| of the story]?",
    "what do we learn from it?",
    "what does it teach us?",
)


@dataclass(frozen=True, slots=True)
class Hero:
    """Who the story is about: kind with article, and pronouns."""

    kind: str
    subject: str
    possessive: str
    object: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A story template and its moral."""

    moral: str
    text: str


@cache
def read_plots() -> tuple[Plot, ...]:
    """Return the plots: `moral | text` lines of tables/plots.txt."""
    plots = []
    for line in read_lines("plots"):
        moral, _, text = line.partition("|||")
        plots.append(Plot(moral.strip(), text.strip()))
    return tuple(plots)


@cache
def _read_heroes() -> tuple[Hero, ...]:
    forms = {"he": ("his", "him"), "she": ("her", "her")}
    return tuple(Hero(kind, word, *forms[word]) for kind, word in read_records("heroes"))


def _article(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def draw_hero(scene: Scene) -> Hero:
    """Return a hero of this split."""
    heroes = {hero.kind: hero for hero in _read_heroes()}
    return heroes[scene.pick("hero", list(heroes))]


def tell_story(scene: Scene, hero: Hero, place: str = "", item: str = "") -> tuple[str, str]:
    """Return a story and its moral."""
    plots = read_plots()
    if item:
        plots = tuple(plot for plot in plots if "item}" in plot.text)
    plot = scene.choose(plots)
    helper = scene.pick("helper", read_lines("helpers"))
    name = scene.pick(f"{hero.subject}-name", read_lines(f"{hero.subject}_names"))
    item = item or scene.pick("item", read_lines("items"))
    place = place or scene.pick("place", read_lines("places"))
    slots = {
        "hero": _article(hero.kind), "kind": hero.kind, "he": hero.subject,
        "He": hero.subject.capitalize(), "his": hero.possessive, "him": hero.object,
        "His": hero.possessive.capitalize(), "name": name,
        "place": place, "the_place": "the " + place.split(" ", 1)[1],
        "night": scene.choose(("rainy", "windy", "cold", "dark", "stormy", "foggy", "quiet")),
        "item": item,
        "an_item": _article(item), "helper": helper, "a_helper": _article(helper),
        "a_helper_cap": _article(helper).capitalize(),
        "himself": "himself" if hero.subject == "he" else "herself",
        "weather": scene.choose(("sunny", "rainy", "windy", "cold", "warm", "bright", "foggy")),
    }  # fmt: skip
    return scene.say(plot.text, slots), plot.moral


def _request(scene: Scene, is_first: bool) -> tuple[Exchange, str]:
    hero, place, item, topic = draw_hero(scene), "", "", ""
    draw = scene.rng.random()
    if draw < 0.45:
        topic = _article(hero.kind)
        if scene.chance(0.25):
            place = scene.pick("place", read_lines("places"))
            topic += f" in {place}"
    elif draw < 0.6:
        item = scene.pick("item", read_lines("items"))
        topic = _article(item)
    if topic:
        template = scene.choose(_ABOUT) if is_first else _MORE[1]
    else:
        template = scene.choose(_REQUESTS) if is_first else _MORE[0]
    question = scene.ask(template, {"topic": topic})
    story, moral = tell_story(scene, hero, place, item)
    return Exchange(question, story), moral


def play_story(scene: Scene) -> list[Exchange]:
    """Return a request for a story, now and then followed by another or by its moral."""
    exchange, moral = _request(scene, True)
    exchanges = [exchange]
    draw = scene.rng.random()
    if draw < 0.1:
        exchanges.append(_request(scene, False)[0])
    elif draw < 0.2:
        exchanges.append(Exchange(scene.ask(scene.choose(_MORAL), plain=True), scene.say(moral)))
    return exchanges
