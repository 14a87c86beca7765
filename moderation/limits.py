"""Messages too long to be meant for reading, and floods."""

import re
from itertools import groupby

from chat.errors import ModeratorError
from chat.types import Verdict
from moderation.base import Manifest, ModerationContext

_MIN_REPEATED_CHARS = 20
_RUN = re.compile(r"(.)\1{2,}", re.DOTALL)


class LimitsModerator:
    """Scores the category "limits" with 1 or 0."""

    def __init__(
        self,
        max_chars: int = 20_000,
        max_run: int = 1_000,
        max_word_run: int = 200,
        max_repeats: int = 4,
    ):
        """Set the limits of a question.

        Args:
            max_chars: the longest message.
            max_run: the longest run of one character.
            max_word_run: how many times one word may follow itself.
            max_repeats: how many times somebody may say the same thing in a conversation; short
                replies such as "yes" and "go on" don't count.

        Raises:
            ModeratorError: a limit isn't a positive number.
        """
        limits = {
            "max_chars": max_chars,
            "max_run": max_run,
            "max_word_run": max_word_run,
            "max_repeats": max_repeats,
        }
        for name, value in limits.items():
            lowest = 3 if name == "max_run" else 1
            if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
                raise ModeratorError(
                    f"{name} of the moderator 'limits' is {value!r}; "
                    f"allowed is a number from {lowest} up."
                )
        self.manifest = Manifest(
            "limits",
            "1",
            stages=("input",),
            categories=("limits",),
            description="Refuses messages that are too long, and floods.",
        )
        self._max_chars = max_chars
        self._max_repeats = max_repeats
        self._max_run = max_run
        self._max_word_run = max_word_run

    def check(self, context: ModerationContext) -> Verdict:
        """Judge the length, the runs and the repetition of the last message."""
        is_over = (
            len(context.text) > self._max_chars
            or any(len(run.group()) > self._max_run for run in _RUN.finditer(context.text))
            or _longest_word_run(context.text) > self._max_word_run
            or _num_repeats(context) > self._max_repeats
        )
        return self.manifest.verdict(context.stage, scores={"limits": float(is_over)})


def _longest_word_run(text: str) -> int:
    return max((sum(1 for _ in run) for _, run in groupby(text.split())), default=0)


def _num_repeats(context: ModerationContext) -> int:
    said = context.text.strip()
    if len(said) < _MIN_REPEATED_CHARS:
        return 0
    same = (m.role == "user" and m.content.strip() == said for m in context.messages)
    return sum(same)
