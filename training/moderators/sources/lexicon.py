"""Words that make a label doubtful: text without them may be called benign without a look."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from training.moderators.sources.pack import read_table, read_text

# Parts of words, as they begin. These don't say that a text is harmful: they say that a pack of
# ordinary text, in which nobody labelled anything, can't be trusted to be harmless there.
_STEMS: Mapping[tuple[str, ...], str] = {
    ("violence", "violence/graphic", "illicit/violent", "harassment/threatening",
     "hate/threatening"):
        r"kill murder stab shoot shot assassin massacre slaughter behead strangl choke throttl "
        r"tortur mutilat dismember gore blood corpse bomb explos terroris genocid lynch "
        r"beat(?:en|ing|s)?\b assault attack rape raping rapist weapon guns?\b rifle grenade "
        r"knife knives poison burn hang(?:ed|ing)?\b hurt violen brutal execut death dead "
        r"die[sd]?\b dying cruel abus hostage kidnap",
    ("illicit", "illicit/violent"):
        r"drug cocaine heroin meth cannabis marijuana weed dealer steal stole theft thief robb "
        r"rob\b hack malware virus phish ransom crack pirat smuggl launder counterfeit forg "
        r"fraud scam brib crime criminal illegal weapon explos bomb poison kidnap traffick "
        r"hitman burgl tax password spy lockpick fake cheat",
    ("self-harm", "self-harm/intent", "self-harm/instructions"):
        r"suicid overdos anorex bulimi starv depress hopeless worthless selfharm cutting noose "
        r"kill die[sd]?\b death harm",
    ("sexual", "sexual/minors"):
        r"sex porn nude naked erotic orgasm masturbat genital penis vagina breast boob lust\b "
        r"seduc intercourse prostitut escort fetish kink virgin stripp incest pedophil molest "
        r"grope condom horny arous rape raping rapist nipple intimate",
    ("hate", "hate/threatening", "bias", "harassment"):
        r"black white asian african mexican latin hispanic arab muslim islam jews?\b jewish "
        r"christian catholic hindu gay lesbian trans queer homosexual bisexual immigrant "
        r"refugee gypsy gypsies women woman men\b girls boys blond disabled retard cripple "
        r"autis race racis nigg fag negro slave nazi hitler holocaust feminis foreigner native "
        r"indian chinese",
    ("harassment", "harassment/threatening", "hate"):
        r"stupid idiot moron dumb fool loser ugly fat\b pathetic disgust hate scum trash "
        r"worthless coward liar lazy jerk shut crazy insane freak pigs?\b creep bully insult",
    ("jailbreak", "injection"):
        r"jailbreak chatgpt ignore disregard unfiltered uncensored dan\b pretend roleplay "
        r"bypass restriction forget override prompt",
}  # fmt: skip
_SWEARING = ("harassment", "hate", "sexual", "bias")
# Words of the profanity lists that ordinary text is full of.
_ORDINARY = (
    "69 ass balls black bum bung butt crap damn dick god goddamn hell juggs lube nuts pricks "
    "queen raging rear sob suck sucks swine tart tit tush tied snowballing topless twat willy "
    "wang yellow crow fairy fruit ginger hun lady pot bloody bollocks knob"
)
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Which categories a text's words leave in doubt."""

    patterns: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...]
    swearing: frozenset[str]

    def doubts(self, text: str) -> set[str]:
        """Return the categories for which a label of 0 can't be trusted without a look."""
        folded = text.casefold()
        found = {
            each
            for categories, pattern in self.patterns
            if pattern.search(folded)
            for each in categories
        }
        if self.has_profanity(folded):
            found.update(_SWEARING)
        return found

    def has_profanity(self, text: str) -> bool:
        """Say whether a word of the profanity lists stands in the text."""
        return not self.swearing.isdisjoint(_WORD.findall(text.casefold()))


def build_lexicon(words: Iterable[str] = ()) -> Lexicon:
    """Return the lexicon, with these profane words (phrases are left out)."""
    swearing = {word.casefold() for word in words if word.isalpha() and len(word) > 2}
    return Lexicon(
        tuple((categories, _starts_with(stems)) for categories, stems in _STEMS.items()),
        frozenset(swearing.difference(_ORDINARY.split())),
    )


def load_lexicon(folder: Path) -> Lexicon:
    """Return the lexicon with the profanity lists of a folder of packs.

    Raises:
        SetupError: a list isn't there.
    """
    words = read_text(folder / "ldnoobw", "en").split("\n")
    terms = read_table(folder / "surge_profanity", "profanity_en.csv", ["text"])
    return build_lexicon([*words, *(term["text"] for term in terms)])


def _starts_with(stems: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(stems.split())})")
