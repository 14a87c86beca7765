"""Personal data, by its shape and, where it has one, by its check digits."""

import ipaddress
import re
from collections.abc import Collection, Iterator

from chat.errors import ModeratorError
from chat.types import Verdict
from moderation.base import Manifest, ModerationContext
from moderation.identifiers import check_digits as check
from moderation.identifiers.coins import is_base58, is_bech32, is_ethereum
from moderation.identifiers.national_ids import NATIONAL_IDS, said
from moderation.identifiers.phones import PHONES
from moderation.identifiers.shapes import Finder, Kind, choose, fold, report, verify

_START = r"(?:^|[^A-Za-z0-9_])"
_END = r"(?:$|[^A-Za-z0-9_])"
_NO_NUMBER = r"(?i)(?:\b(?:version|release|firmware|section|chapter|clause|v|v\.|ver\.?)|§)[ :]?$"
_NUMBER_WORDS = (
    r"(?i)(?:isbn|ean|gtin|upc|imei|serial|tracking)[- ]?(?:no|number)?\.?[ :#]{0,3}$|://\S*$"
)
_MONTHS = (
    "jan(?:uary|uar|vier|eiro|uari)?|feb(?:ruary|ruar|ruari)?|fev(?:rier|ereiro)?"
    "|mar(?:ch|s|zo|co)?|maerz|marz|maart|apr(?:il|ile)?|avr(?:il)?|abr(?:il)?|may|mayo|mai|maio"
    "|maggio|mei|jun(?:e|i|ho|io)?|juin|giugno|jul(?:y|i|ho|io)?|juillet|luglio"
    "|aug(?:ust|ustus)?|aout|ago(?:sto)?|sep(?:t|tember|tembre|tiembre)?|set(?:embro|tembre)?"
    "|o[ck]t(?:ober|obre|ubre)?|out(?:ubro)?|ott(?:obre)?|nov(?:ember|embre|iembre|embro)?"
    "|de[cz](?:ember|embre|embro)?|dic(?:iembre|embre)?|ene(?:ro)?"
)
_DATE = (
    r"\d{1,2}[./-] ?\d{1,2}[./-] ?(?:19|20)?\d{2}|(?:19|20)\d{2}[./-]\d{1,2}[./-]\d{1,2}"
    rf"|\d{{1,2}}(?:st|nd|rd|th|er|\.|o)?[ -](?:of |de |di )?(?:{_MONTHS})\.?,?[ -]"
    r"(?:de |del |di )?(?:19|20)\d{2}"
    rf"|(?:{_MONTHS})\.? \d{{1,2}}(?:st|nd|rd|th)?,? (?:19|20)\d{{2}}"
)
# Not just "born": that is how encyclopaedias begin.
_BIRTH = (
    r"d\.?o\.?b\.?|date of birth|birth ?dates?|birthday|(?:i was|i'm|i am|we were|my \w{1,12} was)"
    r" born|geburts(?:datum|tag)|(?:ich bin|bin ich|wurde ich)[^\n]{0,20} geboren|ich wurde"
    r"|geb\. ?am|date de naissance|je suis nee?|ne\(e\) le|fecha de nacimiento|naci el"
    r"|data di nascita|sono nat[oa] il|data de nascimento|nasci em|geboortedatum"
    r"|ik ben geboren op|data urodzenia"
)


def _measure_ip(found: str) -> int:
    if ":" in found and (found.count(":") < 3 or len(found) < 7):
        return 0  # a time of day
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return 0
    parts = found.split(".")
    is_numbering = len(parts) == 4 and all(len(part) == 1 for part in parts)  # a section, a release
    is_mask = parts[0] == "255" or address.is_unspecified
    return 0 if address.is_loopback or is_numbering or is_mask else len(found)


def _cards(*shapes: str) -> Iterator[Kind]:
    for shape in shapes:
        yield Kind("pii/card", f"{_START}({shape}){_END}", verify(check.is_card), _NUMBER_WORDS)


