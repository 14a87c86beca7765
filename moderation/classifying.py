"""What the moderators with a classifier inside have in common."""

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from chat.types import Verdict
from moderation.base import Manifest, ModerationContext

Scores = NDArray[np.float64]
# Scores are told in so many digits: what lies below is the arithmetic of one machine or another.
_DIGITS = 4
# Words in other letters than Latin ones, marks and vowel signs among them. The classifiers have
# learnt nothing about them, so whatever they said would be chance.
_FOREIGN_WORDS = re.compile(
    r"(?:[^\W\d_a-zA-Z\u00aa\u00ba\u00c0-\u024f\u1e00-\u1eff][^\w\s\x00-\x7f\U0001f000-\U0001ffff]*)+"
)
_LETTERS = re.compile(r"[^\W\d_]{2}")


class ClassifyingModerator:
    """Scores every reading of a text and tells the highest score of each category.

    Words in other letters than Latin ones are left out; where no others are, it abstains.
    Offers ``check_batch``. Safe to use from several threads if `score` is.
    """

    def __init__(
        self,
        manifest: Manifest,
        score: Callable[[Sequence[str]], Scores],
        compose: Callable[[Mapping[str, float], Sequence[str]], Mapping[str, float]] | None = None,
    ):
        """Take what scores texts ``[N]`` as ``[N, categories]``, in the manifest's order.

        `compose` may change the scores of a text in view of its readings.
        """
        self.manifest = manifest
        self._score = score
        self._compose = compose

    def check(self, context: ModerationContext) -> Verdict:
        """Score the last message."""
        return self.check_batch([context])[0]

    def check_batch(self, contexts: Sequence[ModerationContext]) -> list[Verdict]:
        """Score the last messages of several contexts at once, in their order."""
        readings = [_read(context) for context in contexts]
        texts = list(dict.fromkeys(text for each in readings for text in each))
        scores = self._score(texts) if texts else np.zeros((0, 0))
        places = {text: place for place, text in enumerate(texts)}
        return [
            self._answer(context, each, scores[[places[text] for text in each]])
            for context, each in zip(contexts, readings, strict=True)
        ]

    def _answer(
        self, context: ModerationContext, readings: Sequence[str], scores: Scores
    ) -> Verdict:
        if not readings and _FOREIGN_WORDS.search(context.text):
            name, version = self.manifest.name, self.manifest.version
            return Verdict(name, version, context.stage, outcome="abstained", reason="language")
        names = self.manifest.categories
        worst = scores.max(axis=0).tolist() if len(readings) else [0.0] * len(names)
        told: Mapping[str, float] = dict(zip(names, worst, strict=True))
        if self._compose is not None and readings:
            told = self._compose(told, readings)
        return self.manifest.verdict(
            context.stage, scores={name: round(score, _DIGITS) for name, score in told.items()}
        )


def _read(context: ModerationContext) -> list[str]:
    """Return the readings, without foreign words, in which there is something to read."""
    readings = (_leave_out_foreign(text) for text in context.readings)
    return [text for text in dict.fromkeys(readings) if text and not text.isspace()]


def _leave_out_foreign(text: str) -> str:
    kept, num_foreign = _FOREIGN_WORDS.subn(" ", text)
    if not num_foreign:
        return text
    return kept if _LETTERS.search(kept) else ""
