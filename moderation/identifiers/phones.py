"""Phone numbers: by country code, by the shapes in which countries write them, or by the words."""

import re

from moderation.identifiers.check_digits import digits_of
from moderation.identifiers.shapes import Kind

# ITU-T E.164 assigned country codes: 1 and 7, then of two digits; the others have three.
_SHORT_CODES = re.compile(r"[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]")
_LONG_CODES = re.compile(r"2[1-69]\d|3[578]\d|42[013]|50\d|59\d|67\d|68\d|69\d|8[58]\d|9[679]\d")
# How many digits follow the code where that is well known (national numbering plans).
_LENGTHS = {
    "1": (10, 10), "7": (10, 10), "20": (8, 10), "27": (9, 9), "30": (10, 10), "31": (9, 9),
    "32": (8, 9), "33": (9, 9), "34": (9, 9), "36": (8, 9), "39": (6, 11), "40": (9, 9),
    "41": (9, 9), "43": (4, 13), "44": (9, 10), "45": (8, 8), "46": (7, 10), "47": (8, 8),
    "48": (9, 9), "49": (5, 12), "52": (10, 11), "55": (10, 11), "61": (9, 9), "64": (8, 10),
    "65": (8, 8), "81": (9, 10), "82": (8, 10), "86": (10, 11), "90": (10, 10), "91": (10, 10),
}  # fmt: skip
_DATE = re.compile(
    r"\(?(?:19|20)\d\d([-./ ])(?:0[1-9]|1[0-2])\1\d{1,2}(?!\d).*"
    r"|\d{1,2}([-./])\d{1,2}\2(?:19|20)?\d\d"
)
_YEARS = re.compile(r"(?:1[5-9]|20)\d\d ?[-/] ?(?:1[5-9]|20)\d\d")
# Nobody's own: who calls them doesn't learn whose number it is.
_FREEPHONE = re.compile(r"1?8(?:00|33|44|55|66|77|88)\d{7}|0800\d+|080[08]\d+|00800\d+|116\d{3}")
_EXTENSION = r"(?:[ ,]{0,2}(?:x|ext\.?|extension|#|Durchwahl|poste|int\.?) ?\d{1,6})?"
# Words after which a row of digits is a phone number. They read without accents.
_WORDS = (
    r"(?:tele?(?:ph?ones?|fone?s?|foni?|foono?|fax|foon)?|ph?one?s?|call(?:s|ed|ing)?|cell(?:ulare?s?)?"
    r"|celular|cel|mob(?:ile?|il|iel|il(?:e|nummer|telefon))?|fax|fon|text(?:ed|ing)?|sms|dial(?:ed)?"
    r"|whats ?app|signal|telegram|viber|hotline|landline|pager|ring|reach(?:ed)?|contact|ph"
    r"|handy(?:nummer)?|telefonnummer|rufnummer|nummer|anruf(?:en)?|ruf(?:en)?|festnetz"
    r"|portable|appell?e[rz]?|joindre|numero|movil|llama(?:r|me|da)?|ligue|ligar|chiama(?:re|mi)?"
    r"|bel|bellen|komorka|zadzwon|numer|puh|tlf|tfn|my number|(?:his|her|their|your) number)"
)
# What may stand between those words and the number.
_FILLERS = (
    "no|nr|number|me|us|him|her|them|is|at|on|under|unter|an|au|al|o|the|it|lautet|ist|est|es|e|to"
    "|using|via|sie|mich|uns|noi|moi|nous|new|work|home"
)
_NOT = (
    r"(?i)(?<![a-z])(?:order|invoice|ticket|isbn|issn|tracking|serial|part|model|sku|case|account"
    r"|acct|batch|item|product|article|patent|doi|version|zip|postal|plz|id|ref(?:erence)?|claim"
    r"|policy|flight|room|bestell|rechnung|kunden|commande|pedido|konto|vol|pages?|pp|binary"
    r"|population|isin|ean|gtin|upc|imei|vin|bibcode|arxiv)"
    r"[-_ ]{0,2}(?:nr|no|num|number|nummer|numero|code|id)?\.?(?: is)?[ :=#]{0,4}$|[$€£¥#]$"
    r"|https?://\S*$|www\.\S*$"
)
# ... nor the rest of a longer number.
_NOT_INSIDE = _NOT + r"|(?<!\d)\d{1,3}[ .-]\(?$"
_START = r"(?:^|[^A-Za-z0-9_.+/=%-])"
_END = r"(?:$|[^A-Za-z0-9_%-]|-(?:$|[^0-9A-Za-z]))"
_SEPARATOR = r"(?: - | / |\) ?|[ .\-/]\(?|\()"


