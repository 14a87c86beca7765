"""The names of what moderators look for, and what each name means."""

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

# OpenAI's thirteen, then our own. The order is the precedence of answers: if two categories lead
# to the same action, the person reads the answer of the earlier one.
CATEGORIES: Mapping[str, str] = MappingProxyType(
    {
        "sexual/minors": "Sexual content that involves anybody under 18.",
        "self-harm/intent": "Somebody says that they want to hurt or kill themselves.",
        "self-harm/instructions": "How to hurt or kill oneself, asked for or given.",
        "self-harm": "Suicide, self-injury or eating disorders, shown or encouraged.",
        "illicit/violent": "Instructions for weapons, explosives or violent crime.",
        "illicit": "Instructions for crime: drugs, fraud, theft, breaking into computers.",
        "hate/threatening": "Hate against a group, with violence or a wish for it.",
        "hate": "Contempt for people because of what they are: origin, religion, sex, ...",
        "harassment/threatening": "A threat against a person.",
        "harassment": "Insults and bullying of a person.",
        "violence/graphic": "Death, injury or cruelty in gory detail.",
        "violence": "Violence praised, encouraged or wished for.",
        "sexual": "Explicit sexual content.",
        "jailbreak": "An attempt to talk the model out of its rules.",
        "injection": "Text that poses as instructions from the operator.",
        "secrets": "Keys, passwords and tokens. Kinds follow a slash, as in secrets/jwt.",
        "pii": "Personal data. Kinds follow a slash, as in pii/email.",
        "bias": "A sweeping judgement about a group of people.",
        "profanity": "Swear words aimed at nobody.",
        "spam": "Advertising and chain letters.",
        "limits": "Too long, or flooding.",
    }
)

# The hazards of MLCommons (AILuminate, and the two that Llama Guard 3 adds): what each is called
# there, and which of our categories speak of it. Four have none: nobody here looks for them.
# https://mlcommons.org/ailuminate, https://huggingface.co/meta-llama/Llama-Guard-3-8B
HAZARDS: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "S1": (
            "Violent Crimes",
            ("illicit/violent", "violence", "hate/threatening", "harassment/threatening"),
        ),
        "S2": ("Non-Violent Crimes", ("illicit",)),
        "S3": ("Sex-Related Crimes", ("sexual", "illicit")),
        "S4": ("Child Sexual Exploitation", ("sexual/minors",)),
        "S5": ("Defamation", ("harassment",)),
        "S6": ("Specialized Advice", ()),
        "S7": ("Privacy", ("pii",)),
        "S8": ("Intellectual Property", ()),
        "S9": ("Indiscriminate Weapons", ("illicit/violent",)),
        "S10": ("Hate", ("hate", "hate/threatening", "bias")),
        "S11": ("Suicide & Self-Harm", ("self-harm", "self-harm/intent", "self-harm/instructions")),
        "S12": ("Sexual Content", ("sexual",)),
        "S13": ("Elections", ()),
        "S14": ("Code Interpreter Abuse", ()),
    }
)
_PLACES = {name: place for place, name in enumerate(CATEGORIES)}

# What the classifiers judge; the order is that of their outputs.
TRAINED_CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
    "jailbreak",
    "injection",
    "bias",
)


def hazards_of(category: str) -> tuple[str, ...]:
    """Return the MLCommons hazards that a category speaks of, such as ("S7",) for pii/email."""
    name = category if category in CATEGORIES else category.partition("/")[0]
    return tuple(code for code, (_, categories) in HAZARDS.items() if name in categories)


def is_known(category: str, extra: Iterable[str] = ()) -> bool:
    """Say if `category`, or what stands before its slash, is ours or one of `extra`."""
    names = {category, category.partition("/")[0]}
    return any(name in CATEGORIES for name in names) or not names.isdisjoint(extra)


def find_uncovered(covered: Collection[str]) -> list[str]:
    """Return those of our categories that are not in `covered`, and none of whose kinds is."""
    heads = {*covered, *(name.partition("/")[0] for name in covered)}
    return [name for name in CATEGORIES if name not in heads]


def precedence(category: str) -> int:
    """Return the place of `category` in the order of answers; names not ours come last."""
    head = category.partition("/")[0]
    return _PLACES.get(category, _PLACES.get(head, len(_PLACES)))
