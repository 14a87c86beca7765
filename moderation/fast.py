"""The moderator "fast": a linear classifier that has a look at every text."""

from moderation.base import Manifest
from moderation.categories import TRAINED_CATEGORIES
from moderation.classifiers.composition import Composer
from moderation.classifiers.moderator import Compose, LinearModerator


class FastModerator(LinearModerator):
    """Judges by runs of characters and words, in about a millisecond."""

    # Readable without loading any weights; the version of those is added when they are loaded.
    manifest = Manifest(
        "fast",
        "1",
        categories=TRAINED_CATEGORIES,
        languages=("en",),
        description="A quick look by a small linear classifier.",
    )

    @classmethod
    def composer(cls) -> Compose:
        """Return what sees harm that is put together from harmless words."""
        return Composer.load()
