"""Which language a text is in: guesses, kept simple."""

import re
from functools import cache
from pathlib import Path

from moderation.text.lexicon import is_word

# Small words of languages in Latin letters, without those that English or its slang has, too.
_FOREIGN_FILE = Path(__file__).parent / "words" / "foreign.txt"
LANGUAGES = ("en", "de", "fr", "es", "zh")

_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff]")
_KANA = re.compile("[\u3040-\u30ff]")
_WORD = re.compile(r"[^\W\d_]+")
_MAX_CHARS = 4_000
_STOP_WORDS = {
    "en": "the and is are you what how to of my i do not can please for with this that was it",
    "de": "der die das und ist nicht ich du wie was ein eine zu mit für auf mir mich bitte kann",
    "fr": "le la les et est je tu vous comment un une des du pour avec pas que mon ma s'il moi",
    "es": "el la los las y es yo tú cómo como un una para con no que mi por puedo qué quiero me",
}
_SETS = {language: frozenset(words.split()) for language, words in _STOP_WORDS.items()}

# Below this share of English words, a text with small words of other languages is in one of those.
_ENGLISH_SHARE = 0.5


@cache
def _foreign_words() -> frozenset[str]:
    return frozenset(_FOREIGN_FILE.read_text(encoding="utf-8").split())


def is_foreign(text: str) -> bool:
    """Say if `text`, in small letters, is in another language than English that uses its letters.

    A few foreign words in an English text don't make it foreign, nor do words that nobody knows.
    """
    words = _WORD.findall(text[:_MAX_CHARS])
    foreign = _foreign_words()
    num_foreign = sum(word in foreign for word in words)
    if not num_foreign:
        return False
    # Of the others: else foreign words around an English text would hide it.
    others = [word for word in words if word not in foreign]
    num_english = sum(map(is_word, others))
    return not others or num_english < _ENGLISH_SHARE * len(others)


def detect_language(text: str, hint: str = "") -> str:
    """Return the most likely of en, de, fr, es and zh.

    Looks at the script, then counts small words. `hint` is a locale or an Accept-Language header;
    it decides where the text doesn't.
    """
    text = text[:_MAX_CHARS]
    preferred = _preferred(hint)
    if _HAN.search(text) and not _KANA.search(text):
        num_latin = len(_WORD.findall(_HAN.sub(" ", text)))
        if len(_HAN.findall(text)) >= num_latin:
            return "zh"
    words = [word.lower() for word in _WORD.findall(text)]
    counts = {name: sum(word in stops for word in words) for name, stops in _SETS.items()}
    best = max(counts.values())
    leaders = [language for language, count in counts.items() if count == best and count > 0]
    if preferred in leaders or not leaders:
        return preferred or "en"
    return leaders[0]


def _preferred(hint: str) -> str:
    """Return the first language of an Accept-Language header that we speak, or ""."""
    for part in hint.split(","):
        code = part.split(";")[0].strip().lower().replace("_", "-").partition("-")[0]
        if code in LANGUAGES:
            return code
    return ""
