"""Ordinary text: what people ask, tell and are answered, with nothing to refuse in it.

Nobody labelled these packs for harm. In a trusted one (questions of knowledge, school books,
definitions) even a violent or a medical word stands in harmless text: those rows are the hard
negatives. In the others a doubtful word leaves its categories unknown.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from training.moderators.ngrams import text_key
from training.moderators.rows import Row
from training.moderators.sources.labels import label_benign, without
from training.moderators.sources.lexicon import Lexicon
from training.moderators.sources.pack import find_file, read_records

# What one record says: (family, tag, text).
Said: TypeAlias = tuple[str, str, str]
Teller: TypeAlias = Callable[[int, Mapping[str, Any]], Iterator[Said]]

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’]?\s+(?=[A-Z\"'“‘])")
_MARKS = re.compile(r"[^.!?]*[.!?]")
# Sayings that are meant to hurt a bot, and dictionary entries for hurtful words.
_RUDE_INTENT = re.compile(r"abus|insult|profan|sex|rude|hate|flirt|marry|love", re.IGNORECASE)
_SLUR_ENTRY = re.compile(
    r"slur|offensive|derogat|disparag|ethnic|vulgar|obscene|insult|contempt|prostitut|homosexual",
    re.IGNORECASE,
)
_RUDE = ("harassment", "hate", "sexual", "bias", "violence", "self-harm")
_LEAST_WORDS, _MOST_WORDS = 12, 70
_LONGEST_ANSWER_WORDS = 250


def reader(
    name: str, teller: Teller, *, is_trusted: bool = False
) -> Callable[[Path, Lexicon], Iterator[Row]]:
    """Return the reader of a JSONL file (named without ``.zst``) whose records `teller` tells."""

    def read(path: Path, lexicon: Lexicon) -> Iterator[Row]:
        records = read_records(find_file(path.parent, path.name))
        for number, record in enumerate(records, 1):
            for family, tag, text in teller(number, record):
                doubts = set() if is_trusted else lexicon.doubts(text)
                if tag == "rude":
                    doubts.update(_RUDE)
                tags = ("benign", tag, *(("hard",) if is_trusted and lexicon.doubts(text) else ()))
                labels = without(label_benign(), doubts)
                yield Row(text, labels, name, f"{name} {family}", tags=tags)

    return read


def tell_chat(number: int, record: Mapping[str, Any]) -> Iterator[Said]:
    """A conversation: each turn of it."""
    intent = str(record.get("intent", ""))
    for turn in record.get("messages") or record["prompt"]:
        text = re.sub(r"\{\{\w+\}\}", "Palaver", turn["content"]).strip()
        is_prompt = turn["role"] == "user"
        is_rude = is_prompt and _RUDE_INTENT.search(intent)
        tag = "rude" if is_rude else "prompt" if is_prompt else "answer"
        if text and len(text.split()) <= _LONGEST_ANSWER_WORDS:
            yield _topic(record, number), tag, text


def tell_questions(number: int, record: Mapping[str, Any]) -> Iterator[Said]:
    """Only what was asked: the answers are a word or two."""
    for turn in record["messages"]:
        if turn["role"] == "user":
            yield str(number), "prompt", turn["content"].strip()


def tell_utterance(number: int, record: Mapping[str, Any]) -> Iterator[Said]:
    """A command to an assistant; the family is the intent."""
    yield record["intent"], "prompt", record["utterance"].strip()


def tell_definition(number: int, record: Mapping[str, Any]) -> Iterator[Said]:
    """A dictionary entry: asked for, or as an answer; and one example of its use."""
    word, meaning = record["words"][0], record["definition"].strip()
    tag = "rude" if _SLUR_ENTRY.search(meaning) else "answer"
    if text_key(word) % 3 == 0:
        yield word, "rude" if tag == "rude" else "prompt", f"What does {word} mean?"
    else:
        yield word, tag, f"{word}: {meaning}"


def tell_passages(number: int, record: Mapping[str, Any]) -> Iterator[Said]:
    """A text, cut into passages of a few whole sentences; the family is the text."""
    for paragraph in record["text"].split("\n"):
        for passage in cut_passages(paragraph):
            yield str(number), "answer", passage


def cut_passages(paragraph: str) -> Iterator[str]:
    """Yield passages of whole sentences, each of a few dozen words; fragments are dropped."""
    kept: list[str] = []
    num_words = 0
    for sentence in _SENTENCE_END.split(paragraph.strip()):
        length = len(sentence.split())
        if num_words and num_words + length > _MOST_WORDS:
            if num_words >= _LEAST_WORDS:
                yield " ".join(kept)
            kept, num_words = [], 0
        kept.append(sentence)
        num_words += length
    if _LEAST_WORDS <= num_words <= _MOST_WORDS and _MARKS.search(kept[-1]):
        yield " ".join(kept)


def tell_facts(number: int, record: Mapping[str, Any]) -> Iterator[Said]:
    """A country's history, in passages."""
    return tell_passages(number, {"text": record.get("background") or ""})


def tell_turns(number: int, record: Mapping[str, Any]) -> Iterator[Said]:
    """A dialogue of two people."""
    for turn in record["turns"]:
        yield str(number), "prompt", turn["text"].strip()


def _topic(record: Mapping[str, Any], number: int) -> str:
    """The same question with several answers is one family."""
    messages = record.get("messages") or record["prompt"]
    return str(text_key(messages[0]["content"]) if messages else number)
