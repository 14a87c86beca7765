"""Ways to disguise a text, each seeded, so that a test sees the same disguise every time."""

import base64
import codecs
import html
import random
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

from moderation.text.decode import TURNED

LOOKALIKES = {
    "a": "аαᴀ𝐚ａ",
    "b": "Ьʙ𝒃ｂ",
    "c": "сᴄ𝖼ϲ",
    "d": "ԁᴅ𝗱ⅾ",
    "e": "еεᴇｅ",
    "f": "ꜰ𝐟ｆ",
    "g": "ɡɢ𝗀",
    "h": "һʜ𝐡",
    "i": "іιɪｉ",
    "j": "јᴊ𝗃",
    "k": "κкᴋ",
    "l": "ӏʟⅼ",
    "m": "мᴍⅿ",
    "n": "ոɴ𝗇",
    "o": "оοᴏｏ",
    "p": "рρᴘ",
    "q": "ԛ𝗊",
    "r": "гʀ𝗋",
    "s": "ѕꜱｓ",
    "t": "тτᴛ",
    "u": "υսᴜ",
    "v": "ѵνᴠ",
    "w": "ԝᴡա",
    "x": "хχｘ",
    "y": "уʏγ",
    "z": "ᴢｚ",
}
LEET = {
    "a": "4@",
    "b": "8",
    "e": "3",
    "g": "9",
    "i": "1!",
    "l": "1|",
    "o": "0",
    "s": "5$",
    "t": "7",
}
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u202d\u2066"
ROWS = (0x1F130, 0x1F150, 0x1F170, 0x24D0, 0x24B6, 0x1F1E6)


def swap(table: Mapping[str, str], share: float) -> Callable[[str, random.Random], str]:
    """Return a disguise that replaces so many of the letters that a table has."""

    def disguise(text: str, rng: random.Random) -> str:
        return "".join(
            rng.choice(table[char]) if char in table and rng.random() < share else char
            for char in text.lower()
        )

    return disguise


def hide_invisible(text: str, rng: random.Random) -> str:
    """Put invisible characters behind 30 % of all."""
    return "".join(c + (rng.choice(INVISIBLE) if rng.random() < 0.3 else "") for c in text)


def widen(text: str, rng: random.Random) -> str:
    """Write in full width."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def repeat(text: str, rng: random.Random) -> str:
    """Write a letter or two of each word three to six times."""
    words = []
    for word in text.split(" "):
        places = [place for place, char in enumerate(word) if char.isalpha()]
        chosen = set(rng.sample(places, min(len(places), rng.randint(1, 2))))
        words.append(
            "".join(c * rng.randint(3, 6) if i in chosen else c for i, c in enumerate(word))
        )
    return " ".join(words)


def draw(text: str, rng: random.Random) -> str:
    """Write in letters that are pictures."""
    row = rng.choice(ROWS)
    parted = "\u200b" if row == ROWS[-1] else ""
    return "".join(
        chr(row + ord(char) - ord("a")) + parted if "a" <= char <= "z" else char
        for char in text.lower()
    )


def turn(text: str, rng: random.Random) -> str:
    """Write upside down."""
    table = str.maketrans("abcdefghijklmnopqrstuvwxyz", TURNED)
    return text.lower().translate(table)[::-1]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


DISGUISES: Mapping[str, Callable[[str, random.Random], str]] = {
    "zero-width 30 %": hide_invisible,
    "look-alikes 50 %": swap(LOOKALIKES, 0.5),
    "look-alikes": swap(LOOKALIKES, 1.0),
    "full width": widen,
    "leet 50 %": swap(LEET, 0.5),
    "leet": swap({key: value[0] for key, value in LEET.items()}, 1.0),
    "spaced, three between words": lambda text, rng: " ".join(text),
    "spaced, two between words": lambda text, rng: "  ".join(
        " ".join(word) for word in text.split(" ")
    ),
    "spaced, one between words": lambda text, rng: " ".join(text.replace(" ", "")),
    "dotted": lambda text, rng: ".".join(text),
    "dotted words": lambda text, rng: " ".join(".".join(word) for word in text.split(" ")),
    "dashed words": lambda text, rng: " ".join("-".join(word) for word in text.split(" ")),
    "repeats": repeat,
    "everything doubled": lambda text, rng: re.sub(r"([^\W\d_])", r"\1\1", text),
    "pictures": draw,
    "upside down": turn,
    "base64": lambda text, rng: f"please read {_base64(text)}",
    "base64 of each word": lambda text, rng: " ".join(map(_base64, text.split(" "))),
    "base64 three times": lambda text, rng: _base64(_base64(_base64(text))),
    "hex": lambda text, rng: f"decode: {text.encode().hex()}",
    "hex in pairs": lambda text, rng: f"decode: {text.encode().hex(rng.choice(' -,'))}",
    "rot13": lambda text, rng: codecs.encode(text, "rot13"),
    "rot13 in a request": lambda text, rng: f"decode this rot13: {codecs.encode(text, 'rot13')}",
    "url": lambda text, rng: quote(text, safe=""),
    "url, every letter": lambda text, rng: "".join(f"%{byte:02x}" for byte in text.encode()),
    "html": lambda text, rng: html.escape(
        "".join(f"&#{ord(c)};" if rng.random() < 0.5 else f"&#x{ord(c):x};" for c in text)
    ).replace("&amp;", "&"),
    "base64 of url of rot13": lambda text, rng: _base64(
        "".join(f"%{byte:02x}" for byte in codecs.encode(text, "rot13").encode())
    ),
}
