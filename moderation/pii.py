"""Personal data and secrets, by their shape and, where they have one, by their check digits."""

import ipaddress
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from chat.errors import ModeratorError
from chat.types import Span, Verdict
from moderation.base import Manifest, ModerationContext
from moderation.patterns import Text, compile_pattern


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing to find: a pattern (group 1 is the finding), then a closer look.

    ``measure`` returns how many characters of the match are the thing itself, 0 if it is none.
    """

    category: str
    pattern: str
    measure: Callable[[str], int] = len


def measure_card(found: str) -> int:
    """Check the digits as payment cards have them (ISO/IEC 7812-1, annex B: Luhn)."""
    digits = [int(char) for char in found if char.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    is_valid = len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
    return len(found) if is_valid else 0


def measure_iban(found: str) -> int:
    """Check an account number's length and remainder (ISO 13616: modulo 97 it is 1)."""
    places = [index for index, char in enumerate(found) if char != " "]
    length = _IBAN_LENGTHS.get(found[:2].upper(), 0)
    if not 0 < length <= len(places):
        return 0
    end = places[length - 1] + 1
    if found[end : end + 1].strip():
        return 0  # goes on without a space
    code = found[:end].replace(" ", "")
    is_valid = int("".join(str(int(char, 36)) for char in code[4:] + code[:4])) % 97 == 1
    return end if is_valid else 0


_COUNTRIES = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 "
    "EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 "
    "IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 "
    "NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SD18 SE24 SI19 SK24 SM27 ST25 SV28 "
    "TL23 TN24 TR26 UA29 VA22 VG24 XK20"
)
_IBAN_LENGTHS = {entry[:2]: int(entry[2:]) for entry in _COUNTRIES.split()}


def _measure_ip(found: str) -> int:
    if ":" in found and (found.count(":") < 3 or len(found) < 7):
        return 0  # a time of day
    try:
        ipaddress.ip_address(found)
    except ValueError:
        return 0
    return len(found)


def _measure_phone(found: str) -> int:
    num_digits = sum(char.isdigit() for char in found)
    return len(found) if 8 <= num_digits <= 15 and not _DATE.search(found) else 0


def _measure_ssn(found: str) -> int:
    area, group, serial = found.split("-")
    is_given = area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
    return len(found) if is_given else 0


_UNSTORABLE = re.compile("[\ud800-\udfff]")
_DATE = re.compile(r"\b(?:19|20)\d\d[-./ ](?:0?[1-9]|1[0-2])[-./ ]|[-./ ](?:19|20)\d\d$")
_NO_LETTER = r"[^\pL\pN_]|[\p{Han}\p{Hiragana}\p{Katakana}]"
_START = rf"(?:^|{_NO_LETTER})"
_END = rf"(?:$|{_NO_LETTER})"

