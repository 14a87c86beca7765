"""Characters that show nothing, or turn the text around, as marks that anybody can read."""

import re
import unicodedata
from html import escape

_MOST_NAMES = 4
_PICTURE = "\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff"
# Scripts in which a joiner, or its opposite, is part of how a word is spelled.
_JOINING = "\u0600-\u06ff\u0750-\u077f\u0900-\u0dff\u1000-\u109f\u1780-\u17ff"
_SPELLING = (
    f"(?<=[{_PICTURE}#*0-9])\ufe0f"
    f"|(?<=[{_PICTURE}\ufe0f])\u200d(?=[{_PICTURE}])"
    f"|(?<=[{_JOINING}])[\u200c\u200d](?=[{_JOINING}])"
)
_UNSEEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_RUN = re.compile(f"{_SPELLING}|((?:(?!{_SPELLING})[{_UNSEEN}])+)")


def show(text: str) -> str:
    """Return `text` as HTML in which what nobody could see is written out, as in ⟨U+202E⟩.

    What a picture of several parts, or the spelling of a language, needs stays as it is.
    """
    parts: list[str] = []
    last = 0
    for run in _RUN.finditer(text):
        if run[1]:
            parts += (escape(text[last : run.start()]), _mark(run[1]))
            last = run.end()
    return "".join(parts) + escape(text[last:])


def _mark(run: str) -> str:
    kinds = dict.fromkeys(run)
    names = [unicodedata.name(char, "control character") for char in kinds][:_MOST_NAMES]
    codes = " ".join(f"U+{ord(char):04X}" for char in (kinds if len(kinds) == 1 else run))
    times = f" × {len(run):,}" if len(kinds) == 1 < len(run) else ""
    title = ", ".join(dict.fromkeys(names)).lower()
    # In a direction of its own, that it doesn't decide the one of the text around it.
    return f'<bdi class="unseen" title="{title}">⟨{codes}{times}⟩</bdi>'
