"""The -ing form of a verb phrase."""

import re

_VOWELS = "aeiou"
_KEEP_E = ("see", "flee", "free", "agree", "dye", "eye", "hoe", "singe", "shoe", "be", "tee")
_IRREGULAR = {
    "die": "dying",
    "lie": "lying",
    "tie": "tying",
    "untie": "untying",
    "panic": "panicking",
    "mimic": "mimicking",
    "traffic": "trafficking",
    "be": "being",
}
# Longer verbs that double their last letter; short ones follow a rule.
_DOUBLING = frozenset(
    (
        "wiretap",
        "kidnap",
        "program",
        "begin",
        "forget",
        "commit",
        "submit",
        "admit",
        "refer",
        "transfer",
        "propel",
        "compel",
        "control",
        "patrol",
        "cancel",
        "upset",
        "unplug",
        "reset",
        "format",
        "outrun",
        "input",
        "airdrop",
    )
)
_SYLLABLES = re.compile(r"[aeiouy]+")


def add_ing(phrase: str) -> str:
    """Return a verb phrase with its first verb in the -ing form ("cutting a rope")."""
    verb, space, rest = phrase.partition(" ")
    return _inflect(verb) + space + rest


def _inflect(verb: str) -> str:
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    if verb.endswith("e") and verb not in _KEEP_E and not verb.endswith(("ee", "oe")):
        return verb[:-1] + "ing"
    return verb + (verb[-1] if _doubles(verb) else "") + "ing"


def _doubles(verb: str) -> bool:
    if verb in _DOUBLING:
        return True
    if len(verb) < 3 or verb[-1] in _VOWELS + "wxy":
        return False
    closed = verb[-2] in _VOWELS and (verb[-3] not in _VOWELS or verb[-3:-1] == "ui")
    return closed and len(_SYLLABLES.findall(verb)) == 1
