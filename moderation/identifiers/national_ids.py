"""Identity numbers of people, by country: each with its check digits, or the words that name it."""

from collections.abc import Callable

from moderation.identifiers import check_digits as check
from moderation.identifiers.shapes import Kind, verify

_START = r"(?:^|[^A-Za-z0-9_])"
_END = r"(?:$|[^A-Za-z0-9_])"
_NINO = r"[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]"


def said(words: str, number: str) -> str:
    """Return a pattern for `number` with one of `words` before it, near, and no other number."""
    return (
        rf"(?i)(?:^|[^a-z])(?:{words})(?:[^a-z0-9]|s[^a-z0-9])[^0-9\n]{{0,30}}?\b({number}){_END}"
    )


def _kind(pattern: str, is_valid: Callable[[str], bool]) -> Kind:
    return Kind("pii/national_id", pattern, verify(is_valid))


# In a shape that is rarely anything else, and with check digits that a random number fails.
_SHAPED = (
    (r"[12] ?\d{2} ?\d{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}", check.is_french_id),
    (r"[1-9]\d{16}[0-9Xx]", check.is_chinese_id),
    (r"[A-Za-z]{6}\d{2}[A-Za-z]\d{2}[A-Za-z]\d{3}[A-Za-z]", check.is_italian_id),
    (r"\d{3}\.\d{3}\.\d{3}-\d{2}", check.is_cpf),
    (r"756[. ]\d{4}[. ]\d{4}[. ]\d{2}|756\d{10}", check.is_swiss_id),
    (r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}", check.is_belgian_id),
    (r"(?:19|20)?\d{6}[-+]\d{4}", check.is_swedish_id),
    (r"\d{8}[- ]?[A-HJ-NP-TV-Z]|[XYZ][- ]?\d{7}[- ]?[A-HJ-NP-TV-Z]", check.is_spanish_id),
    (r"[2-9]\d{3}[ -]\d{4}[ -]\d{4}", check.is_aadhaar),
    (r"\d{2} \d{3} \d{3} \d{3}", check.is_german_tax_id),
    (_NINO, check.is_nino),
)
# Too much like other numbers to be known without a word.
_SAID = (
    ("cpf", r"\d{11}|\d{3}\.?\d{3}\.?\d{3}[-/ ]?\d{2}", check.is_cpf),
    (r"aadhaa?r|uidai?", r"[2-9]\d{11}|[2-9]\d{3} \d{4} \d{4}", check.is_aadhaar),
    (
        r"steuer\w{0,20}(?:[- ]?(?:id|nr|nummer))?|id-?nr\.?|tax id|tin",
        r"\d{11}",
        check.is_german_tax_id,
    ),
    ("nino|national insurance", _NINO, check.is_nino),
    ("nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", check.is_nhs_number),
    ("bsn|burgerservicenummer", r"\d{9}|\d{4}\.\d{2}\.\d{3}", check.is_dutch_id),
    ("pesel", r"\d{11}", check.is_polish_id),
    ("sin|social insurance", r"\d{3}[ -]?\d{3}[ -]?\d{3}", check.is_canadian_id),
)
NATIONAL_IDS = (
    *(_kind(f"{_START}({shape}){_END}", is_valid) for shape, is_valid in _SHAPED),
    *(_kind(said(words, shape), is_valid) for words, shape, is_valid in _SAID),
)
