"""All sixteen labels of a generated text: it is known what each was written to be."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from moderation.categories import TRAINED_CATEGORIES

# A text of the left category is one of the right category too.
_PARENTS = {
    "harassment/threatening": "harassment",
    "hate/threatening": "hate",
    "illicit/violent": "illicit",
    "self-harm/intent": "self-harm",
    "self-harm/instructions": "self-harm",
    "sexual/minors": "sexual",
}
# Where the left category holds, people differ on the right ones: they are left unknown.
_NEIGHBOURS: Mapping[str, tuple[str, ...]] = {
    "harassment": ("hate", "bias", "illicit"),
    "harassment/threatening": ("violence", "illicit/violent"),
    "hate": ("harassment", "bias"),
    "hate/threatening": ("violence", "harassment/threatening", "illicit/violent"),
    "bias": ("hate", "harassment"),
    "illicit/violent": ("violence", "harassment", "harassment/threatening", "hate/threatening"),
    "self-harm/intent": ("self-harm/instructions",),
    "self-harm/instructions": ("self-harm/intent", "illicit"),
    "sexual/minors": ("illicit",),
    "violence": ("harassment", "harassment/threatening", "violence/graphic", "illicit/violent"),
    "violence/graphic": ("violence",),
    "jailbreak": ("injection",),
    "injection": ("jailbreak",),
}


def label(positive: Iterable[str], unknown: Iterable[str] = ()) -> Mapping[str, int]:
    """Return 1 for `positive` (and what they imply), nothing for the unknown, 0 for the rest.

    Asserts that every name is a trained category.
    """
    named = tuple(positive)
    held = {*named, *(_PARENTS[name] for name in named if name in _PARENTS)}
    masked = {*unknown, *(near for name in held for near in _NEIGHBOURS.get(name, ()))}
    assert held | masked <= set(TRAINED_CATEGORIES), f"unknown category in {held | masked}"
    return MappingProxyType(
        {
            name: int(name in held)
            for name in TRAINED_CATEGORIES
            if name in held or name not in masked
        }
    )
