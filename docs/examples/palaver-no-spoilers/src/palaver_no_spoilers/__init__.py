"""A moderator for Palaver that keeps the ends of films secret. It imports nothing of Palaver."""

from collections.abc import Sequence
from typing import Any

MAX_WORDS_CHARS = 80


class NoSpoilers:
    """Finds sentences that give an end away, however they are disguised."""

    def __init__(self, words: Sequence[str] = ("the butler did it", "rosebud is a sledge")):
        """Take the words to look for, from the operator's settings or those above."""
        if not words or not all(0 < len(word) <= MAX_WORDS_CHARS for word in words):
            raise ValueError(f"words must have 1 to {MAX_WORDS_CHARS} characters each")
        self.words = tuple(word.lower() for word in words)
        self.manifest = {
            "name": "no-spoilers",
            "version": "1.0",
            "stages": ["input", "output"],
            "categories": ["spoilers"],
            "hold_back": max(map(len, self.words)),
            "description": "Keeps the ends of films secret.",
        }

    def check(self, context: Any) -> dict[str, object]:
        """Say where in the text the words are; what follows from that is the policy's to say."""
        view = context.normalised
        spans = []
        for word in self.words:
            start = view.text.find(word)
            while start >= 0:
                end = start + len(word)
                spans.append((*view.locate(start, end), "spoilers"))
                start = view.text.find(word, end)
        return {"scores": {"spoilers": 1.0 if spans else 0.0}, "spans": spans}
