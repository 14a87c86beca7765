"""How people really type: case, punctuation, small typos and polite decorations."""

import random
import re

_OPENERS = (
    "hi, ", "hello, ", "hey, ", "hey ", "hi! ", "Hello! ", "ok, ", "okay, ", "ok so ", "so, ",
    "um, ", "well, ", "please, ", "quick question: ", "Palaver, ", "hey Palaver, ", "hi Palaver, ",
    "excuse me, ", "sorry, ", "question: ", "alright, ", "now ", "and ", "good. ", "great. ",
    "one more thing: ", "hmm, ",
)  # fmt: skip
_CLOSERS = (
    " please", " please", ", please", " thanks", ", thanks", " pls", " :)", " thank you",
    ", thank you!", " Palaver", " plz", "...", " :-)", " please?",
)  # fmt: skip
_WORD = re.compile(r"[a-z]{5,}")
_QUESTION_END = re.compile(r"[?.!]+$")


def capitalise(text: str) -> str:
    """Return the text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def _misspell(word: str, rng: random.Random) -> str:
    spot = rng.randrange(1, len(word) - 2)
    kind = rng.random()
    if kind < 0.4:
        return word[:spot] + word[spot + 1] + word[spot] + word[spot + 2 :]
    if kind < 0.8:
        return word[:spot] + word[spot + 1 :]
    return word[:spot] + word[spot] + word[spot:]


def add_typo(text: str, rng: random.Random, keep: str) -> str:
    """Return the text with one misspelt word that does not occur in `keep`."""
    words = [found for found in _WORD.finditer(text) if found.group() not in keep]
    if not words:
        return text
    found = rng.choice(words)
    return text[: found.start()] + _misspell(found.group(), rng) + text[found.end() :]


def decorate(text: str, rng: random.Random) -> str:
    """Return the text with, now and then, a polite opener or closer."""
    draw = rng.random()
    if draw < 0.07:
        opener = rng.choice(_OPENERS)
        text = opener + (text[0].lower() + text[1:] if not text.startswith("I") else text)
    elif draw < 0.12:
        end = _QUESTION_END.search(text)
        mark = end.group() if end else ""
        closer = rng.choice(_CLOSERS)
        text = text[: len(text) - len(mark)] + closer
        if mark == "?" and closer[-1].isalpha():
            text += mark
    return text


def roughen(text: str, rng: random.Random, keep: str = "") -> str:
    """Return the text as a hurried person might have typed it; words in `keep` stay whole."""
    text = capitalise(text)
    if rng.random() < 0.05:
        text = add_typo(text, rng, keep.lower())
    draw = rng.random()
    if draw < 0.34:
        text = text.lower()
    elif draw < 0.355:
        text = text.upper()
    if rng.random() < 0.3:
        text = _QUESTION_END.sub("", text) or text
    elif rng.random() < 0.03:
        text = _QUESTION_END.sub(lambda end: end.group() * 2, text)
    if "'" in text and rng.random() < 0.08:
        text = text.replace("'", "") or text
    return text
