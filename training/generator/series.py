"""Days, months, seasons and the alphabet, in order."""

import string
from collections.abc import Sequence

from training.generator.scene import Exchange, Scene

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September",
          "October", "November", "December")  # fmt: skip
SEASONS = ("spring", "summer", "autumn", "winter")
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
             "tenth", "eleventh", "twelfth")  # fmt: skip
_SERIES: tuple[tuple[str, str, Sequence[str]], ...] = (
    ("day", "days of the week", DAYS),
    ("month", "months of the year", MONTHS),
    ("season", "seasons of the year", SEASONS),
    ("letter", "letters of the alphabet", tuple(string.ascii_uppercase)),
)
_SHORT_NAMES = {
    "day": "[days of the week|weekdays|days]", "month": "[months|months of the year]",
    "season": "[seasons|four seasons]", "letter": "[letters of the alphabet|alphabet]",
}  # fmt: skip
_LENGTHS = {"January": 31, "February": 28, "March": 31, "April": 30, "May": 31, "June": 30,
            "July": 31, "August": 31, "September": 30, "October": 31, "November": 30,
            "December": 31}  # fmt: skip


def _ask_neighbour(scene: Scene, word: str, series: Sequence[str]) -> Exchange:
    index = scene.rng.randrange(len(series))
    step, side = scene.choose(((1, "after"), (-1, "before")))
    other = series[(index + step) % len(series)]
    slots = {"w": word, "x": series[index], "y": other, "side": side}
    if word == "letter" and not 0 <= index + step < len(series):
        return _ask_list(scene, *_SERIES[3])
    question = scene.ask(
        "[what|which] {w} [comes|is] [right |]{side} {x}?"
        if scene.chance(0.7)
        else "[<whatis> the {w} {side}|tell me the {w} {side}] {x}[?|]",
        slots,
    )
    answer = scene.say("[{y} comes {side} {x}.|It's {y}: {y} comes {side} {x}.]", slots)
    return Exchange(question, answer, other)


def _ask_list(scene: Scene, word: str, title: str, series: Sequence[str]) -> Exchange:
    name = _SHORT_NAMES[word]
    question = scene.ask(
        f"[list|name|say|tell me|what are|can you list|can you name|recite] the {name}"
        "[| please| in order]"
    )
    joined = ", ".join(series)
    if word == "letter":
        return Exchange(question, joined + ".")
    return Exchange(question, f"The {title} are {', '.join(series[:-1])} and {series[-1]}.")


def _ask_place(scene: Scene, word: str, title: str, series: Sequence[str]) -> Exchange:
    index = scene.rng.randrange(min(len(series), 12))
    slots = {"n": _ORDINALS[index], "w": word, "t": title.split(" of ")[1], "x": series[index]}
    if scene.chance(0.25):
        index, slots["n"], slots["x"] = len(series) - 1, "last", series[-1]
    question = scene.ask(
        "[<whatis> the {n} {w} of {t}|which is the {n} {w} of {t}|what {w} is the {n} of {t}]?",
        slots,
    )
    return Exchange(question, scene.say("The {n} {w} of {t} is {x}.", slots), series[index])


def _ask_month(scene: Scene) -> Exchange:
    month = scene.choose(MONTHS)
    days = _LENGTHS[month]
    question = scene.ask("how many days [are in|are there in|does|has] {m}[| have]?", {"m": month})
    tail = ", and 29 in a leap year" if month == "February" else ""
    return Exchange(question, f"{month} has {days} days{tail}.", str(days))


def play_series(scene: Scene) -> list[Exchange]:
    """Return a question about days, months, seasons or letters."""
    word, title, series = scene.rng.choices(_SERIES, (35, 35, 10, 20))[0]
    draw = scene.rng.random()
    if draw < 0.5:
        exchanges = [_ask_neighbour(scene, word, series)]
    elif draw < 0.75:
        exchanges = [_ask_list(scene, word, title, series)]
    elif draw < 0.9 and word != "season":
        exchanges = [_ask_place(scene, word, title, series)]
    else:
        exchanges = [_ask_month(scene)]
    return exchanges
