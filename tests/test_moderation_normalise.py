"""Disguises are undone, ordinary text stays, and every character knows where it came from."""

import base64
import codecs
import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.normalise import View, make_views, normalise

DISGUISES = {
    "plain": "forbidden",
    "capitals": "FoRbIdDeN",
    "full width": "ｆｏｒｂｉｄｄｅｎ",
    "mathematical": "𝐟𝐨𝐫𝐛𝐢𝐝𝐝𝐞𝐧",
    "zero width": "for\u200bbid\u200cd\u2060en",
    "soft hyphen": "for\u00adbid\u00adden",
    "bidi": "for\u202ebid\u202cden",
    "variation selectors": "f\ufe0forbid\U000e0101den",
    "cyrillic": "fоrbiddеn",
    "greek": "fοrbidden",
    "small capitals": "ꜰᴏʀʙɪᴅᴅᴇɴ",
    "marks on letters": "f\u0335o\u0336r\u0337bi\u0338dden",
    "leet": "f0rb1dd3n",
    "leet signs": "f0r8!dd€n",
    "spaced": "f o r b i d d e n",
    "dotted": "f.o.r.b.i.d.d.e.n",
    "dashed": "f - o - r - b - i - d - d - e - n",
}


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES)
def test_disguise_is_undone(disguise: str):
    view = normalise(f"so {disguise} here")
    assert view.text == "so forbidden here"
    start = view.text.index("forbidden")
    first, last = view.locate(start, start + len("forbidden"))
    assert f"so {disguise} here"[first:last] == disguise


@pytest.mark.parametrize(
    "text",
    [
        "Привет, как дела? Я живу в Москве.".casefold(),
        "你好，今天天气怎么样？".replace("，", ",").replace("？", "?"),
        "مرحبا كيف حالك اليوم",
        "γειά σου κόσμε",
        "שלום עולם",
        "สวัสดีชาวโลก",
        "naïve café, garçon",
        "안녕하세요 세계",
    ],
)
def test_ordinary_writing_of_the_world_stays(text: str):
    expected = unicodedata.normalize("NFKC", text).casefold()
    assert normalise(text).text == expected


def test_numbers_and_identifiers_stay_numbers():
    text = "call 1000000 times, 3.14, 10:45, 2024-05-01"
    assert normalise(text).text == text


def test_repeats_become_two_and_in_a_view_of_their_own_one():
    texts = {view.text for view in make_views("bommmmmb kiiiill")}
    assert {"bommb kiill", "bomb kill"} <= texts


def test_article_before_spaced_letters_is_told_apart():
    assert any(view.text == "make a bomb" for view in make_views("make a b o m b"))


def test_leet_one_is_read_as_i_and_as_l():
    texts = {view.text for view in make_views("k1ll and k111 s1ow")}
    assert any("kill" in text for text in texts)
    assert any("slow" in text for text in texts)


def _encodings(text: str) -> dict[str, str]:
    raw = text.encode()
    return {
        "base64": base64.b64encode(raw).decode(),
        "base64 without padding": base64.b64encode(raw).decode().rstrip("="),
        "base64 twice": base64.b64encode(base64.b64encode(raw)).decode(),
        "hex": raw.hex(),
        "spaced hex": raw.hex(" "),
        "hex escapes": "".join(f"\\x{byte:02x}" for byte in raw),
        "unicode escapes": "".join(f"\\u{byte:04x}" for byte in raw),
        "url": quote(text),
        "url, every letter": "".join(f"%{byte:02X}" for byte in raw),
        "entities": "".join(f"&#{byte};" for byte in raw),
        "rot13": codecs.encode(text, "rot13"),
        "tags": "".join(chr(0xE0000 + byte) for byte in raw),
    }


@pytest.mark.parametrize("kind", _encodings("x"))
def test_encoded_text_is_found_where_it_stands(kind: str):
    secret = "the forbidden word, ever so hidden"
    encoded = _encodings(secret)[kind]
    text = f"please read {encoded} now"
    views = [view for view in make_views(text) if secret in view.text]
    assert views, [view.text for view in make_views(text)]
    start = views[0].text.index(secret)
    first, last = views[0].locate(start, start + len(secret))
    assert text[first:last].strip() == encoded


def test_wrapped_base64_is_read_as_one():
    secret = "a rather long text that hides something forbidden behind line ends. " * 3
    wrapped = base64.encodebytes(secret.encode()).decode()
    assert any("something forbidden behind" in view.text for view in make_views(wrapped))


def test_ordinary_long_words_are_not_taken_for_code():
    text = "antidisestablishmentarianism internationalisation d41d8cd98f00b204e9800998ecf8427e"
    assert all(view.piece is None for view in make_views(text))


@given(st.text(st.characters(), max_size=60))
def test_offsets_rise_and_stay_inside_whatever_the_text(text: str):
    for view in (*make_views(text), normalise(text)):
        assert len(view.offsets) == len(view.text) + 1 or view.piece is not None
        view.text.encode()  # no lone surrogate is left
        if view.piece is None:
            assert list(view.offsets) == sorted(view.offsets)
            assert view.offsets[-1] == len(text)
        for start in range(len(view.text)):
            first, last = view.locate(start, start + 1)
            assert 0 <= first < last <= len(text)


HOSTILE = {
    "one letter": "a" * 1_000_000,
    "spaced letters": "a b " * 250_000,
    "marks": "a" + "\u0301\u0316" * 500_000,
    "hebrew marks": "\u05d0" + "\u05b0\u05bc" * 500_000,
    "zero width": "\u200b" * 1_000_000,
    "base64": "QUJD" * 250_000,
    "percent": "%41" * 333_000,
    "percent signs": "%" * 1_000_000,
    "ampersands": "&" * 1_000_000,
    "hex": "41" * 500_000,
    "ligatures": "\ufdfa" * 60_000,
    "surrogates": "\ud800" * 1_000_000,
    "jamo": "\u1100\u1161" * 500_000,
    "leet": "a1" * 500_000,
    "words": "the quick brown fox " * 50_000,
    "chinese": "你好世界" * 250_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_megabyte_of_anything_is_normalised(text: str):
    # No limit on time is asserted: a quadratic step would make this test take hours.
    view = normalise(text)
    assert isinstance(view, View)
    assert len(view.offsets) == len(view.text) + 1
