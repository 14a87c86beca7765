"""Small word problems, answered with the sum and a sentence."""

from training.generator.person import draw_name
from training.generator.scene import Exchange, Scene
from training.generator.tables import read_lines

_THINGS = (
    "apples",
    "books",
    "pencils",
    "coins",
    "cookies",
    "balls",
    "flowers",
    "stickers",
    "marbles",
    "sweets",
    "cards",
    "eggs",
    "oranges",
    "shells",
    "stamps",
    "toy cars",
    "balloons",
    "cakes",
    "bananas",
    "pens",
    "stones",
    "buttons",
    "dolls",
    "candles",
)
_PLUS = (
    "{n} has {a} {t} [and|. {n}] [gets|buys|finds|is given] {b} more. How many {t} does {n} "
    "have[| now]?",
    "[If|if] {n} has {a} {t} and {m} gives {n} {b} more, how many {t} does {n} have?",
    "{n} has {a} {t} and {m} has {b} {t}. How many {t} do they have together?",
    "I have {a} {t} and I [buy|get|find] {b} more. How many do I have[| now]?",
    "there are {a} {t} on the table. {n} puts {b} more there. How many {t} are on the table?",
    "there are {a} red {t} and {b} blue {t}. How many {t} are there[| in all]?",
)
_MINUS = (
    "{n} has {a} {t} and [loses|gives away|sells|gives {m}] {b}[| of them]. How many {t} does "
    "{n} have left?",
    "[If|if] {n} has {a} {t} and {m} takes {b}, how many are left?",
    "I have {a} {t} and I [lose|give away|sell] {b}. How many [do I have left|are left]?",
    "there are {a} {t} in a box. {n} takes out {b}. How many {t} are left[| in the box]?",
    "{n} had {a} {t}. {b} are gone. How many {t} are left?",
)
_TIMES = (
    "there are {a} boxes with {b} {t} in each. How many {t} are there[| in all]?",
    "{n} buys {a} bags with {b} {t} each. How many {t} does {n} have?",
    "{a} children have {b} {t} each. How many {t} do they have together?",
    "one box holds {b} {t}. How many {t} are in {a} boxes?",
)
_SHARE = (
    "{n} shares {a} {t} equally among {b} children. How many {t} does each child get?",
    "{a} {t} are put into {b} boxes equally. How many {t} are in each box?",
    "[If|if] {b} friends share {a} {t} equally, how many does each get?",
)


def _draw_case(scene: Scene) -> tuple[tuple[str, ...], int, int, str, int]:
    rng = scene.rng
    sign = rng.choices("+-*/", (40, 35, 15, 10))[0]
    if sign == "+":
        first, second = rng.randint(1, 20), rng.randint(1, 15)
        return _PLUS, first, second, f"{first} + {second}", first + second
    if sign == "-":
        first = rng.randint(2, 25)
        second = rng.randint(1, first - 1)
        return _MINUS, first, second, f"{first} - {second}", first - second
    second = rng.randint(2, 6)
    if sign == "*":
        first = rng.randint(2, 9)
        return _TIMES, first, second, f"{first} x {second}", first * second
    first = second * rng.randint(2, 8)
    return _SHARE, first, second, f"{first} / {second}", first // second


def play_word_problem(scene: Scene) -> list[Exchange]:
    """Return a word problem with numbers of at most two digits."""
    forms, first, second, shown, result = _draw_case(scene)
    things = scene.pick("things", _THINGS)
    name, other = draw_name(scene), scene.pick("name", read_lines("names"))
    if name == other:
        return play_word_problem(scene)
    slots = {"n": name, "m": other, "t": things, "a": str(first), "b": str(second)}
    question = scene.ask(scene.choose(forms), slots, plain=True)
    slots |= {"s": shown, "r": str(result)}
    unit = things if result != 1 else things[:-1]
    answer = scene.say(
        "[{s} = {r}, so the answer is {r} {u}.|{s} = {r}. The answer is {r} {u}."
        "|{s} = {r}, so it's {r} {u}.]",
        slots | {"u": unit},
    )
    return [Exchange(question, answer, str(result))]
