"""Phrase templates: `[a|b]` chooses, `<name>` inserts a shared phrase, `{slot}` is filled last."""

import random
import re
from functools import cache
from typing import TypeAlias

Part: TypeAlias = "str | tuple[Sequence, ...]"
Sequence: TypeAlias = "tuple[Part, ...]"

SHARED = {
    "whatis": "[what is|what is|what's|whats|tell me|can you tell me|could you tell me"
    "|do you know|I'd like to know|I want to know|please tell me|i need to know|any idea what is"
    "|can you say|would you tell me|remind me, what is|do you happen to know|so what is]",
    "tell": "[tell me|can you tell me|could you tell me|would you tell me|please tell me"
    "|do you know|I'd like to know|I want to know|I wonder|I was wondering|any idea|let me know]",
    "give": "[give me|can you give me|could you give me|please give me|I need|I'd like|I want"
    "|can I have|could I have|may I have|show me|can I get|I would like|let me have|gimme]",
    "write": "[write|write me|can you write|could you write|please write|make|make up|compose"
    "|create|can you make|could you make up|come up with|I'd like|I want|give me]",
    "can": "[can you|could you|would you|will you|please|are you able to|can you please]",
}
_TOKEN = re.compile(r"([\[\]|])")
_SHARED_NAME = re.compile(r"<([a-z_]+)>")
_SPACES = re.compile(r" {2,}")
_SPACE_BEFORE = re.compile(r" +([,.?!;]|:(?=\s|$))")


@cache
def parse(template: str) -> Sequence:
    """Return the tree of a template. Asserts that the brackets match."""
    text = _SHARED_NAME.sub(lambda found: SHARED[found.group(1)], template)
    stack: list[list[list[Part]]] = [[[]]]
    for token in _TOKEN.split(text):
        if token == "[":
            stack.append([[]])
        elif token == "|" and len(stack) > 1:
            stack[-1].append([])
        elif token == "]":
            assert len(stack) > 1, f"too many ] in {template!r}"
            options = stack.pop()
            stack[-1][-1].append(tuple(tuple(option) for option in options))
        elif token:
            stack[-1][-1].append(token)
    assert len(stack) == 1, f"missing ] in {template!r}"
    return tuple(stack[0][0])


def _walk(sequence: Sequence, rng: random.Random, out: list[str]) -> None:
    for part in sequence:
        if isinstance(part, str):
            out.append(part)
        else:
            _walk(part[int(rng.random() * len(part))], rng, out)


def tidy(text: str) -> str:
    """Remove doubled spaces and spaces before punctuation."""
    return _SPACE_BEFORE.sub(r"\1", _SPACES.sub(" ", text)).strip()


def expand(template: str, rng: random.Random) -> str:
    """Return one expansion of a template; slots stay as they are."""
    out: list[str] = []
    _walk(parse(template), rng, out)
    return tidy("".join(out))


@cache
def count(template: str) -> int:
    """Return how many expansions a template has (equal ones counted apart)."""

    def size(sequence: Sequence) -> int:
        total = 1
        for part in sequence:
            if not isinstance(part, str):
                total *= sum(size(option) for option in part)
        return total

    return size(parse(template))
