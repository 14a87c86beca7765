"""Words with digits for letters, or letters too many, read as they are meant."""

import re
from collections.abc import Mapping
from itertools import product

from moderation.text.lexicon import best_word, is_word, likeliest
from moderation.text.view import View, edit

# In Chinese, Japanese, Korean and Thai a sign three times is ordinary.
_REPEATED = r"[^\W\d_\u0e00-\u0eff\u1100-\u11ff\u2e80-\ud7ff\uf900-\ufaff]"
_REPEATS = re.compile(rf"({_REPEATED})\1{{2,}}")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
# A word with a letter three times in a row, or with two letters twice.
_WORTH_MENDING = re.compile(r"([^\W\d_])\1(?:\1|[^\W\d_']*([^\W\d_])\2)")
_DOUBLE = re.compile(r"(.)\1+")
_TWICE = re.compile(r"(.)\1")
_ALL_TWICE = re.compile(r"(?:(.)\1)+")
_LONGEST_WORD = 80
_MOST_RUNS = 6

_LEET_TOKEN = re.compile(r"[a-z0-9@$!|€']{2,}")
_LONE_SIGN = re.compile(r"(?<!\S)[14@!|](?=\s|[.?]?$)")
_LEET_I = str.maketrans("0134567@$!|€89", "oieasgtasiiebg")
_LEET_L = str.maketrans("0134567@$!|€89", "oleasgtasllebg")
_LONE = str.maketrans("14@!|", "iaaii")
# What a sign may stand for, the likeliest first.
_MEANINGS = {
    "0": "o",
    "1": "il",
    "2": "z",
    "3": "e",
    "4": "a",
    "5": "s",
    "6": "gb",
    "7": "t",
    "8": "b",
    "9": "g",
    "@": "a",
    "$": "s",
    "!": "il",
    "|": "li",
    "€": "e",
}
_SIGN = re.compile(r"[0-9@$!|€]")
_MOST_READINGS = 64
_LONGEST_TOKEN = 24
_MIN_ODD = 4
_FEW_WORDS = 8
# "mp3", "a4", "4th", "10km": ordinary ways to put digits and letters together.
_ORDINARY = re.compile(r"\d+[a-z]{1,2}|[a-z]{1,2}\d+|[$€]\d+[a-z]*")


def shorten(view: View, num_kept: int) -> View:
    """Return `view` with three and more of a letter cut down to `num_kept`."""
    return edit(view, _REPEATS, lambda match: match.group(1) * num_kept)


def has_repeats(text: str) -> bool:
    """Say if there are three of a letter in a row."""
    return _REPEATS.search(text) is not None


def mend_repeats(view: View, *, keeps_doubles: bool = False) -> View:
    """Return `view` with letters too many left out where that makes a word; else two remain.

    Of several words it is the most frequent one ("oooofff" is "of"), or the longest ("off") if it
    `keeps_doubles`.
    """
    if not _WORTH_MENDING.search(view.text):
        return view
    return edit(view, _WORD, lambda match: _mend_word(match.group(), keeps_doubles))


def _mend_word(word: str, keeps_doubles: bool) -> str:
    if len(word) > _LONGEST_WORD or not word.isascii():
        return _REPEATS.sub(r"\1\1", word)
    runs = list(_DOUBLE.finditer(word))
    if is_word(word) or (len(runs) < 2 and not _REPEATS.search(word)):
        return word
    if len(word) > 3 and _ALL_TWICE.fullmatch(word):
        halved = _TWICE.sub(r"\1", word)
        if is_word(halved) or not _REPEATS.search(word):
            return halved
    if len(runs) > _MOST_RUNS:
        counts = [(1,) * len(runs), (2,) * len(runs)]
    else:
        counts = list(product((1, 2), repeat=len(runs)))
    candidates = [_cut_runs(word, runs, lengths) for lengths in counts]
    if keeps_doubles:
        mended = max(filter(is_word, candidates), key=len, default=None)
    else:
        mended = best_word(candidates)
    # Of a word that the list doesn't have: most letters stand alone.
    return mended or _REPEATS.sub(r"\1\1" if keeps_doubles else r"\1", word)


def _cut_runs(word: str, runs: list[re.Match[str]], lengths: tuple[int, ...]) -> str:
    parts: list[str] = []
    last = 0
    for run, length in zip(runs, lengths, strict=True):
        parts += (word[last : run.start()], run.group(1) * length)
        last = run.end()
    return "".join(parts) + word[last:]