# The stronger ones first: of two that overlap, the first one counts.
KINDS = (
    Kind(
        "pii/email",
        rf"{_START}([A-Za-z0-9_][A-Za-z0-9._%+'-]{{0,63}}@"
        r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.){1,4}[A-Za-z_]{2,24})",
    ),
    Kind(
        "pii/iban",
        rf"{_START}([A-Za-z]{{2}}\d{{2}}(?:[ -]?[A-Za-z0-9]){{11,30}}){_END}",
        check.measure_iban,
    ),
    Kind("pii/crypto", rf"{_START}([13][1-9A-HJ-NP-Za-km-z]{{25,34}}){_END}", verify(is_base58)),
    Kind(
        "pii/crypto",
        rf"{_START}(bc1[ac-hj-np-z02-9]{{11,71}}|BC1[AC-HJ-NP-Z02-9]{{11,71}}){_END}",
        verify(is_bech32),
    ),
    Kind(
        "pii/crypto",
        rf"{_START}(0x[0-9a-fA-F]{{40}}){_END}",
        verify(is_ethereum),
        most_measured=300,
    ),
    *_cards(r"\d{4}(?:[ -]?\d{4}){3}(?:[ -]?\d{3})?", r"\d{4}(?:[ -]?\d{4}){3}"),
    *NATIONAL_IDS,
    *_cards(r"3\d{3}[ -]?\d{6}[ -]?\d{4,5}", r"\d{12,19}"),
    Kind(
        "pii/ssn",
        r"(?:^|[^A-Za-z0-9_-])(\d{3}-\d{2}-\d{4})(?:$|[^A-Za-z0-9_-])",
        verify(check.is_us_ssn),
    ),
    Kind(
        "pii/ssn",
        said("ssn|social security|itin", r"\d{3}[ .-]?\d{2}[ .-]?\d{4}"),
        verify(check.is_us_ssn),
    ),
    Kind(
        "pii/bank_routing",
        said("aba|rtn|routing", r"\d{9}"),
        verify(check.is_routing_number),
    ),
    Kind(
        "pii/ip",
        r"(?i)(?:^|[^a-z0-9_:.])((?:[0-9a-f]{0,4}:){2,7}"
        r"(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9a-f]{0,4}))(?:$|[^a-z0-9_:])",
        _measure_ip,
    ),
    Kind(
        "pii/ip",
        r"(?:^|[^A-Za-z0-9_.])((?:\d{1,3}\.){3}\d{1,3})(?:$|[^A-Za-z0-9_.]|\.(?:$|[^0-9]))",
        _measure_ip,
        _NO_NUMBER,
    ),
    Kind(
        "pii/mac",
        r"(?i)(?:^|[^a-z0-9_:-])((?:[0-9a-f]{2}:){5}[0-9a-f]{2}|(?:[0-9a-f]{2}-){5}"
        r"[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4})(?:$|[^a-z0-9_:-])",
    ),
    Kind(
        "pii/birth_date",
        rf"(?i)(?:^|[^a-z])(?:{_BIRTH})(?:[^a-z0-9]|$)[^0-9\n]{{0,14}}?\b({_DATE})(?:$|[^0-9])",
    ),
    *PHONES,
)

# The longest finding that may hold spaces is an account number, and what may follow one.
_LONGEST = 66
# A number may go on after a space, and so may a date after the name of its month.
_OPEN_TOKEN = re.compile(
    rf"\S*\d\S*|[-+()./,#]+|(?i:{_MONTHS}|of|de|del|di|x|ext|extension|poste)[.,]?"
)
_OPEN_ACCOUNT = re.compile(r"(?<![A-Za-z0-9_])[A-Za-z]{2}(?:\d{2}(?:[ -]?[A-Za-z0-9]){0,30})?\s*$")
_LETTERS = re.compile(r"[^\w\s]?[A-Za-z]{1,2}")
_TOKENS = re.compile(r"\S+")


class PiiModerator:
    """Finds e-mail addresses, phone numbers, cards, accounts, identity numbers and the like."""

    def __init__(self, kinds: Collection[str] = ()):
        """Choose what to look for.

        Args:
            kinds: such as "pii/email"; all if empty.

        Raises:
            ModeratorError: there is no such kind.
        """
        for kind in kinds:
            if kind.partition("/")[0] == "secrets":
                raise ModeratorError(
                    f"The moderator 'pii' doesn't look for {kind!r} any more; name the moderator "
                    "'secrets' among the moderators, and give it the kind."
                )
        names = list(dict.fromkeys(kind.category for kind in KINDS))
        chosen = choose("pii", kinds, names)
        self.manifest = Manifest(
            "pii",
            "2",
            categories=tuple(chosen),
            hold_back=_LONGEST,
            description="Finds personal data.",
        )
        self._finder = Finder([kind for kind in KINDS if kind.category in chosen])

    def check(self, context: ModerationContext) -> Verdict:
        """Find and locate what the last message gives away."""
        folded = fold(context.text)
        return report(self.manifest, context, folded, self._finder.find(folded), settle)


def settle(text: str) -> int:
    """Return from where on a growing text could still become part of a finding.

    Args:
        text: folded; it ends where a word ends.
    """
    start = max(0, len(text) - _LONGEST)
    tokens = list(_TOKENS.finditer(text, start))
    settled = len(text)
    while tokens and _OPEN_TOKEN.fullmatch(tokens[-1].group()):
        settled = tokens.pop().start()
    # Some numbers begin with a letter or two.
    if tokens and settled < len(text) and _LETTERS.fullmatch(tokens[-1].group()):
        settled = tokens[-1].start()
    account = _OPEN_ACCOUNT.search(text, start)
    return min(settled, account.start()) if account else settled
