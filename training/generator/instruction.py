"""Simple instructions about form: repeat, upper case, one word, count words, yes or no."""

from collections.abc import Callable

from training.generator.fact import ask_fact, read_facts
from training.generator.geography import ask_aspect, choose_country
from training.generator.number import spell_number
from training.generator.scene import Exchange, Scene
from training.generator.surface import capitalise
from training.generator.tables import read_groups, read_lines

_REPEAT = (
    "[repeat after me|say this|repeat this|please repeat|say after me|just say|say|write"
    "|please say|can you say|repeat][:| exactly:|:] {s}"
)
_UPPER = ("[write|say|put|repeat|type|print] [this |]in [upper case|uppercase|capital "
"letters|all caps"
          "|capitals|block letters]: {s}", "[make this|turn this into|convert to] [upper "
          "case|uppercase"
          "|capitals|all caps]: {s}", "[shout|capitalise every letter of]: {s}")  # fmt: skip
_LOWER = ("[write|say|put|make|turn] [this |]in[to|] [lower case|lowercase|small letters]: {s}",)
_COUNT = (
    "how many words are in [this sentence|the sentence|this]: {s}",
    "count the words[| in this| in this sentence]: {s}",
    "[number of words|how many words] in: {s}",
)
_FIRST = (
    "[what is|what's|tell me|give me] the {w} word of [this|this sentence|the sentence]: {s}",
)
_ONE_WORD = (
    " [Answer in one word|One word only|In one word|Just one word|Use one word|Only the "
    "answer, please|Short answer|Answer with just the name|Just the answer|Be brief]."
)
_YES_NO = " [Answer yes or no|Yes or no|Just yes or no|Only yes or no]?"
_PICK = (
    "[choose|pick|which do you choose|which one would you pick|decide|help me choose|what should"
    " I take]: {a} or {b}?"
)
_JOIN = (
    "[make a sentence with|use|write a sentence with|use in a sentence|give me a sentence with"
    "|write a sentence using] [the word |]{w}[| in a sentence]",
)
_SORT = (
    "[sort|put in order|order|arrange|sort from smallest to largest|put in ascending order] "
    "[these numbers|the numbers|]: {n}",
)
_SENTENCES = (
    "I saw {w} in the town today.", "My sister told me about {w} this morning.",
    "We talked about {w} for a long time.", "There is a picture of {w} on the wall.",
    "Yesterday I dreamed of {w}.",
)  # fmt: skip
_OBJECTS = ("castle", "river", "bridge", "robot", "garden", "tree", "clock", "train", "boat",
            "lamp", "ring")  # fmt: skip


def _draw_sentence(scene: Scene) -> str:
    return scene.pick("sentence", read_lines("sentences"))


def _play_repeat(scene: Scene) -> list[Exchange]:
    text = _draw_sentence(scene)
    if scene.chance(0.3):
        text = " ".join(scene.pick_some("word", read_lines("words"), scene.rng.randint(1, 3)))
    question = scene.ask(_REPEAT, {"s": text}, plain=True)
    return [Exchange(question, capitalise(text) + ".", text)]


def _play_case(scene: Scene) -> list[Exchange]:
    text = _draw_sentence(scene)
    if scene.chance(0.75):
        return [Exchange(scene.ask(scene.choose(_UPPER), {"s": text}, plain=True), text.upper())]
    question = scene.phrase(_LOWER[0]).format(s=text.upper())
    return [Exchange(capitalise(question), text.lower())]


def _play_count(scene: Scene) -> list[Exchange]:
    text = _draw_sentence(scene)
    number = spell_number(len(text.split()))
    question = scene.ask(scene.choose(_COUNT), {"s": text}, plain=True)
    return [Exchange(question, f"The sentence has {number} words.", number)]


def _play_nth_word(scene: Scene) -> list[Exchange]:
    text = _draw_sentence(scene)
    which, index = scene.choose((("first", 0), ("last", -1), ("second", 1)))
    question = scene.ask(_FIRST[0], {"s": text, "w": which}, plain=True)
    word = text.split()[index]
    return [Exchange(question, f'The {which} word is "{word}".', word)]


def _play_one_word(scene: Scene) -> list[Exchange]:
    if scene.chance(0.5):
        aspect = scene.choose(("capital", "capital", "continent", "country"))
        exchange = ask_aspect(scene, choose_country(scene), aspect)
    else:
        facts = [fact for fact in read_facts() if fact.short and len(fact.short.split()) < 3]
        exchange = ask_fact(scene, scene.choose(facts))
    question = exchange.user.rstrip("?. ") + "?" + scene.ask(_ONE_WORD, plain=True).rjust(1)
    if scene.chance(0.25):
        lead = scene.phrase("[Answer in one word|In one word|One word answer|Answer briefly]: ")
        question = lead + " " + exchange.user
    elif "? " not in question:
        question = question.replace("?", "? ", 1)
    return [Exchange(question, capitalise(exchange.short) + ".", exchange.short)]


def _play_yes_no(scene: Scene) -> list[Exchange]:
    facts = [fact for fact in read_facts() if fact.short in ("Yes", "No")]
    exchange = ask_fact(scene, scene.choose(facts))
    if scene.chance(0.5):
        return [exchange]
    question = exchange.user.rstrip("?. ") + "? " + scene.ask(_YES_NO, plain=True)
    return [Exchange(question, exchange.short + ".", exchange.short)]


def _play_pick(scene: Scene) -> list[Exchange]:
    _, items = scene.choose(list(read_groups("lists").items()))
    first, second = scene.rng.sample(items, 2)
    question = scene.ask(_PICK, {"a": first, "b": second}, plain=True)
    chosen = scene.choose((first, second))
    return [
        Exchange(
            question,
            scene.say(
                "[I'd say {c}.|I'd go with {c}.|{c}, I'd say. But it's your choice!]", {"c": chosen}
            ),
            chosen,
        )
    ]


def _play_sentence(scene: Scene) -> list[Exchange]:
    word = scene.pick("sentence-word", [*read_groups("lists")["animals"], *_OBJECTS])
    question = scene.ask(_JOIN[0], {"w": word})
    article = "an " if word[0] in "aeiou" else "a "
    return [Exchange(question, scene.choose(_SENTENCES).format(w=article + word))]


def _play_sort(scene: Scene) -> list[Exchange]:
    numbers = scene.rng.sample(range(1, 30), scene.rng.randint(3, 5))
    question = scene.ask(_SORT[0], {"n": ", ".join(map(str, numbers))}, plain=True)
    return [Exchange(question, ", ".join(map(str, sorted(numbers))) + ".")]


def play_instruction(scene: Scene) -> list[Exchange]:
    """Return an instruction about form, and an answer that obeys it."""
    kinds: tuple[Callable[[Scene], list[Exchange]], ...] = (
        _play_repeat, _play_case, _play_count, _play_nth_word, _play_one_word, _play_yes_no,
        _play_pick, _play_sentence, _play_sort)  # fmt: skip
    return scene.rng.choices(kinds, (14, 18, 8, 6, 24, 8, 8, 8, 6))[0](scene)
