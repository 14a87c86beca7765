"""What is taken from a data folder: country records, word definitions and everyday requests."""

import io
import json
import logging
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

logger = logging.getLogger(__name__)
_CORPORA = ("simple_stories", "onestopenglish", "books")
_MIN_COUNT = 8
_NOUN_STARTS = ("a ", "an ", "the ", "any ", "someone ", "something ", "one ")
_LETTERS = re.compile(r"[a-z]{3,12}")
_BRACKETS = re.compile(r"\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Definition:
    """A common word with a single meaning."""

    word: str
    pos: str
    meaning: str
    example: str


@dataclass(frozen=True, slots=True)
class Sources:
    """The parts of a data folder the generator uses; all may be empty."""

    definitions: tuple[Definition, ...] = ()
    locations: tuple[tuple[str, str], ...] = ()


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a .jsonl.zst file; nothing if the file does not exist."""
    if not path.exists():
        logger.warning("no file %s: that part uses only the built-in tables", path.name)
        return
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as reader:
        for line in io.TextIOWrapper(reader, encoding="utf-8"):
            yield json.loads(line)


def count_words(folder: Path) -> Counter[str]:
    """Return how often each word occurs in the simple texts of the folder."""
    counts: Counter[str] = Counter()
    for name in _CORPORA:
        for row in read_rows(folder / f"{name}.jsonl.zst"):
            counts.update(_LETTERS.findall(str(row.get("text", ""))))
    return counts


def _clean_meaning(text: str) -> str:
    return _BRACKETS.sub("", text).split(";")[0].replace("  ", " ").strip(" ,.:")


def _is_plain(word: str, meaning: str) -> bool:
    has_word = re.search(rf"\b{word[:-1]}", meaning) is not None
    return 12 < len(meaning) < 110 and not has_word and "'" not in meaning


def _is_teachable(word: str, pos: str, meaning: str) -> bool:
    """Return whether the record reads well as an answer: no plurals, gerunds or participles."""
    if pos == "noun":
        return not word.endswith(("s", "ing")) and meaning.startswith(_NOUN_STARTS)
    if pos == "adj":
        return not word.endswith(("ed", "ing", "er", "est"))
    return pos == "verb" and not word.endswith(("ed", "ing"))


def read_definitions(folder: Path) -> tuple[Definition, ...]:
    """Return definitions of common words that WordNet knows in one meaning only."""
    counts = count_words(folder)
    rows = list(read_rows(folder / "wordnet_defs.jsonl.zst"))
    num_senses = Counter(word for row in rows for word in row["words"])
    found: list[Definition] = []
    for row in rows:
        meaning = _clean_meaning(row["definition"])
        for word in row["words"]:
            if num_senses[word] != 1 or counts[word] < _MIN_COUNT or not _is_plain(word, meaning):
                continue
            if not _is_teachable(word, row["pos"], meaning):
                continue
            example = next((text for text in row["examples"] if 10 < len(text) < 80), "")
            found.append(Definition(word, row["pos"], meaning, example))
    return tuple(found)


def read_locations(folder: Path) -> tuple[tuple[str, str], ...]:
    """Return (country, where it lies) pairs from the factbook."""
    pairs = []
    for row in read_rows(folder / "factbook.jsonl.zst"):
        name, place = str(row.get("name", "")), str(row.get("location", "")).split(";")[0]
        if name and "," not in name and 8 < len(place) < 110:
            pairs.append((name, place))
    return tuple(pairs)


def read_sources(data: Path | None) -> Sources:
    """Return what the data folder offers; empty sources without a folder."""
    if data is None:
        return Sources()
    folder = data / "pretrain"
    return Sources(read_definitions(folder), read_locations(folder))
