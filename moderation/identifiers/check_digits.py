"""Check digits: what tells a card or an identity number from any other row of digits."""

import re
from collections.abc import Sequence
from datetime import date

# Which numbers payment cards have (ISO/IEC 7812: the first digits say who issued it), by length.
_CARD_ISSUERS = (
    (r"4", (13, 16, 19)),
    (r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720|220[0-4]", (16,)),
    (r"3[47]|2131|1800", (15,)),
    (r"30[0-5]|309|36|3[89]", (14, 15, 16, 17, 18, 19)),
    (r"35(?:2[89]|[3-8])|6011|64[4-9]|65|62|60|81|82|508", (16, 17, 18, 19)),
    (r"50|5[6-9]|6", (12, 13, 14, 15, 16, 17, 18, 19)),
)
_CARDS = tuple((re.compile(prefix), lengths) for prefix, lengths in _CARD_ISSUERS)
_COUNTRIES = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 "
    "DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 "
    "IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 "
    "MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 "
    "SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
)
_IBAN_LENGTHS = {entry[:2]: int(entry[2:]) for entry in _COUNTRIES.split()}
_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_CHINA_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ITALY_ODD = (
    *(1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
)
_NINO = re.compile(r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]")


def digits_of(found: str) -> list[int]:
    """Return the digits in `found`."""
    return [int(char) for char in found if char.isdigit()]


def compact(found: str) -> str:
    """Return the letters and digits of `found`, in upper case."""
    return "".join(char for char in found if char.isalnum()).upper()


def is_luhn(digits: Sequence[int]) -> bool:
    """Say if the last digit is right (ISO/IEC 7812-1, annex B)."""
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_card(found: str) -> bool:
    """Say if a payment card may have this number."""
    digits = digits_of(found)
    number = "".join(map(str, digits))
    is_issued = any(len(digits) in n and prefix.match(number) for prefix, n in _CARDS)
    return is_issued and is_luhn(digits)


def measure_iban(found: str) -> int:
    """Return how long the account number at the start is (ISO 13616: modulo 97 it is 1), or 0."""
    places = [index for index, char in enumerate(found) if char.isalnum()]
    length = _IBAN_LENGTHS.get(found[:2].upper(), 0)
    if not 0 < length <= len(places):
        return 0
    end = places[length - 1] + 1
    if found[end : end + 1].isalnum():
        return 0  # goes on without a space
    code = compact(found[:end])
    return end if int("".join(str(int(char, 36)) for char in code[4:] + code[:4])) % 97 == 1 else 0


def is_routing_number(found: str) -> bool:
    """Check the routing number of a bank in the US (ABA: weights 3, 7, 1)."""
    digits = digits_of(found)
    total = sum(digit * weight for digit, weight in zip(digits, (3, 7, 1) * 3, strict=False))
    return len(digits) == 9 and any(digits) and total % 10 == 0


def is_us_ssn(found: str) -> bool:
    """Say if a US social security number (or ITIN) with this area, group and serial can exist."""
    number = compact(found)
    area, group, serial = number[:3], number[3:5], number[5:]
    is_itin = area >= "900" and "50" <= group <= "99"
    is_area = area not in ("000", "666") and (area < "900" or is_itin)
    return len(number) == 9 and is_area and group != "00" and serial != "0000"


def is_german_tax_id(found: str) -> bool:
    """Check a Steuer-IdNr.: ISO 7064 mod 11,10, and one of its digits is there 2 or 3 times."""
    digits = digits_of(found)
    if len(digits) != 11 or digits[0] == 0:
        return False
    counts = sorted(digits[:10].count(digit) for digit in range(10))
    if counts[-1] not in (2, 3) or counts[-2] > 1:
        return False
    product = 10
    for digit in digits[:10]:
        product = ((digit + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == digits[10]


def is_spanish_id(found: str) -> bool:
    """Check a DNI or NIE: the letter is the number modulo 23."""
    code = compact(found)
    number = code[:-1].replace("X", "0").replace("Y", "1").replace("Z", "2")
    return number.isdigit() and _DNI_LETTERS[int(number) % 23] == code[-1]


def is_french_id(found: str) -> bool:
    """Check a NIR (numéro de sécurité sociale): the key is 97 less the number modulo 97."""
    code = compact(found).replace("2A", "19").replace("2B", "18")
    if len(code) != 15 or not code.isdigit():
        return False
    month = int(code[3:5])
    has_month = 1 <= month <= 12 or 20 <= month <= 42 or 50 <= month <= 99
    return has_month and 97 - int(code[:13]) % 97 == int(code[13:])


def is_nhs_number(found: str) -> bool:
    """Check an NHS number: weights 10 to 2, modulo 11."""
    digits = digits_of(found)
    total = sum(digit * weight for digit, weight in zip(digits, range(10, 1, -1), strict=False))
    return len(digits) == 10 and len(set(digits)) > 1 and (11 - total % 11) % 11 == digits[9]


def is_nino(found: str) -> bool:
    """Say if a UK National Insurance number can look like this; it has no check digit."""
    return _NINO.fullmatch(compact(found)) is not None


def is_cpf(found: str) -> bool:
    """Check the two last digits of a Brazilian CPF."""
    digits = digits_of(found)
    if len(digits) != 11 or len(set(digits)) == 1:
        return False
    for length in (9, 10):
        weights = range(length + 1, 1, -1)
        total = sum(digit * weight for digit, weight in zip(digits, weights, strict=False))
        if total * 10 % 11 % 10 != digits[length]:
            return False
    return True


def is_aadhaar(found: str) -> bool:
    """Check an Indian Aadhaar number by Verhoeff's scheme, computed in the dihedral group D5."""
    digits = digits_of(found)
    if len(digits) != 12 or digits[0] < 2 or len(set(digits)) == 1:
        return False
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = _multiply(check, _PERMUTED[place % 8][digit])
    return check == 0


def _multiply(one: int, other: int) -> int:
    """Multiply in D5: 0 to 4 are rotations, 5 to 9 reflections."""
    if one < 5:
        return (one + other) % 5 + (5 if other >= 5 else 0)
    return (one - other) % 5 + (0 if other >= 5 else 5)


def _permute(digit: int, times: int) -> int:
    for _ in range(times):
        digit = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[digit]
    return digit


_PERMUTED = [[_permute(digit, times) for digit in range(10)] for times in range(8)]


def is_chinese_id(found: str) -> bool:
    """Check a resident identity number (GB 11643: ISO 7064 mod 11-2), and its date."""
    code = compact(found)
    if len(code) != 18 or not is_date(code[6:14]):
        return False
    total = sum(int(char) * weight for char, weight in zip(code, _CHINA_WEIGHTS, strict=False))
    return "10X98765432"[total % 11] == code[17]


def is_swedish_id(found: str) -> bool:
    """Check a personnummer: a date, then Luhn over the ten digits."""
    digits = digits_of(found)[-10:]
    month, day = digits[2] * 10 + digits[3], digits[4] * 10 + digits[5]
    return 1 <= month <= 12 and (1 <= day <= 31 or 61 <= day <= 91) and is_luhn(digits)


def is_swiss_id(found: str) -> bool:
    """Check an AHV number: 756, then as EAN-13."""
    digits = digits_of(found)
    total = sum(digit * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return len(digits) == 13 and digits[:3] == [7, 5, 6] and total % 10 == 0


def is_belgian_id(found: str) -> bool:
    """Check a rijksregisternummer: modulo 97, with a 2 before it for those born from 2000 on."""
    number = compact(found)
    check = int(number[9:])
    return any(97 - int(prefix + number[:9]) % 97 == check for prefix in ("", "2"))


def is_dutch_id(found: str) -> bool:
    """Check a BSN: the eleven test."""
    digits = digits_of(found)
    weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
    total = sum(digit * weight for digit, weight in zip(digits, weights, strict=False))
    return len(digits) == 9 and any(digits) and total % 11 == 0


def is_polish_id(found: str) -> bool:
    """Check a PESEL: a date with the century in its month, weights 1, 3, 7, 9."""
    digits = digits_of(found)
    if len(digits) != 11:
        return False
    month, day = digits[2] * 10 + digits[3], digits[4] * 10 + digits[5]
    weights = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)
    total = sum(digit * weight for digit, weight in zip(digits, weights, strict=True))
    return 1 <= month % 20 <= 12 and 1 <= day <= 31 and total % 10 == 0


def is_italian_id(found: str) -> bool:
    """Check the last letter of a codice fiscale."""
    code = compact(found)
    total = 0
    for place, char in enumerate(code[:15]):
        value = int(char) if char.isdigit() else ord(char) - ord("A")
        total += _ITALY_ODD[value] if place % 2 == 0 else value
    return len(code) == 16 and chr(ord("A") + total % 26) == code[15]


def is_canadian_id(found: str) -> bool:
    """Check a social insurance number: Luhn over nine digits."""
    digits = digits_of(found)
    return len(digits) == 9 and digits[0] not in (0, 8) and is_luhn(digits)


def is_date(number: str) -> bool:
    """Say if ``YYYYMMDD`` is a day of a life that may still go on."""
    try:
        day = date(int(number[:4]), int(number[4:6]), int(number[6:]))
    except ValueError:
        return False
    return day.year >= 1900
