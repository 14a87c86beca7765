"""The page's texts in the reader's language."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

FOLDER = Path(__file__).parent / "languages"
DEFAULT = "en"
# Gradio's page knows Chinese by these two codes, and takes any other for English.
CHINESE = ("zh-CN", "zh-TW")


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of one language: ``words("waiting", position=3)``."""

    code: str
    texts: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """Return the text for `key`, its {names} replaced by `values`."""
        return self.texts[key].format(**values)


@cache
def read_languages() -> Mapping[str, Words]:
    """Return the languages of the page by code, English first."""
    found = {path.stem: _read(path) for path in sorted(FOLDER.glob("*.toml"))}
    return MappingProxyType({DEFAULT: found[DEFAULT], **found})


def choose(accept_language: str) -> Words:
    """Return the words of the language that an Accept-Language header likes best.

    Quality values as in RFC 9110, section 12.5.4; English if none is spoken here.
    """
    languages = read_languages()
    wishes = [_read_wish(part) for part in accept_language.split(",")[:50]]
    refused = {code for code, quality in wishes if quality <= 0}
    for code, quality in sorted(wishes, key=lambda wish: -wish[1]):
        if quality > 0 and code in languages:
            return languages[code]
        if quality > 0 and code == "*":
            return next((w for c, w in languages.items() if c not in refused), languages[DEFAULT])
    return languages[DEFAULT]


def catalogue() -> dict[str, dict[str, str]]:
    """Return the texts by locale and key, as gr.I18n takes them."""
    texts = {code: dict(words.texts) for code, words in read_languages().items()}
    return {**texts, **{code: dict(texts["zh"]) for code in CHINESE}}


def _read(path: Path) -> Words:
    texts = tomllib.loads(path.read_text(encoding="utf-8"))
    return Words(path.stem, MappingProxyType({key: str(text) for key, text in texts.items()}))


def _read_wish(part: str) -> tuple[str, float]:
    """Return the language and the quality, 0 to 1, of one part such as "de-CH;q=0.8"."""
    code, _, weight = part.partition(";")
    name, _, number = weight.partition("=")
    quality = 1.0
    if name.strip().lower() == "q":
        try:
            quality = float(number)
        except ValueError:
            quality = 0.0
    return code.strip().lower().replace("_", "-").partition("-")[0], min(quality, 1.0)
