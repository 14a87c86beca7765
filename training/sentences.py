"""Records and one-word answers put into plain sentences, with some variety."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

_NEUTRAL = ("The answer is {}.", "It is {}.", "I think it is {}.", "That would be {}.", "{}.")
_BY_QUESTION_WORD: Mapping[str, Sequence[str]] = {
    "who": ("It was {}.", "That was {}.", "The answer is {}.", "{}."),
    "when": ("The answer is {}.", "As far as I know, it was {}.", "That was {}."),
    "where": ("The answer is {}.", "That is {}.", "You would find it here: {}.", "{}."),
}
_PART_OF_SPEECH = {"n": "noun", "noun": "noun", "v": "verb", "verb": "verb", "adj": "adjective",
                   "a": "adjective", "s": "adjective", "r": "adverb", "adv": "adverb"}  # fmt: skip
_BRACKETS = re.compile(r"\s*\([^()]*\)")


def answer_sentence(question: str, answer: str) -> str:
    """Return a gold answer as a sentence; one of four words or more, or yes and no, stays."""
    bare = answer.strip().rstrip(".").strip()
    first_word = bare.lower().partition(",")[0].partition(".")[0]
    if len(bare.split()) > 4 or first_word in ("yes", "no", "true", "false", ""):
        return answer.strip()
    opening = question.strip().lower().partition(" ")[0]
    patterns = _BY_QUESTION_WORD.get(opening, _NEUTRAL)
    return _pick(patterns, question + answer).format(bare)


def definition_sentence(row: Mapping[str, Any]) -> str:
    """Return a WordNet record (words, pos, definition, examples) as one or two sentences."""
    word, *others = row["words"]
    meaning = _BRACKETS.sub("", row["definition"]).strip(" ;,")
    kind = _PART_OF_SPEECH.get(row.get("pos", ""), "word")
    patterns = (
        "The word '{w}' means: {m}.",
        "{W} ({k}): {m}.",
        "What does '{w}' mean? It is {a} {k} that means: {m}.",
        "'{w}' is {a} {k}. It means: {m}.",
    )
    article = "an" if kind[0] == "a" else "a"
    said = _pick(patterns, word + meaning).format(
        w=word, W=word.capitalize(), k=kind, m=meaning, a=article
    )
    if others:
        said += f" Another word for it is '{others[0]}'."
    if row.get("examples"):
        said += f" For example: {str(row['examples'][0]).strip(' .')}."
    return said


def country_sentences(row: Mapping[str, Any]) -> str:
    """Return what a factbook record says of a country, one plain sentence per field."""
    name = row["name"]
    patterns = {
        "capital": "The capital of {n} is {v}. {v} is the capital of {n}.",
        "location": "{n} lies in {v}.",
        "area": "{n} has an area of {v}.",
        "population": "About {v} people live in {n}.",
        "languages": "The languages of {n} are {v}.",
        "currency": "People in {n} pay with {v}.",
        "climate": "The climate of {n}: {v}.",
        "terrain": "The land of {n}: {v}.",
        "government": "The government of {n} is a {v}.",
    }
    values = {key: _plain(row.get(key)) for key in patterns}
    return " ".join(
        pattern.format(n=name, v=values[key]) for key, pattern in patterns.items() if values[key]
    )


def _plain(value: Any) -> str:
    """Return a field without its brackets, exchange rates and later clauses."""
    text = _BRACKETS.sub("", str(value or "")).partition(" per US dollar")[0]
    return text.partition(";")[0].strip(" -.")


def _pick(patterns: Sequence[str], key: str) -> str:
    """Choose by a hash of the text, so that the same row always reads the same."""
    digest = hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=4).digest()
    return patterns[int.from_bytes(digest, "big") % len(patterns)]