def read_leet(view: View) -> tuple[View, ...]:
    """Return how `view` reads with digits and signs as letters, without asking for sense.

    Two ways, with "1" as i and as l, where there is anything to read.
    """
    if not _SIGN.search(view.text):
        return ()
    read = (_replace_leet(view, _LEET_I), _replace_leet(view, _LEET_L))
    return tuple(other for other in read if other is not view)


def _replace_leet(view: View, table: dict[int, int]) -> View:
    def replace(match: re.Match[str]) -> str:
        token = match.group()
        core = token.rstrip("!|'")
        if not _is_leet(core):
            return token
        return core.translate(table) + token[len(core) :]

    view = edit(view, _LONE_SIGN, lambda match: match.group().translate(_LONE))
    return edit(view, _LEET_TOKEN, replace)


def _is_leet(core: str) -> bool:
    return _SIGN.search(core) is not None and any(char.isalpha() for char in core)


def _is_ordinary(token: str) -> bool:
    core = token.rstrip("!|'")
    return not _is_leet(core) or _ORDINARY.fullmatch(core) is not None


def mend_leet(view: View, *, is_style: bool | None = None) -> View:
    """Return `view` with digits and signs read as letters where that makes a word.

    What could as well be ordinary, such as "a4", "5th" or "70", is read only if `is_style`: by
    default, beside what is not ordinary.
    """
    if not _SIGN.search(view.text):
        return view
    tokens = [match.group() for match in _LEET_TOKEN.finditer(view.text)]
    readings = {token: _mend_token(token) for token in dict.fromkeys(tokens)}
    if is_style is None:
        is_style = _is_style(readings, len(view.text.split()))
    if is_style:
        view = edit(view, _LONE_SIGN, lambda match: match.group().translate(_LONE))

    def replace(match: re.Match[str]) -> str:
        token = match.group()
        if is_style and readings[token] == token:
            return _read_odd(token)
        return token if not is_style and _is_ordinary(token) else readings[token]

    return edit(view, _LEET_TOKEN, replace)


def _is_style(readings: Mapping[str, str], num_words: int) -> bool:
    """Say if enough words have digits for letters, in a way that isn't ordinary."""
    num_read = sum(
        read != token and not _is_ordinary(token) and is_word(read.strip("!|'"))
        for token, read in readings.items()
    )
    return num_read >= (1 if num_words <= _FEW_WORDS else 2)


def _mend_token(token: str) -> str:
    core = token.rstrip("!|'")
    rest = token[len(core) :]
    if len(core) > _LONGEST_TOKEN or (not _SIGN.search(core) and (not rest or is_word(core))):
        return token
    bare = core.lstrip("'")
    prefix = core[: len(core) - len(bare)]
    word = best_word(_spell_out(bare))
    if word is None and rest:  # "h3l!!" may end in a letter
        word = best_word(_spell_out(bare + rest[0]))
        rest = rest[1:] if word else rest
    if word is None:
        word = likeliest(_spell_out(bare)) if _is_leet(bare) and _looks_leet(bare) else bare
    return prefix + word + rest


def _read_odd(token: str) -> str:
    """Return how a token reads that is no word, where digits are letters all around it."""
    core = token.rstrip("!|'")
    num_letters = sum(map(str.isalpha, core))
    if _is_ordinary(token) or len(core) < _MIN_ODD or num_letters < 2 or "2" in core:
        return token
    return likeliest(_spell_out(core)) + token[len(core) :]


def _spell_out(token: str) -> list[str]:
    """Return what `token` may stand for; not too many."""
    found = [""]
    for char in token:
        meanings = _MEANINGS.get(char, char)
        if len(found) * len(meanings) > _MOST_READINGS:
            meanings = meanings[:1]
        found = [start + meaning for start in found for meaning in meanings]
    return found


def _looks_leet(token: str) -> bool:
    """Say if a token that is no word may be one that the list doesn't have: "p3nt4gr4m"."""
    signs = _SIGN.findall(token)
    is_inside = _SIGN.search(token.strip("0123456789")) is not None
    is_address = set(signs) == {"@"} or "2" in token
    return is_inside and len(token) > 4 and 2 * len(signs) < len(token) and not is_address