# Every repetition is bounded: what can be found is known to be short enough to be held back.
KINDS = (
    Kind(
        "pii/email",
        _START + r"([\pL\pN][\pL\pN._%+'-]{0,63}@"
        r"(?:[\pL\pN](?:[\pL\pN-]{0,61}[\pL\pN])?\.){1,4}\pL{2,24})",
    ),
    Kind("pii/card", _START + r"(\d{4}(?:[ -]?\d{4}){3})" + _END, measure_card),
    Kind("pii/card", _START + r"(3[47]\d{2}[ -]?\d{6}[ -]?\d{5})" + _END, measure_card),
    Kind("pii/card", _START + r"(\d{13,19})" + _END, measure_card),
    Kind(
        "pii/iban",
        r"(?i)" + _START + r"([A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?)" + _END,
        measure_iban,
    ),
    Kind("pii/ssn", r"(?:^|[^\pL\pN_-])(\d{3}-\d{2}-\d{4})(?:$|[^\pL\pN_-])", _measure_ssn),
    Kind(
        "pii/phone",
        # With a country code, or in a shape in which only phone numbers are written.
        r"(?:^|[^\pL\pN_.+-]|\p{Han})("
        r"(?:\+|00)[1-9]\d{0,2}(?:[ .\-/]{0,2}\(?\d{1,5}\)?){2,6}"
        r"|\(\d{2,5}\)[ .\-/]?\d{2,4}(?:[ .\-]?\d{2,4}){1,3}"
        r"|[2-9]\d{2}[ .-][2-9]\d{2}[ .-]\d{4}"
        r"|0\d{1,4}[ /-]\d{3,4}(?:[ -]?\d{2,4}){1,2}"
        r"|0[1-9](?:[ .]\d{2}){4}"
        r"|1[3-9]\d(?:[ -]?\d{4}){2}"
        r")(?:$|[^\pL\pN-]|\p{Han})",
        _measure_phone,
    ),
    Kind(
        "pii/ip",
        r"(?:^|[^\pL\pN.])((?:\d{1,3}\.){3}\d{1,3})(?:$|[^\pL\pN.]|\.(?:$|[^\pN]))",
        _measure_ip,
    ),
    Kind(
        "pii/ip",
        r"(?i)(?:^|[^\pL\pN:.])((?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4})(?:$|[^\pL\pN:])",
        _measure_ip,
    ),
    Kind("secrets/aws_key", _START + r"((?:AKIA|ASIA)[A-Z0-9]{16})" + _END),
    Kind("secrets/github_token", _START + r"(gh[pousr]_[A-Za-z0-9]{36,255})"),
    Kind("secrets/github_token", _START + r"(github_pat_\w{22,255})"),
    Kind("secrets/api_key", _START + r"(sk-(?:[A-Za-z]{2,12}-){0,3}[A-Za-z0-9_-]{20,200})"),
    Kind("secrets/api_key", _START + r"(hf_[A-Za-z0-9]{30,60}|AIza[A-Za-z0-9_-]{35})"),
    Kind("secrets/api_key", _START + r"(xox[abprs]-[A-Za-z0-9-]{10,100})"),
    Kind("secrets/jwt", _START + r"(eyJ[\w-]{8,900}\.[\w-]{8,900}\.[\w-]{8,900})"),
)
_KEY_BLOCK = re.compile(r"-----BEGIN (?:[A-Z]{2,9} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_KEY_END = re.compile(r"-----END (?:[A-Z]{2,9} ){0,3}PRIVATE KEY(?: BLOCK)?-----")

# The longest finding that may hold spaces is an account number in groups of four, or a phone
# number; what holds none never straddles the end of a word, so it needs no holding back.
_HOLD_BACK = 64


class PiiModerator:
    """Finds e-mail addresses, phone numbers, cards, accounts, network addresses and secrets."""

    def __init__(self, kinds: Collection[str] = ()):
        """Choose what to look for.

        Args:
            kinds: such as "pii/email"; all if empty.

        Raises:
            ModeratorError: there is no such kind.
        """
        names = list(dict.fromkeys([*(kind.category for kind in KINDS), "secrets/private_key"]))
        for kind in kinds:
            if kind not in names:
                raise ModeratorError(
                    f"The moderator 'pii' doesn't know {kind!r}; allowed are {', '.join(names)}."
                )
        chosen = [name for name in names if not kinds or name in kinds]
        self.manifest = Manifest(
            "pii",
            "1",
            categories=tuple(chosen),
            hold_back=_HOLD_BACK,
            description="Finds personal data and secrets.",
        )
        chosen_kinds = (kind for kind in KINDS if kind.category in chosen)
        self._kinds = [(kind, compile_pattern(kind.pattern)) for kind in chosen_kinds]
        self._finds_keys = "secrets/private_key" in chosen

    def check(self, context: ModerationContext) -> Verdict:
        """Find and locate what the last message gives away."""
        text = _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", context.text)
        spans = list(self._find(Text(text)))
        if self._finds_keys:
            spans += _find_private_keys(text)
        return self.manifest.verdict(context.stage, spans)

    def _find(self, text: Text) -> Iterator[Span]:
        for kind, pattern in self._kinds:
            for start, end in text.find(pattern):
                length = kind.measure(text.text[start:end])
                if length:
                    yield Span(start, start + length, kind.category)


def _find_private_keys(text: str) -> Iterator[Span]:
    """A key goes from its first line to its last, or to the end of the text."""
    position = 0
    while begin := _KEY_BLOCK.search(text, position):
        end = _KEY_END.search(text, begin.end())
        position = end.end() if end else len(text)
        yield Span(begin.start(), position, "secrets/private_key")
