"""The moderator "jailbreak": attempts to take the model over, by the user or by a text."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from moderation.artifact import FOLDER, Artifact
from moderation.base import Manifest
from moderation.classifying import ClassifyingModerator, Scores
from moderation.linear import KIND, LinearModel


class JailbreakModerator(ClassifyingModerator):
    """Judges by runs of characters and words, and by how such attempts are built.

    Only questions are judged: an answer can't take the model over, and may well explain how
    others try to.
    """

    # Readable without loading any weights; the version of those is added when they are loaded.
    manifest = Manifest(
        "jailbreak",
        "1",
        stages=("input",),
        categories=("jailbreak", "injection"),
        languages=("en",),
        description="Attempts to talk the model out of its rules, and hidden instructions.",
    )

    def __init__(self, folder: str = ""):
        """Load the classifier.

        Args:
            folder: where its manifest.json lies; that of the built-in one if empty.

        Raises:
            ModeratorError: the folder is missing or broken.
        """
        artifact = Artifact.open(Path(folder or FOLDER / "jailbreak"), KIND)
        model = LinearModel.load(artifact)

        def score(texts: Sequence[str]) -> Scores:
            return artifact.calibration.score(model.judge(texts))

        manifest = replace(
            type(self).manifest, version=artifact.version, categories=artifact.categories
        )
        super().__init__(manifest, score)