def measure_phone(found: str) -> int:
    """Return the length of a number that says it is one, by its country code or its shape."""
    number = "".join(map(str, digits_of(re.split(r"[xX#,]|ext|Durch|poste|int", found)[0])))
    if _DATE.fullmatch(found) or _YEARS.search(found) or _FREEPHONE.fullmatch(number):
        return 0
    if found.lstrip(" (").startswith("+"):
        return len(found) if _has_code(number) else 0
    if number.startswith("00"):
        return len(found) if _has_code(number[2:]) else 0
    return len(found) if 7 <= len(number) <= 13 and len(set(number)) > 2 else 0


def _has_code(number: str) -> bool:
    """Say if `number` begins with a country's code, and is as long as numbers are there."""
    for length in (1, 2, 3):
        code, rest = number[:length], number[length:]
        if _SHORT_CODES.fullmatch(code) or (length == 3 and _LONG_CODES.fullmatch(code)):
            if rest.startswith("0"):  # +49 (0)30
                rest = rest[1:] if code != "39" else rest
            shortest, longest = _LENGTHS.get(code, (5, 12))
            return shortest <= len(rest) <= longest or shortest <= len(number[length:]) <= longest
    return False


def _measure_american(found: str) -> int:
    """With dots or hyphens any three, three and four digits; with spaces those that are given."""
    digits = digits_of(re.split(r"[xX#,]|ext", found)[0])
    area, exchange = digits[-10], digits[-7]
    is_given = area >= 2 and exchange >= 2
    has_marks = any(mark in found for mark in ".-()")
    return measure_phone(found) if is_given or (has_marks and area > 0) else 0


def _measure_said(found: str) -> int:
    digits = digits_of(re.split(r"[xX#,]|ext", found)[0])
    return measure_phone(found) if 7 <= len(digits) <= 15 else 0


_NANP = (
    r"(?:(?:\+?1|001)[ .\-]?)?(?:\(\d{3}\) ?-? ?\d{3}[-. ]?\d{4}"
    r"|\d{3}[-. ]\d{3}[-. ]\d{4}|\d{3}-\d{7}|\d{3}[-/]\d{3}[ -]?\d{4})"
)
_ABROAD = rf"(?:\+|00|\+ )[1-9]\d{{0,3}}(?:{_SEPARATOR}?\d{{1,5}}){{2,7}}{_EXTENSION}"
_RUSSIAN = r"8[ -]?\(?\d{3}\)?[ -]\d{3}[ -]\d{2}[ -]\d{2}"
# Any of these needs no words around it.
_SHAPES = (
    r"\(\+?\d{1,3}\)[ .\-]?\d{1,5}(?:[ .\-]\d{2,5}){1,4}",
    r"\(0\d{1,5}\)(?: ?[/-]? ?)\d{2,8}(?:[ -]\d{2,5}){0,3}",
    r"\(\d{2}\) ?9?\d{4}-?\d{4}",  # Brazil
    r"0\d{1,5}(?: ?[/-] ?| )\d{3,8}(?:[ -]\d{1,6}){0,3}",
    r"0\d(?:[ .\-]\d{2}){4}",  # France
    r"0\d{2,4}[-. ]\d{2,4}[-. ]\d{3,4}",  # Japan, Korea
    r"0[1-9]\d{8,9}",
    r"1[3-9]\d(?:[ -]?\d{4}){2}",  # China
    r"[6-9]\d{4}[ -]\d{5}",  # India
    r"[67]\d{2}[ .]\d{2}[ .]\d{2}[ .]\d{2}",  # Spain
)
_SAID = (
    rf"(?i)(?:^|[^a-z])(?:{_WORDS}(?:[ :.,=#-]{{1,3}}|[ ](?:{_FILLERS})\b\.?[ :]{{0,2}}){{1,4}}"
    rf"|{_WORDS}[ ]?\()(\(?\d(?:{_SEPARATOR}?\d){{6,14}}{_EXTENSION}){_END}"
)
# What is written out most fully comes first: of two that overlap, the first one counts.
PHONES = (
    Kind("pii/phone", f"{_START}({_ABROAD}){_END}", measure_phone, _NOT),
    Kind("pii/phone", _SAID, _measure_said, _NOT),
    Kind("pii/phone", f"{_START}({_RUSSIAN}){_END}", measure_phone, _NOT_INSIDE),
    Kind("pii/phone", f"{_START}({_NANP}{_EXTENSION}){_END}", _measure_american, _NOT_INSIDE),
    *(
        Kind("pii/phone", f"{_START}({shape}){_END}", measure_phone, _NOT_INSIDE)
        for shape in _SHAPES
    ),
)
