"""The moderator "fast": a linear classifier that has a look at every text."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from moderation.artifact import FOLDER, Artifact
from moderation.base import Manifest
from moderation.categories import TRAINED_CATEGORIES
from moderation.classifying import ClassifyingModerator, Scores
from moderation.composition import Composer
from moderation.linear import KIND, LinearModel


class FastModerator(ClassifyingModerator):
    """Judges by runs of characters and words, in about a millisecond."""

    # Readable without loading any weights; the version of those is added when they are loaded.
    manifest = Manifest(
        "fast",
        "1",
        categories=TRAINED_CATEGORIES,
        languages=("en",),
        description="A quick look by a small linear classifier.",
    )

    def __init__(self, folder: str = ""):
        """Load the classifier.

        Args:
            folder: where its manifest.json lies; that of the built-in one if empty.

        Raises:
            ModeratorError: the folder is missing or broken.
        """
        artifact = Artifact.open(Path(folder or FOLDER / "fast"), KIND)
        model = LinearModel.load(artifact)

        def score(texts: Sequence[str]) -> Scores:
            return artifact.calibration.score(model.judge(texts))

        manifest = replace(
            type(self).manifest, version=artifact.version, categories=artifact.categories
        )
        super().__init__(manifest, score, Composer.load())
