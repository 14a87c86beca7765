"""The moderator "jailbreak": attempts to take the model over, by the user or by a text."""

from moderation.base import Manifest
from moderation.classifiers.moderator import LinearModerator


class JailbreakModerator(LinearModerator):
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
