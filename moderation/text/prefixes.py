"""What could still become a match: for a pattern, the pattern of all that its matches begin with.

A growing text is judged where a word ends, so beginnings end there, too: ``how to make`` turns into
``how (?:to )?``. Anchored at the end of the text it finds the earliest place from which more text
could make a match; everything before that is settled.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from moderation.text.patterns import (
    ESCAPE,
    BadPattern,
    Text,
    compile_pattern,
    end_of_class,
    read_times,
)

_GROUP = re.compile(r"\((?:\?(?:P?<\w+>|([a-zA-Z]*):))?")
_FLAGS = re.compile(r"\(\?[a-zA-Z]+\)")
# What matches between characters: what follows isn't known, so nothing is asked of it.
_BETWEEN = ("^", "$", r"\b", r"\B", r"\A", r"\z")
# Where a word ends for certain: at a space, or anywhere in writing that knows no spaces.
WORD_END = re.compile(
    r"\s|[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
    "\u3001\u3002\uff01\uff0c\uff1f\U00020000-\U0003ffff]"
)
_INSIDE_WORDS = (r"\d", r"\w", r"\pL", r"\pN")


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a pattern: itself, and how it can begin up to where a word ends.

    ``begun`` is None if no word can end inside of the part.
    """

    whole: str
    begun: str | None


def begin_pattern(pattern: str) -> str | None:
    """Return a pattern for all, ending where a word ends, that a match of `pattern` can begin with.

    Args:
        pattern: one that `moderation.text.patterns.max_length` accepts.

    Returns:
        The pattern, or None if no word can end inside of a match.
    """
    part, position = _alternatives(pattern, 0)
    assert position == len(pattern)
    return part.begun


class Beginnings:
    """Looks for what could be the beginning of a match, at the end of a growing text."""

    def __init__(self, patterns: Sequence[str], length: int, before: str):
        """Prepare to look.

        Args:
            patterns: checked ones, case-folded.
            length: how many characters the longest match has.
            before: a pattern for what stands before every match.
        """
        self._length = length
        self._pattern = None
        self._is_known = True
        begun = "|".join(filter(None, map(begin_pattern, patterns)))
        try:
            self._pattern = compile_pattern(rf"{before}({begun})\z") if begun else None
        except BadPattern:  # too large: everything within reach may be a beginning
            self._is_known = False

    def find(self, text: str) -> int:
        """Return the earliest place in `text` from which a match may go on after its end."""
        start = max(0, len(text) - self._length - 1)
        if not self._is_known:
            return start
        if self._pattern is None:
            return len(text)
        found = next(iter(Text(text[start:]).find(self._pattern)), None)
        return len(text) if found is None else start + found[0]


def _alternatives(pattern: str, position: int) -> tuple[_Part, int]:
    choices: list[list[_Part]] = [[]]
    while position < len(pattern) and pattern[position] != ")":
        if pattern[position] == "|":
            choices.append([])
            position += 1
            continue
        part, position = _atom(pattern, position)
        times, end = read_times(pattern, position)
        choices[-1].append(_repeat(part, pattern[position:end], times))
        position = end
    whole = "|".join("".join(part.whole for part in parts) for parts in choices)
    begun = "|".join(dict.fromkeys(filter(None, map(_begin, choices))))
    return _Part(f"(?:{whole})", f"(?:{begun})" if begun else None), position


def _begin(parts: Sequence[_Part]) -> str | None:
    """Return how a sequence begins: as its first part does, or with that part and as the rest."""
    begun: str | None = None
    for part in reversed(parts):
        longer = None if begun is None else part.whole + begun
        if part.begun is None or longer is None:
            begun = part.begun if longer is None else longer
        elif part.begun == part.whole:
            begun = f"{part.whole}(?:{begun})?"
        else:
            begun = f"(?:{longer}|{part.begun})"
    return begun


def _repeat(part: _Part, quantifier: str, times: int) -> _Part:
    whole = part.whole + quantifier
    if times > 1 and part.begun is not None:
        return _Part(whole, f"(?:{part.whole}{{0,{times - 1}}}{part.begun})")
    return _Part(whole, part.begun)


def _atom(pattern: str, position: int) -> tuple[_Part, int]:
    char = pattern[position]
    if flags := _FLAGS.match(pattern, position):
        return _Part(flags.group(), None), flags.end()
    if char == "(":
        return _group(pattern, position)
    if char == "[":
        end = end_of_class(pattern, position)
        text = pattern[position:end]
        return _Part(text, text), end
    if char == "\\":
        escape = ESCAPE.match(pattern, position)
        assert escape is not None
        end = escape.end()
    else:
        end = position + 1
    text = pattern[position:end]
    if text in _BETWEEN:
        return _Part("", None), end
    ends_word = char in "\\." or WORD_END.match(char) is not None
    return _Part(text, text if ends_word and text not in _INSIDE_WORDS else None), end


def _group(pattern: str, position: int) -> tuple[_Part, int]:
    start = _GROUP.match(pattern, position)
    assert start is not None
    inner, position = _alternatives(pattern, start.end())
    if flags := start.group(1):
        begun = None if inner.begun is None else f"(?{flags}:{inner.begun})"
        inner = _Part(f"(?{flags}:{inner.whole})", begun)
    return inner, position + 1
