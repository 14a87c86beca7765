"""How a text looks, apart from what it says: its length and its Markdown, as covariates."""

import re
from dataclasses import astuple, dataclass, fields

import numpy as np

from preferences.arrays import Floats

# Characters of scripts without spaces between words count as a word each.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")
_HEADER = re.compile(r" {0,3}#{1,6}(?:[ \t]|$)")
_LIST = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\S")
_BOLD = re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__")
_FENCE = re.compile(r"[ \t]*(```|~~~)")


@dataclass(frozen=True, slots=True)
class Style:
    """Counts of one text: words, characters, headers, list items, bold runs, code blocks."""

    words: int
    chars: int
    headers: int
    lists: int
    bold: int
    code: int


STYLE_NAMES = tuple(field.name for field in fields(Style))
# The usual controls. Characters say the same as words.
CONTROLS = ("words", "headers", "lists", "bold", "code")


def measure_style(text: str) -> Style:
    """Count what shows in `text`; Markdown inside code blocks is code, not style."""
    headers = lists = bold = code = 0
    fence = ""
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if mark and fence in ("", mark[1]):
            code += not fence
            fence = "" if fence else mark[1]
        elif not fence:
            headers += bool(_HEADER.match(line))
            lists += bool(_LIST.match(line))
            bold += len(_BOLD.findall(line))
    return Style(len(_WORD.findall(text)), len(text), headers, lists, bold, code)


def contrast_styles(one: Floats, other: Floats) -> Floats:
    """Return the differences of two blocks of counts over their sums plus one: from -1 to 1.

    Swapping the two flips the sign, so that the order shown can't matter. After the style control
    of Chatbot Arena: Li, Angelopoulos, Chiang 2024, "Does style matter?".
    """
    contrast: Floats = (one - other) / (one + other + 1.0)
    return contrast


def style_row(style: Style) -> tuple[float, ...]:
    """Return the counts in the order of STYLE_NAMES."""
    return astuple(style)


def style_matrix(styles: list[Style]) -> Floats:
    """Return the counts as a matrix, a row for each text, columns as STYLE_NAMES."""
    return np.array([style_row(style) for style in styles], dtype=float).reshape(
        len(styles), len(STYLE_NAMES)
    )
