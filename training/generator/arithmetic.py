"""Sums: figures and words, comparison, number facts and follow-ups."""

from collections.abc import Callable

from training.generator.number import spell_number
from training.generator.scene import Exchange, Scene

_ASK_SUM = (
    "[what is|what's|whats|calculate|compute|work out|solve|tell me|how much is|can you tell me"
    "|do you know|what do you get for|what does|could you work out|find|quick, what is"
    "|please calculate|I need|what would be|the answer to|give me] {sum}[?|]",
    "{sum}[?| = ?|=| =|=?| equals?| is?| equals what?| is what?| makes?]",
    "[can you|could you|please|would you] [add up|do this sum for me:|calculate|solve|work "
    "out] {sum}[?|]",
    "what does {sum} [equal|make|come to|give]?",
    "{sum}",
)
_ASK_WORDS = {
    "+": ("add {a} and {b}", "{a} plus {b}", "the sum of {a} and {b}", "{b} added to {a}",
          "{a} and {b} together", "{a} more than {b}"),
    "-": ("{a} minus {b}", "{a} take away {b}", "subtract {b} from {a}", "{b} less than {a}",
          "the difference between {a} and {b}", "{a} less {b}"),
    "*": ("{a} times {b}", "{a} multiplied by {b}", "the product of {a} and {b}",
          "multiply {a} by {b}", "{a} by {b}"),
    "/": ("{a} divided by {b}", "divide {a} by {b}", "{a} over {b}"),
}  # fmt: skip
_FIGURES = {
    "+": ("{a} + {b}", "{a}+{b}", "{a} + {b}", "{a}+ {b}"),
    "-": ("{a} - {b}", "{a}-{b}", "{a} - {b}"),
    "*": ("{a} x {b}", "{a}*{b}", "{a} * {b}", "{a}x{b}", "{a} times {b}", "{a} \u00d7 {b}"),
    "/": ("{a} / {b}", "{a}/{b}", "{a} \u00f7 {b}", "{a} : {b}"),
}
_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a // b,
}
_SHOWN = {"+": "+", "-": "-", "*": "x", "/": "/"}
_ANSWERS = (
    "{equation}.", "{equation}.", "{equation}.", "That's easy: {equation}.",
    "The answer is {result}, because {equation}.", "{equation}, so the answer is {result}.",
    "It's {result}: {equation}.",
)  # fmt: skip
_SMALL = 12


def _draw_operands(scene: Scene, sign: str) -> tuple[int, int]:
    rng = scene.rng
    if sign == "*":
        limit = _SMALL if scene.chance(0.85) else 20
        return rng.randint(0, limit), rng.randint(0, limit)
    if sign == "/":
        divisor, result = rng.randint(1, _SMALL), rng.randint(0, _SMALL)
        return divisor * result, divisor
    limit = rng.choices((10, 20, 100, 1000), (25, 25, 35, 15))[0]
    first, second = rng.randint(0, limit - 1), rng.randint(0, limit - 1)
    if sign == "-" and first < second and scene.chance(0.93):
        first, second = second, first
    return first, second


def draw_sum(scene: Scene, signs: str = "++++---***/") -> tuple[int, str, int]:
    """Return operands and sign; larger sums respect the split, small ones are for all."""
    sign = scene.choose(signs)
    for _ in range(20):
        first, second = _draw_operands(scene, sign)
        is_small = scene.split == "train" and max(first, second) <= _SMALL
        if is_small or scene.belongs("sum", f"{first}{sign}{second}"):
            break
    return first, sign, second


def calculate(first: int, sign: str, second: int) -> int:
    """Return the result of a sum."""
    return _OPERATIONS[sign](first, second)


def equation(first: int, sign: str, second: int) -> str:
    """Return "3 + 4 = 7"."""
    return f"{first} {_SHOWN[sign]} {second} = {calculate(first, sign, second)}"


def _wording(scene: Scene, first: int, sign: str, second: int) -> str:
    draw = scene.rng.random()
    form = scene.choose(_FIGURES[sign]) if draw < 0.6 else scene.choose(_ASK_WORDS[sign])
    if draw > 0.82:
        return form.format(a=spell_number(first), b=spell_number(second))
    return form.format(a=first, b=second)


def play_sum(scene: Scene) -> list[Exchange]:
    """Return a sum, now and then with a follow-up on its result."""
    first, sign, second = draw_sum(scene)
    exchanges = [ask_sum(scene, first, sign, second)]
    result = calculate(first, sign, second)
    while 0 < result < 900 and len(exchanges) < 3 and scene.chance(0.14):
        exchange, result = _follow_up(scene, result)
        exchanges.append(exchange)
    return exchanges


def ask_sum(scene: Scene, first: int, sign: str, second: int) -> Exchange:
    """Return the exchange that asks and answers one sum."""
    wording = _wording(scene, first, sign, second)
    if wording.startswith(("add", "subtract", "multiply", "divide")):
        question = scene.ask("[|please |can you |could you |now ]{sum}[?|]", {"sum": wording})
    else:
        question = scene.ask(scene.choose(_ASK_SUM), {"sum": wording})
    slots = {
        "equation": equation(first, sign, second),
        "result": str(calculate(first, sign, second)),
    }
    return Exchange(question, scene.say(scene.choose(_ANSWERS), slots), slots["result"])


_FOLLOW = {
    "+": "[and|now|then|what about|ok, and] [plus|add] {b}[?|]",
    "-": "[and|now|then|what about|ok, and] [minus|take away|subtract] {b}[?|]",
    "*": "[and|now|then|what about|ok, and] times {b}[?|]",
}


