"""Text that hides as base64, hex, escapes or upside down: found and decoded, within bounds."""

import base64
import binascii
import html
import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

# Judging decoded text costs as much as judging the text itself, so both numbers are bounded.
MAX_PIECE_CHARS = 64_000
MAX_DECODED_CHARS = 256_000
_MIN_DECODED_CHARS = 4
_MIN_PRINTABLE = 0.9
_CERTAIN_BYTES = 12
_MIN_PLAIN = 0.75

# Lines of a wrapped base64 block are long, but for the last. A "++" never gives back what it
# took, so the search stays linear.
BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]{40,}+(?:\r?\n[A-Za-z0-9+/_-]{40,}+)*+"
    r"(?:\r?\n[A-Za-z0-9+/_-]{2,}+)?|[A-Za-z0-9+/_-]{8,}+)={0,2}"
)
_HEX = re.compile(
    r"(?<![A-Za-z0-9])(?:0x|\\x)?[0-9a-fA-F]{2}(?:[ ,:;-]{0,2}(?:0x|\\x)?[0-9a-fA-F]{2}){5,}+"
    r"(?![A-Za-z0-9])"
)
_HEX_MARKS = re.compile(r"0x|\\x|[ ,:;-]")
ESCAPES = re.compile(
    r"(?:%[0-9a-fA-F]{2})+|&(?:#[0-9]{2,7}|#[xX][0-9a-fA-F]{2,6});?|&[A-Za-z]{2,8};"
    r"|(?:\\u[0-9a-fA-F]{4}|\\u\{[0-9a-fA-F]{1,6}\})+|(?:\\x[0-9a-fA-F]{2})+"
)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# Letters turned upside down, in the order of the alphabet; some look the same either way.
TURNED = "ɐqɔpǝɟƃɥᴉɾʞןɯuodbɹsʇnʌʍxʎz"
_TURNED_TOO = "ıi ʃl ɓg ᵷg ∀a ᗺb Ɔc ᗡd Ǝe Ⅎf ⅁g ⅂l ˥l Ԁp ᴚr ⊥t ∩u Λv ⅄y ¡! ¿? ˙."
_UPRIGHT = str.maketrans(
    dict(zip(TURNED, "abcdefghijklmnopqrstuvwxyz", strict=True))
    | {pair[0]: pair[1] for pair in _TURNED_TOO.split()}
)
_TURNED_ONLY = re.compile("[ɐɔǝɟƃɥᴉɾʞןɯɹʇʌʍʎıɓᵷ∀ᗺᗡℲ⅁⅂˥ᴚ⊥∩⅄]")
# For a class: what may stand in a run of them.
_AROUND = " ,.'‘’‛„-"
UPSIDE_DOWN_CHARS = f"{TURNED}{''.join(pair[0] for pair in _TURNED_TOO.split())}{_AROUND}"
_UPSIDE_DOWN = re.compile(f"[{UPSIDE_DOWN_CHARS}]{{4,}}")


@dataclass(frozen=True, slots=True)
class Piece:
    """Characters ``start`` to ``end`` of a text, and what they mean when decoded."""

    start: int
    end: int
    text: str


def find_pieces(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, kind) of everything that may be encoded text; most of it is not."""
    for kind, pattern in (("hex", _HEX), ("base64", BASE64)):
        for match in pattern.finditer(text):
            yield match.start(), match.end(), kind
    if not text.isascii():
        for match in _UPSIDE_DOWN.finditer(text):
            start = match.end() - len(match.group().lstrip(_AROUND))
            yield start, max(start, match.start() + len(match.group().rstrip(_AROUND))), "turned"


def decode_pieces(text: str) -> Iterator[Piece]:
    """Yield the pieces that do hold readable text."""
    budget = MAX_DECODED_CHARS
    for start, end, kind in find_pieces(text):
        decoded = _decode(text[start : min(end, start + MAX_PIECE_CHARS)], kind)
        if decoded is not None and budget > 0:
            budget -= len(decoded)
            yield Piece(start, end, decoded)


def _decode(raw: str, kind: str) -> str | None:
    if kind == "turned":
        return _turn(raw)
    return _read(_from_hex(raw) if kind == "hex" else _from_base64(raw))


def _turn(raw: str) -> str | None:
    num_letters = sum(map(str.isalpha, raw))
    is_turned = 4 * len(_TURNED_ONLY.findall(raw)) > num_letters > 3
    return raw[::-1].translate(_UPRIGHT) if is_turned else None


def unescape_run(run: str) -> str:
    r"""Return what a run of ``%62``, ``&#98;``, ``\u0062`` or ``\x62`` stands for."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", _unescape(run))


def _unescape(run: str) -> str:
    if run.startswith("%"):
        return urllib.parse.unquote(run)
    if run.startswith("&"):
        return html.unescape(run)
    codes = re.findall(r"[0-9a-fA-F]+", run.replace("\\u", " ").replace("\\x", " "))
    points = [min(int(code, 16), 0x10FFFF) for code in codes]
    # Halves of a pair come as two escapes.
    units = "".join(map(chr, points)).encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le", "replace")


def _from_base64(raw: str) -> bytes:
    raw = "".join(raw.split()).rstrip("=").replace("-", "+").replace("_", "/")
    raw = raw[: len(raw) - (len(raw) % 4 == 1)]
    try:
        return base64.b64decode(raw + "=" * (-len(raw) % 4))
    except binascii.Error:
        return b""


def _from_hex(raw: str) -> bytes:
    digits = _HEX_MARKS.sub("", raw)
    return bytes.fromhex(digits[: len(digits) // 2 * 2])


def _read(raw: bytes) -> str | None:
    text = raw.decode("utf-8", errors="ignore")
    if len(text) < _MIN_DECODED_CHARS or len(text.encode()) < _MIN_PRINTABLE * len(raw):
        return None
    num_printable = sum(char.isprintable() or char.isspace() for char in text)
    is_readable = num_printable >= _MIN_PRINTABLE * len(text)
    return text if is_readable and (len(raw) >= _CERTAIN_BYTES or _is_plain(text)) else None


def _is_plain(text: str) -> bool:
    """Say if a short text is made of plain letters: many a word decodes to something."""
    num_plain = sum(char.isalnum() or char in " '" for char in text)
    return text.isascii() and num_plain >= _MIN_PLAIN * len(text)
