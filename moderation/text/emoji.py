"""Letters that come as pictures: in circles, squares and brackets, and the letters of flags."""

import re

from moderation.text.view import View, edit

_FIRST_FLAG_LETTER = 0x1F1E6
_FLAG_LETTERS = re.compile("[\U0001f1e6-\U0001f1ff]+")
_PICTURES = re.compile(
    "[\u249c-\u24b5\u2b55\U0001f110-\U0001f129\U0001f150-\U0001f169\U0001f170-\U0001f189"
    "\U0001f18e\U0001f191-\U0001f19a]"
)
# Rows of 26 letters: in brackets (small, capital), white on black (circles, squares).
_ROWS = (0x249C, 0x1F110, 0x1F150, 0x1F170)
_WORDS = {
    "\u2b55": "o",
    "\U0001f18e": "ab",
    "\U0001f191": "cl",
    "\U0001f192": "cool",
    "\U0001f193": "free",
    "\U0001f194": "id",
    "\U0001f195": "new",
    "\U0001f196": "ng",
    "\U0001f197": "ok",
    "\U0001f198": "sos",
    "\U0001f199": "up",
    "\U0001f19a": "vs",
}
# The regions that have a flag (ISO 3166-1, with EU, UN and Kosovo).
_REGIONS = (
    "ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo bq "
    "br bs bt bv bw by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm "
    "do dz ec ee eg eh er es et eu fi fj fk fm fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr "
    "gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km "
    "kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mf mg mh mk ml mm mn mo mp "
    "mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl "
    "pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sj sk sl sm sn so sr ss st "
    "sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug um un us uy uz va vc ve "
    "vg vi vn vu wf ws xk ye yt za zm zw"
)


def read_pictures(view: View) -> View:
    """Return `view` with pictures of letters read as these letters."""
    return edit(view, _PICTURES, lambda match: _letter_of(match.group()))


def read_flags(view: View) -> View:
    """Return `view` with the letters that flags are made of read as letters, flags or not."""
    return edit(view, _FLAG_LETTERS, lambda match: _spell(match.group()))


def has_flag_letters(text: str) -> bool:
    """Say if there are letters of flags in `text`."""
    return _FLAG_LETTERS.search(text) is not None


def are_all_flags(text: str) -> bool:
    """Say if all letters of flags in `text` really make flags."""
    regions = frozenset(_REGIONS.split())
    for match in _FLAG_LETTERS.finditer(text):
        letters = _spell(match.group())
        pairs = (letters[place : place + 2] for place in range(0, len(letters), 2))
        if not all(len(pair) == 2 and pair in regions for pair in pairs):
            return False
    return True


def _letter_of(picture: str) -> str:
    if picture in _WORDS:
        return _WORDS[picture]
    first = max(row for row in _ROWS if row <= ord(picture))
    return chr(ord("a") + ord(picture) - first)


def _spell(run: str) -> str:
    return "".join(chr(ord("a") + ord(letter) - _FIRST_FLAG_LETTER) for letter in run)
