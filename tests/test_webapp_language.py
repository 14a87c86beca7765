"""The page speaks five languages, and each of them says everything."""

import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.ui import language
from webapp.ui.language import catalogue, choose, read_languages

UI = Path(language.__file__).parent
ENGLISH = read_languages()["en"].texts


def names_in(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def test_there_are_five_languages_english_first():
    assert tuple(read_languages()) == ("en", "de", "es", "fr", "zh")


@pytest.mark.parametrize("code", read_languages())
def test_every_language_has_the_same_keys_and_placeholders(code):
    texts = read_languages()[code].texts
    assert texts.keys() == ENGLISH.keys()
    for key, text in texts.items():
        assert text.strip(), key
        assert names_in(text) == names_in(ENGLISH[key]), key


def test_every_text_that_the_page_asks_for_is_there():
    sources = "\n".join(path.read_text(encoding="utf-8") for path in UI.glob("*.py"))
    asked = set(re.findall(r"""(?:words|say)\(\s*["'](\w+)["']""", sources))
    assert len(asked) > 20
    for key in asked:
        # The beginning of a key whose end is a value, such as tag_ of tag_clear.
        begins = key.endswith("_") and any(name.startswith(key) for name in ENGLISH)
        assert begins or key in ENGLISH, key


def test_a_text_is_filled_in():
    assert "number 3 " in choose("en")("waiting", position=3)
    assert "{braces}" in choose("de")("chat_actions", title="{braces}")


@pytest.mark.parametrize(
    "header, code",
    [
        ("", "en"),
        ("de", "de"),
        ("de-CH,de;q=0.9,en;q=0.8", "de"),
        ("DE_at", "de"),
        ("zh-Hans-CN", "zh"),
        ("zh-TW,en;q=0.5", "zh"),
        ("nl,fr;q=0.7,en;q=0.3", "fr"),
        ("en;q=0.1, es;q=0.2", "es"),
        ("fr;q=0, es;q=0.1", "es"),
        ("en;q=0, *", "de"),
        ("*", "en"),
        ("xx, yy", "en"),
        ("fr;q=what, es;q=0.1", "es"),
        ("fr;q=nan, es", "es"),
        ("fr;level=1", "fr"),
        (",,;;q=,", "en"),
    ],
)
def test_the_reader_s_wishes_decide(header, code):
    assert choose(header).code == code


@given(st.text())
def test_any_header_leads_to_a_language(header):
    assert choose(header).code in read_languages()


def test_the_catalogue_has_the_locales_of_gradio_s_page():
    texts = catalogue()
    assert set(texts) == {"en", "de", "es", "fr", "zh", "zh-CN", "zh-TW"}
    assert texts["zh-CN"] == texts["zh"] and texts["de"]["send"] == "Senden"
