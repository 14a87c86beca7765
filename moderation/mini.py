"""The moderator "mini": a small encoder that understands more than single words.

Its figures are joined with those of the linear classifier "fast", for the two err differently:
the encoder knows what words mean, the linear one remembers them exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moderation.base import Manifest
from moderation.categories import TRAINED_CATEGORIES
from moderation.classifiers import linear
from moderation.classifiers.artifact import FOLDER, Artifact, broken, describe
from moderation.classifiers.composition import Composer
from moderation.classifiers.encoder import KIND, EncoderModel
from moderation.classifiers.linear import LinearModel
from moderation.classifiers.moderator import ClassifyingModerator, Scores
from moderation.classifiers.windows import cut_windows

# The encoder reads a long text in windows, and of a very long one those that the linear
# classifier finds worst, so that the time is bounded.
WINDOW_CHARS = 600
OVERLAP_CHARS = 100
_MAX_WINDOWS = 8


class MiniModerator(ClassifyingModerator):
    """Judges by meaning, in some ten milliseconds for a short text."""

    # Readable without loading any weights; the version of those is added when they are loaded.
    manifest = Manifest(
        "mini",
        "1",
        categories=TRAINED_CATEGORIES,
        languages=("en",),
        description="A small encoder, asked where a quick look isn't enough.",
    )

    def __init__(self, folder: str = "", linear_folder: str = ""):
        """Load the classifiers.

        Args:
            folder: where the encoder's manifest.json lies; that of the built-in one if empty.
            linear_folder: where that of the linear classifier lies with which it was calibrated.

        Raises:
            ModeratorError: a folder is missing or broken, or the two don't belong together.
        """
        artifact = Artifact.open(Path(folder or FOLDER / "mini"), KIND)
        helper = Artifact.open(Path(linear_folder or FOLDER / "fast"), linear.KIND)
        blend = Blend.read(artifact, helper)
        judge = Judge(EncoderModel.load(artifact), LinearModel.load(helper))

        def score(texts: Sequence[str]) -> Scores:
            return artifact.calibration.score(blend.join(*judge.judge(texts)))

        manifest = replace(
            type(self).manifest, version=artifact.version, categories=artifact.categories
        )
        super().__init__(manifest, score, Composer.load())


@dataclass(frozen=True, slots=True)
class Blend:
    """How much the figures of each classifier count, by category: float64 ``[C]``."""

    encoder: NDArray[np.float64]
    linear: NDArray[np.float64]

    @classmethod
    def read(cls, artifact: Artifact, helper: Artifact) -> "Blend":
        """Read the blend in the encoder's folder.

        Raises:
            ModeratorError: there is none, or it was made with another linear classifier.
        """
        try:
            wanted = artifact.settings["linear_version"]
            if wanted != helper.version or artifact.categories != helper.categories:
                raise ValueError(
                    f"it was calibrated together with version {wanted} of the linear classifier, "
                    f"and {helper.path} holds version {helper.version}"
                )
            weights = artifact.settings["blend"]
            encoder, line = (
                np.array([float(weights[name][category]) for category in artifact.categories])
                for name in ("encoder", "linear")
            )
            return cls(encoder, line)
        except (KeyError, TypeError, ValueError) as error:
            raise broken(artifact.path, describe(error)) from error

    def join(self, encoder: NDArray[np.float64], line: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weighted sum of two tables ``[N, C]``."""
        return self.encoder * encoder + self.linear * line


class Judge:
    """Asks both classifiers about texts of any length."""

    def __init__(self, encoder: EncoderModel, line: LinearModel):
        """Take the classifiers, whose categories must be the same."""
        self._encoder = encoder
        self._linear = line

    def judge(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return raw figures ``[texts, categories]`` of the encoder and of the linear one."""
        windows = [self._choose(text) for text in texts]
        every = [window for each in windows for window in each]
        found = self._encoder.judge(every).astype(np.float64)
        ends = np.cumsum([0, *map(len, windows)])
        rows = [found[start:end].max(axis=0) for start, end in pairwise(ends)]
        encoded = np.array(rows, np.float64).reshape(len(texts), found.shape[1])
        return encoded, self._linear.judge(texts)

    def _choose(self, text: str) -> list[str]:
        """Return the text's windows, of many only those that look worst."""
        windows = cut_windows(text, WINDOW_CHARS, OVERLAP_CHARS)
        if len(windows) <= _MAX_WINDOWS:
            return windows
        windows = list(dict.fromkeys(windows))
        worst = [-float(self._linear.judge_window(window).max()) for window in windows]
        return [windows[place] for place in np.argsort(worst, kind="stable")[:_MAX_WINDOWS]]