def _follow_up(scene: Scene, result: int) -> tuple[Exchange, int]:
    sign = scene.choose("++-*") if result <= _SMALL else scene.choose("++-")
    second = scene.rng.randint(1, min(10, result) if sign == "-" else 10)
    question = scene.ask(_FOLLOW[sign], {"b": str(second)}, plain=True)
    total = calculate(result, sign, second)
    return Exchange(question, equation(result, sign, second) + ".", str(total)), total


def _play_comparison(scene: Scene) -> list[Exchange]:
    limit = scene.choose((10, 20, 100, 1000))
    first, second = scene.rng.sample(range(limit), 2)
    is_more = scene.chance(0.6)
    word, opposite = scene.choose(
        (("bigger", "smaller"), ("larger", "smaller"), ("greater", "smaller"), ("more", "less"))
    )
    chosen = word if is_more else opposite
    result = max(first, second) if is_more else min(first, second)
    other = first + second - result
    slots = {"a": str(first), "b": str(second), "word": chosen, "x": str(result), "y": str(other)}
    question = scene.ask("[which|which number|what|which one] is {word}[,|:|] {a} or {b}?", slots)
    return [Exchange(question, scene.say("{x} is {word} than {y}.", slots), str(result))]


def _play_true_sum(scene: Scene) -> list[Exchange]:
    first, sign, second = draw_sum(scene, "++-*")
    result = calculate(first, sign, second)
    is_right = scene.chance(0.5)
    claimed = result if is_right else max(0, result + scene.choose((-2, -1, 1, 2, 10)))
    shown = equation(first, sign, second)
    wording = shown.rsplit(" ", 1)[0] + f" {claimed}"
    question = scene.ask(
        "[is {sum}|is it true that {sum}|is it right that {sum}|{sum}, right|{sum}, correct"
        "|{sum}, true or false]?",
        {"sum": wording},
    )
    if claimed == result:
        return [Exchange(question, f"Yes, {shown}.", "Yes")]
    return [Exchange(question, f"No, {shown}.", "No")]


def _play_number_fact(scene: Scene) -> list[Exchange]:
    value = scene.rng.randint(1, 100)
    kind = scene.choose(("parity", "half", "double", "next", "previous", "words", "square"))
    slots = {"n": str(value)}
    if kind == "parity":
        name = "even" if value % 2 == 0 else "odd"
        question = scene.ask(
            "[is {n} [even or odd|odd or even]|is {n} an even number|is {n} an "
            "odd number|is the number {n} even or odd]?",
            slots,
        )
        return [Exchange(question, f"{value} is an {name} number.", name)]
    if kind == "half":
        value *= 2
        question = scene.ask("<whatis> half of {n}?", {"n": str(value)})
        answer = scene.say(f"Half of {value} is {value // 2}.")
        return [Exchange(question, answer, str(value // 2))]
    if kind == "double":
        question = scene.ask("[<whatis> double {n}|<whatis> twice {n}|double {n}]?", slots)
        return [Exchange(question, f"2 x {value} = {2 * value}.", str(2 * value))]
    if kind in ("next", "previous"):
        word, step = ("after", 1) if kind == "next" else ("before", -1)
        question = scene.ask(f"[what|which number|what number] comes [right |]{word} {{n}}?", slots)
        return [Exchange(question, f"{value + step} comes {word} {value}.", str(value + step))]
    if kind == "square":
        value = scene.rng.randint(1, 12)
        question = scene.ask("<whatis> {n} squared?", {"n": str(value)})
        return [Exchange(question, f"{value} x {value} = {value * value}.", str(value * value))]
    words = spell_number(value)
    if scene.chance(0.5):
        question = scene.ask(
            "[write {n} in words|how do you write {n} in words|spell the number "
            "{n}|{n} in words|say {n} in words]",
            slots,
        )
        return [Exchange(question, f"{value} in words is {words}.", words)]
    question = scene.ask(
        "[write {w} in figures|write {w} as a number|what number is {w}|{w} in digits]",
        {"w": words},
    )
    return [Exchange(question, f"{words} is {value}.".capitalize(), str(value))]


def _play_counting(scene: Scene) -> list[Exchange]:
    start, step = 1, 1
    end = scene.rng.randint(3, 20)
    if scene.chance(0.3):
        question = scene.ask(
            "[count|please count|can you count] [down|backwards|back] from {n}[| to 1| to one]",
            {"n": str(end)},
        )
        return [Exchange(question, ", ".join(map(str, range(end, 0, -1))) + ".")]
    if scene.chance(0.25):
        step = scene.choose((2, 5, 10, 3))
        start, end = step, step * scene.rng.randint(4, 10)
        question = scene.ask(f"[count|can you count|please count] [by|in] {step}s to {end}")
    else:
        question = scene.ask(
            "[count|count up|can you count|please count|I want you to count]"
            "[ from 1| from one|] to {n}[| for me]",
            {"n": str(end)},
        )
    return [Exchange(question, ", ".join(map(str, range(start, end + 1, step))) + ".")]


def _play_table(scene: Scene) -> list[Exchange]:
    factor = scene.rng.randint(1, 12)
    question = scene.ask(
        "[<give>|say|tell me|what is|recite|list|write] the [{n} times table|times "
        "table of {n}|{n}s times table|multiplication table of {n}]",
        {"n": str(factor)},
    )
    lines = (f"{factor} x {index} = {factor * index}" for index in range(1, 11))
    return [Exchange(question, "\n".join(lines))]


def play_arithmetic(scene: Scene) -> list[Exchange]:
    """Return a sum, a comparison or a small number fact."""
    kinds = (
        play_sum,
        _play_comparison,
        _play_true_sum,
        _play_number_fact,
        _play_counting,
        _play_table,
    )
    return scene.rng.choices(kinds, (72, 7, 6, 9, 4, 1))[0](scene)
