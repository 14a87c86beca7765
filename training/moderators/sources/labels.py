"""Labels with what follows from them: a threat is harassment, a slur's violence is unknown."""

from collections.abc import Iterable

from moderation.categories import TRAINED_CATEGORIES

# A text of the first kind is always one of the second, too.
_PARENTS = {
    "harassment/threatening": ("harassment", "violence"),
    "hate/threatening": ("hate", "violence"),
    "illicit/violent": ("illicit",),
    "self-harm/intent": ("self-harm",),
    "self-harm/instructions": ("self-harm",),
    "sexual/minors": ("sexual",),
    "violence/graphic": ("violence",),
}
# Where the first holds, nobody can say the others don't, unless somebody looked.
_AKIN = {
    "harassment": ("hate", "bias", "harassment/threatening", "violence"),
    "harassment/threatening": ("hate", "hate/threatening", "bias", "violence/graphic"),
    "hate": ("harassment", "bias", "hate/threatening", "harassment/threatening", "violence"),
    "hate/threatening": ("harassment", "harassment/threatening", "bias", "violence/graphic"),
    "illicit": ("illicit/violent",),
    "illicit/violent": ("violence", "violence/graphic"),
    "self-harm": ("self-harm/intent", "self-harm/instructions", "violence"),
    "sexual": ("harassment",),
    "sexual/minors": ("illicit", "illicit/violent"),
    "violence": ("violence/graphic", "harassment", "harassment/threatening", "illicit",
                 "illicit/violent"),
    "jailbreak": ("injection",),
    "injection": ("jailbreak",),
    "bias": ("hate", "harassment"),
}  # fmt: skip


def label(
    *found: str, not_found: Iterable[str] = (), unknown: Iterable[str] = ()
) -> dict[str, int]:
    """Return labels for all categories: 1 where found, missing where unknown, else 0.

    What follows from a finding is found, too; what is akin to one is unknown, unless it stands
    in `not_found`.
    """
    return _label(found, not_found, unknown, otherwise=True)


def label_only(*found: str, not_found: Iterable[str] = ()) -> dict[str, int]:
    """Return labels for what was found and what was not; all else is unknown."""
    return _label(found, not_found, (), otherwise=False)


def label_benign(unknown: Iterable[str] = ()) -> dict[str, int]:
    """Return labels that say 0 for every category but the unknown ones."""
    return label(unknown=unknown)


def without(labels: dict[str, int], unknown: Iterable[str]) -> dict[str, int]:
    """Return labels in which the 0 of each of these categories became unknown."""
    doubted = set(unknown)
    return {k: v for k, v in labels.items() if v or k not in doubted}


def _label(
    found: Iterable[str], not_found: Iterable[str], unknown: Iterable[str], *, otherwise: bool
) -> dict[str, int]:
    positive = _with_parents(found)
    negative = set(not_found) - positive
    akin = {each for category in positive for each in _AKIN.get(category, ())}
    doubted = (akin | _with_parents(unknown)) - positive - negative
    assert (positive | negative | doubted) <= set(TRAINED_CATEGORIES), "an unknown category"
    labels: dict[str, int] = {}
    for category in TRAINED_CATEGORIES:
        if category in positive:
            labels[category] = 1
        elif category in negative or (otherwise and category not in doubted):
            labels[category] = 0
    return labels


def _with_parents(categories: Iterable[str]) -> set[str]:
    named = set(categories)
    return named | {parent for each in named for parent in _PARENTS.get(each, ())}
