"""What the moderators with a classifier inside have in common."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chat.types import Verdict
from moderation.base import Manifest, ModerationContext
from moderation.classifiers.artifact import FOLDER, Artifact
from moderation.classifiers.linear import KIND, LinearModel
from moderation.text.language import is_foreign

Scores = NDArray[np.float64]
# Changes the scores of a text in view of its readings.
Compose = Callable[[Mapping[str, float], Sequence[str]], Mapping[str, float]]
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

    Words in other letters than Latin ones are left out, and readings in other languages than
    English; where nothing else is there, it abstains. About those it has learnt nothing.
    Offers ``check_batch``. Safe to use from several threads if `score` is.
    """

    def __init__(
        self,
        manifest: Manifest,
        score: Callable[[Sequence[str]], Scores],
        compose: Compose | None = None,
    ):
        """Take what scores texts ``[N]`` as ``[N, categories]``, in the manifest's order."""
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
        if not readings and re.search(r"[^\W\d_]", context.text):
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


class LinearModerator(ClassifyingModerator):
    """A moderator with one linear classifier, which lies in the folder of the moderator's name."""

    manifest: Manifest

    def __init__(self, folder: str = ""):
        """Load the classifier.

        Args:
            folder: where its manifest.json lies; that of the built-in one if empty.

        Raises:
            ModeratorError: the folder is missing or broken.
        """
        said = type(self).manifest
        artifact = Artifact.open(Path(folder or FOLDER / said.name), KIND)
        model = LinearModel.load(artifact)

        def score(texts: Sequence[str]) -> Scores:
            return artifact.calibration.score(model.judge(texts))

        loaded = replace(said, version=artifact.version, categories=artifact.categories)
        super().__init__(loaded, score, self.composer())

    @classmethod
    def composer(cls) -> Compose | None:
        """Return what changes the scores, if anything does."""
        return None


def _read(context: ModerationContext) -> list[str]:
    """Return the readings, without foreign words, in which there is something to read."""
    readings = (_leave_out_foreign(text) for text in context.readings)
    found = [text for text in dict.fromkeys(readings) if text and not text.isspace()]
    return [text for text in found if not is_foreign(text)]


def _leave_out_foreign(text: str) -> str:
    kept, num_foreign = _FOREIGN_WORDS.subn(" ", text)
    if not num_foreign:
        return text
    return kept if _LETTERS.search(kept) else ""
