"""Conversations in which people tried to make a model say harmful things: nobody labelled them.

What is said too plainly to be doubted is labelled here by its words (tag ``weak``); the rest is
for self-training.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from training.moderators.rows import Row
from training.moderators.sources.labels import label
from training.moderators.sources.lexicon import Lexicon
from training.moderators.sources.pack import find_file, read_records
from training.moderators.sources.patterns import load_patterns

_TURN = re.compile(r"\n\n(Human|Assistant): ")


def read_red_team(folder: Path, _: Lexicon) -> Iterator[Row]:
    """What people said in red-team dialogues; the family is the dialogue."""
    for number, record in enumerate(read_records(find_file(folder, "test.jsonl")), 1):
        parts = _TURN.split(record["chosen"])
        for speaker, said in zip(parts[1::2], parts[2::2], strict=True):
            if speaker == "Human" and len(said.split()) >= 3:
                labels = plain_labels(said)
                tags = ("weak",) if labels else ("unlabelled",)
                yield Row(said.strip(), labels, "hh_harmless", f"hh {number}", tags=tags)


def plain_labels(text: str) -> dict[str, int]:
    """Return the labels of a request whose words leave no doubt, else none."""
    patterns = load_patterns()
    if not patterns.asking.search(text) or patterns.not_meant.search(text):
        return {}
    for categories, pattern in patterns.plain:
        if pattern.search(text):
            unknown = ("harassment", "hate", "bias", "sexual", "illicit", "violence")
            return label(*categories, unknown=unknown)
    return {}
