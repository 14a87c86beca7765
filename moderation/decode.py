"""Text that hides as base64, hex or escapes: found, decoded, never taken further than needed."""

import base64
import binascii
import html
import re
import urllib.parse
from collections.abc import Iterator

# Judging decoded text costs as much as judging the text itself, so both numbers are bounded.
MAX_PIECE_CHARS = 64_000
MAX_DECODED_CHARS = 256_000
_MIN_DECODED_CHARS = 4
_MIN_PRINTABLE = 0.9

# Lines of a wrapped base64 block are long, but for the last. A "++" never gives back what it
# took, so the search stays linear.
_BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]{40,}+(?:\r?\n[A-Za-z0-9+/_-]{40,}+)*+"
    r"(?:\r?\n[A-Za-z0-9+/_-]{2,}+)?|[A-Za-z0-9+/_-]{8,}+)={0,2}"
)
_HEX = re.compile(
    r"(?<![A-Za-z0-9])(?:0x|\\x)?[0-9a-fA-F]{2}(?:[ ,:;]{0,2}(?:0x|\\x)?[0-9a-fA-F]{2}){5,}+"
    r"(?![A-Za-z0-9])"
)
_HEX_MARKS = re.compile(r"0x|\\x|[ ,:;]")
ESCAPES = re.compile(
    r"(?:%[0-9a-fA-F]{2})+|&#?[A-Za-z0-9]{2,8};|(?:\\u[0-9a-fA-F]{4})+|(?:\\x[0-9a-fA-F]{2})+"
)


def find_pieces(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, kind) of everything that may be encoded text; most of it is not."""
    for kind, pattern in (("hex", _HEX), ("base64", _BASE64)):
        for match in pattern.finditer(text):
            yield match.start(), match.end(), kind


def decode_pieces(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, decoded) of the pieces that do hold readable text."""
    budget = MAX_DECODED_CHARS
    for start, end, kind in find_pieces(text):
        raw = text[start : min(end, start + MAX_PIECE_CHARS)]
        decoded = _read(_from_hex(raw) if kind == "hex" else _from_base64(raw))
        if decoded is not None and budget > 0:
            budget -= len(decoded)
            yield start, end, decoded


def unescape_run(run: str) -> str:
    r"""Return what a run of ``%62``, ``&#98;``, ``\u0062`` or ``\x62`` stands for."""
    if run.startswith("%"):
        return urllib.parse.unquote(run)
    if run.startswith("&"):
        return html.unescape(run)
    digits = re.findall(r"[0-9a-fA-F]+", run.replace("\\u", " ").replace("\\x", " "))
    return "".join(chr(int(code, 16)) for code in digits)


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
    return text if num_printable >= _MIN_PRINTABLE * len(text) else None
