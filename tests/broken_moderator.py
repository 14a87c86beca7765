"""A moderator that never works: what the policy says of failures is what counts."""

from typing import ClassVar


class Broken:
    """Fails at every text."""

    manifest: ClassVar = {"name": "broken"}

    def check(self, context: object) -> object:
        raise RuntimeError("out of order")
