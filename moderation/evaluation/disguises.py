"""Thirteen ways in which people hide a text from a filter, to see what a filter makes of them."""

import base64
import codecs
import random
from collections.abc import Callable, Mapping
from types import MappingProxyType

Disguise = Callable[[str, random.Random], str]

_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"
_LOOKALIKES = {
    "a": "аɑα", "b": "Ьƅ", "c": "сϲ", "d": "ԁ", "e": "еҽ", "g": "ɡց", "h": "һ", "i": "іɩ",
    "j": "ј", "k": "κк", "l": "ӏⅼ", "m": "ⅿ", "n": "ո", "o": "оοօ", "p": "рρ", "q": "ԛ",
    "s": "ѕ", "t": "т", "u": "υս", "v": "ѵν", "w": "ԝ", "x": "хⅹ", "y": "уү", "z": "ᴢ",
    "A": "АΑ", "B": "ВΒ", "C": "СϹ", "E": "ЕΕ", "H": "НΗ", "I": "ІΙ", "K": "КΚ", "M": "МΜ",
    "N": "Ν", "O": "ОΟ", "P": "РΡ", "S": "Ѕ", "T": "ТΤ", "X": "ХΧ", "Y": "ΥҮ", "Z": "Ζ",
}  # fmt: skip
_LEET = dict(zip("abegilost", ("4@", "8", "3", "9", "1!", "1", "0", "5$", "7"), strict=True))


def add_zero_width(text: str, draw: random.Random) -> str:
    """Put an invisible character after 30 % of the characters."""
    return "".join(c + draw.choice(_INVISIBLE) if draw.random() < 0.3 else c for c in text)


def swap_homoglyphs(text: str, draw: random.Random) -> str:
    """Replace half of the letters by ones of other scripts that look the same."""
    return "".join(
        draw.choice(_LOOKALIKES[c]) if c in _LOOKALIKES and draw.random() < 0.5 else c for c in text
    )


def widen(text: str, draw: random.Random) -> str:
    """Write in the full-width letters of East Asian fonts."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def write_leet(text: str, draw: random.Random) -> str:
    """Replace half of the letters that have a digit or a sign alike."""
    return "".join(
        draw.choice(_LEET[c.lower()]) if c.lower() in _LEET and draw.random() < 0.5 else c
        for c in text
    )


def space_letters(text: str, draw: random.Random) -> str:
    """Put a space between letters, three between words."""
    return "   ".join(" ".join(word) for word in text.split())


def dot_letters(text: str, draw: random.Random) -> str:
    """Put a dot between the letters of each word."""
    return " ".join(".".join(word) for word in text.split())


def repeat_letters(text: str, draw: random.Random) -> str:
    """Say a fifth of the letters three to five times."""
    return "".join(
        c * draw.randint(3, 5) if c.isalpha() and draw.random() < 0.2 else c for c in text
    )


def write_emoji(text: str, draw: random.Random) -> str:
    """Write in the letters that are emoji: flags' letters, or white ones on a coloured square."""
    base = draw.choice((0x1F1E6, 0x1F170))
    return "".join(
        chr(base + ord(c.upper()) - ord("A")) if c.isascii() and c.isalpha() else c for c in text
    )


def encode_base64(text: str, draw: random.Random) -> str:
    """Hide the text as base64."""
    return base64.b64encode(text.encode("utf-8", "replace")).decode()


def encode_hex(text: str, draw: random.Random) -> str:
    """Hide the text as hexadecimal bytes."""
    return text.encode("utf-8", "replace").hex()


def rotate(text: str, draw: random.Random) -> str:
    """Shift the letters by thirteen places."""
    return codecs.encode(text, "rot13")


def escape_url(text: str, draw: random.Random) -> str:
    """Write every byte as in an address, %41 for A."""
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "replace"))


def escape_html(text: str, draw: random.Random) -> str:
    """Write every character as in a web page, &#65; for A."""
    return "".join(f"&#{ord(c)};" for c in text)


DISGUISES: Mapping[str, Disguise] = MappingProxyType(
    {
        "zero-width 30%": add_zero_width,
        "homoglyphs 50%": swap_homoglyphs,
        "full width": widen,
        "leet 50%": write_leet,
        "spaced letters": space_letters,
        "dotted letters": dot_letters,
        "repeats": repeat_letters,
        "emoji letters": write_emoji,
        "base64": encode_base64,
        "hex": encode_hex,
        "rot13": rotate,
        "URL escapes": escape_url,
        "HTML escapes": escape_html,
    }
)


def disguise(text: str, name: str, seed: int = 0) -> str:
    """Return `text` under the disguise `name`; the same text and seed give the same."""
    return DISGUISES[name](text, random.Random(f"{seed}/{name}/{text!r}"))
