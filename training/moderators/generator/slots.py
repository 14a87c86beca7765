"""Slots of templates, `{person}` or `{group:other}`, filled from phrases/slots.toml."""

import random
import re
from collections.abc import Mapping
from types import MappingProxyType

from training.generator.grammar import expand
from training.moderators.generator.phrases import read_blocks

_TRIES = 6
_SLOT = re.compile(r"\{([a-z_]+)(?::([a-z]+))?\}")
# These stand in phrases for marks that have a meaning there.
_LITERALS = str.maketrans({"⟦": "[", "⟧": "]", "⦃": "{", "⦄": "}", "¦": "|", "‹": "<"})
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeio]|un[^i])")
_SENTENCE = re.compile(r"(?:^|[.!?]\s+|\n)([a-z])")


def fill(template: str, rng: random.Random, given: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return one expansion of a template with all its slots filled.

    A slot that occurs twice gets one phrase both times; `{person:b}` is another person.
    `given` holds the phrases of slots that are settled; phrases/slots.toml has all others.
    """
    chosen = dict(given)
    text = expand(template.replace("<", "‹"), rng)  # the grammar reads <name> as a phrase
    while found := _SLOT.search(text):
        key = found.group(0)[1:-1]
        if key not in chosen:
            chosen[key] = _draw(found.group(1), chosen, rng)
        text = text.replace(found.group(0), chosen[key])
    return _ARTICLE.sub(r"\1n ", text).translate(_LITERALS)


def _draw(name: str, chosen: Mapping[str, str], rng: random.Random) -> str:
    """Return a phrase for a slot, not one that stands in the text already if that can be."""
    lines = read_blocks("slots")[name]
    for _ in range(_TRIES):
        phrase = expand(rng.choice(lines), rng)
        if phrase not in chosen.values():
            break
    return phrase


def start_sentences(text: str) -> str:
    """Return the text with the first letter of each sentence in upper case."""
    return _SENTENCE.sub(lambda found: found.group(0)[:-1] + found.group(1).upper(), text)
