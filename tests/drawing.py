"""Texts that match a pattern, drawn by chance."""

import random
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any


def draw_text(pattern: str, rng: random.Random) -> str:
    """Return a text that `pattern` matches; of what may repeat, seldom more than the least."""
    return _draw(parser.parse(pattern), rng)


def _draw(parts: Any, rng: random.Random) -> str:
    return "".join(_draw_part(code, value, rng) for code, value in parts)


def _draw_part(code: Any, value: Any, rng: random.Random) -> str:
    if code is codes.LITERAL:
        return chr(value)
    if code is codes.BRANCH:
        return _draw(rng.choice(value[1]), rng)
    if code is codes.SUBPATTERN:
        return _draw(value[3], rng)
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
        least, most, inner = value
        times = least if rng.random() < 0.7 else rng.randint(least, min(int(most), least + 2))
        return "".join(_draw(inner, rng) for _ in range(times))
    if code is codes.IN:
        return _draw_from_class(value, rng)
    return "" if code is codes.AT else "x"


def _draw_from_class(value: Any, rng: random.Random) -> str:
    if any(code is codes.NEGATE for code, _ in value):
        return " "
    code, chosen = rng.choice(value)
    if code is codes.RANGE:
        return chr(rng.randint(*chosen))
    if code is codes.LITERAL:
        return chr(chosen)
    return {"CATEGORY_DIGIT": "7", "CATEGORY_SPACE": " "}.get(str(chosen), "y")
