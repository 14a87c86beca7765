"""Categories that a classifier hardly learns by itself, put together from what it knows.

Examples of some categories are rare, or ought not to exist: sexual texts about minors, threats
against groups. There a category that is well known (sexual, hate) is joined with a list of terms
(minors, threats): where both are found in one text, the rarer category is as likely as the
other one.
"""

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import re2

from chat.errors import ModeratorError

FOLDER = Path(__file__).parent / "lexicons"


@dataclass(frozen=True, slots=True)
class Step:
    """`target` becomes at least `share` of the lowest of `parts`, if each lexicon of `lexicons`
    is found in the text and that lowest reaches `least`.
    """

    target: str
    parts: tuple[str, ...]
    lexicons: tuple[str, ...] = ()
    share: float = 1.0
    least: float = 0.0


# In this order: a later step may build on an earlier one.
STEPS = (
    Step("sexual/minors", ("sexual",), ("minors",), least=0.3),
    Step("hate/threatening", ("hate", "violence")),
    Step("hate/threatening", ("hate", "harassment/threatening")),
    Step("hate/threatening", ("hate",), ("threats",), least=0.3),
    Step("harassment/threatening", ("harassment", "violence")),
    Step("harassment/threatening", ("harassment",), ("threats",), least=0.3),
    Step("violence/graphic", ("violence",), ("gore",), least=0.3),
    # Whoever is found guilty of the special is guilty of the general.
    Step("sexual", ("sexual/minors",)),
    Step("hate", ("hate/threatening",)),
    Step("harassment", ("harassment/threatening",)),
    Step("violence", ("violence/graphic",)),
)


def compose(
    scores: Mapping[str, float], found: Collection[str], steps: Sequence[Step] = STEPS
) -> dict[str, float]:
    """Return `scores` after all `steps`; `found` names the lexicons with a term in the text.

    No score falls, and no category is added that wasn't judged.
    """
    told = dict(scores)
    for step in steps:
        if step.target not in told or not set(step.lexicons) <= set(found):
            continue
        lowest = min(told.get(part, 0.0) for part in step.parts)
        if lowest >= step.least:
            told[step.target] = max(told[step.target], step.share * lowest)
    return told


class Composer:
    """Applies the steps to texts, with the lexicons that they need."""

    def __init__(self, lexicons: Mapping[str, Any]):
        """Take a compiled pattern for each lexicon's name."""
        self._lexicons = lexicons

    @classmethod
    def load(cls, folder: Path = FOLDER) -> "Composer":
        """Read the lexicons that the steps name.

        Raises:
            ModeratorError: a lexicon is missing or broken.
        """
        return cls(_load(folder))

    def __call__(self, scores: Mapping[str, float], readings: Sequence[str]) -> dict[str, float]:
        """Return the scores of a text, composed by the terms found in any of its readings."""
        if max(scores.values(), default=0.0) < _LEAST_LOOKED_AT:
            return dict(scores)
        texts = [text.encode("utf-8", "replace").decode("utf-8") for text in readings]
        found = {
            name
            for name, pattern in self._lexicons.items()
            if any(pattern.search(text) for text in texts)
        }
        return compose(scores, found)


_LEAST_LOOKED_AT = 0.05


@cache
def _load(folder: Path) -> Mapping[str, Any]:
    names = {name for step in STEPS for name in step.lexicons}
    return {name: _compile(folder / f"{name}.toml") for name in sorted(names)}


def _compile(path: Path) -> Any:
    try:
        terms = tomllib.loads(path.read_text(encoding="utf-8"))["terms"]
        escaped = [re.escape(term.lower()).replace(r"\ ", " ") for term in terms]
        if not escaped:
            raise ValueError("there are no terms")
        return re2.compile(r"(?:^|[^\pL\pN])(?:" + "|".join(escaped) + r")(?:$|[^\pL\pN])")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, re2.error) as error:
        raise ModeratorError(
            f"The lexicon {path} can't be used ({error}); it needs a list of terms, as in "
            'terms = ["one", "two"].'
        ) from error
