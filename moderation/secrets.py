"""Keys, tokens and passwords, by the shapes that services give them and by the words before."""

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Collection, Iterator

from chat.types import Span, Verdict
from moderation.base import Manifest, ModerationContext
from moderation.identifiers.shapes import Finder, Folded, Kind, choose, fold, report
from moderation.identifiers.tokens import TOKENS

_KEY_BLOCK = re.compile(r"-----BEGIN (?:[A-Z0-9]{2,9} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_KEY_END = re.compile(r"-----END (?:[A-Z0-9]{2,9} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
# The longest first line of a key, and what may follow a word before it is known.
_HOLD_BACK = 64
_JWT = re.compile(r"eyJ[\w-]{5,4000}\.[\w-]{8,8000}\.[\w-]{8,4000}")
# What stands for a secret in examples, and code that fetches one.
_STAND_IN = re.compile(
    r"(?i)(?:<|\[|\$|%|\{|\(|\*|#|&|@|x{3,}|\.{3}|…|your|my[-_]?(?:pass|secret|token|key|api)"
    r"|example|change[-_]?me|placeholder|redacted|dummy|fake|sample|insert|enter|put[-_]"
    r"|(?:pass(?:word|wd|phrase)?|secret|token|api[-_]?key|key|pwd|none|null|nil|undefined|true"
    r"|false|string|str|text|bytes|required|optional|hidden|empty|default|test|value|here)\W*$"
    r"|(?:os|process|env|config|settings|self|request|req|args|options|params|this|secrets|ctx"
    r"|app|cfg|data|form|user|input|vault|session|body|props|state|json|kwargs|credentials)"
    r"[.\[(]|get|read|load|fetch|import|new |System\.|https?:|/|[a-z_]{1,40}\("
    r"|\w{1,40}[\[(].{0,300}[\])])"
)
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


def entropy(text: str) -> float:
    """Return how many bits a character of `text` has, by how often each occurs in it (Shannon)."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)


def _measure_jwt(found: str) -> int:
    match = _JWT.match(found)
    return match.end() if match else 0


def _strip(value: str) -> str:
    """Drop what closes a sentence, a string or a parenthesis after `value`."""
    return value.rstrip(".,;:)]}>\"'`")


def _measure_key(found: str) -> int:
    """What is said to be a key or a token: long, and random."""
    value = _strip(found)
    if _STAND_IN.match(value) or _UUID.fullmatch(value) or len(value) < 16:
        return 0
    is_random = entropy(value) >= 3.0 and any(map(str.isdigit, value))
    is_random = is_random and any(map(str.isalpha, value)) and " " not in value
    return len(value) if is_random else 0


def _measure_password(found: str) -> int:
    """What is said to be a password: anything that is no word and stands for nothing else."""
    value = _strip(found)
    if value.endswith(("...", "()")) or _STAND_IN.match(value) or not 6 <= len(value) <= 128:
        return 0
    inner = value[1:-1]
    has_capitals_inside = any(map(str.isupper, inner)) and any(map(str.islower, inner))
    has_digits = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    has_marks = any(char in "!@#$%^&*?~" for char in value) and any(map(str.isalpha, value))
    is_name = re.fullmatch(r"[A-Za-z_.]+|\d{1,2}[-/:.]\d{1,2}\S*|v?\d+(?:\.\d+)*", value)
    return len(value) if (has_digits or has_marks or has_capitals_inside) and not is_name else 0


def _measure_url_password(found: str) -> int:
    is_stand_in = _STAND_IN.match(found) or set(found) <= {"*", "x", "X", "."}
    return 0 if is_stand_in else len(found)


def _measure_basic(found: str) -> int:
    """``Authorization: Basic`` is base64 of a name, a colon and a password."""
    try:
        data = base64.b64decode(found + "=" * (-len(found) % 4), validate=True)
    except (binascii.Error, ValueError):
        return 0
    return len(found) if b":" in data and data.isascii() else 0


_KEY_WORDS = (
    r"api[-_ ]?key|api[-_ ]?secret|api[-_ ]?token|access[-_ ]?key|access[-_ ]?token"
    r"|auth[-_ ]?token|auth[-_ ]?key|client[-_ ]?secret|secret[-_ ]?key|secret[-_ ]?access[-_ ]?key"
    r"|app[-_ ]?secret|encryption[-_ ]?key|signing[-_ ]?key|private[-_ ]?key|account[-_ ]?key"
    r"|shared[-_ ]?key|master[-_ ]?key|refresh[-_ ]?token|bot[-_ ]?token|session[-_ ]?token"
    r"|webhook[-_ ]?secret|secret|token"
)
_PASSWORD_WORDS = (
    r"password|passwd|passphrase|pass ?code|pwd|db_?pass|passwort|kennwort|mot de passe"
    r"|contrasena|senha|wachtwoord|haslo"
)
_QUOTES = "[\"'`*]"
# "key": "...", key=..., "the password for the router is ...", --token ...
_LINK = (
    rf"(?:{_QUOTES}{{0,3}}\s{{0,3}}(?::=|=>|=|:)\s{{0,3}}{_QUOTES}{{0,3}}"
    r"|(?: (?:for|to|of|on|fuer)(?: [^ \n]{1,24}){1,3})? (?:is now|is|was|ist|lautet|est|es|set to)"
    rf"[: ]{{1,2}}{_QUOTES}{{0,3}})"
)
_NO_KEY = (  # what it is not, though it is called a key or a token
    r"(?i)(?:public|csrf|xsrf|next|page|pad|eos|bos|stop|start|special|max|min|num|cancellation"
    r"|continuation|sync|partition|primary|foreign|sort|cache|idempotency)[-_ ]?(?:key|token)"
    r"[\"']?\s{0,3}[:=]>?\s{0,3}[\"']?$"
)
_KEY_VALUE = r"([^\s\"'`,;<>|\x7f]{16,300})"
_PASSWORD_VALUE = r"([^\s\"'`<>|\x7f]{6,128})"


def _named(words: str) -> str:
    """Return a pattern for one of `words`, alone or at the end of a name such as DB_PASSWORD."""
    return rf"(?i)(?:^|[^a-z])(?:[a-z0-9.-]{{0,30}}[_.-])?(?:{words})"


# Of two findings that overlap, the first one counts.
KINDS = (
    *TOKENS,
    Kind(
        "secrets/jwt",
        r"(?:^|[^A-Za-z0-9_])(eyJ[A-Za-z0-9_-]{8})",
        _measure_jwt,
        reach=16_000,
        most_measured=2_000,
    ),
    # A scheme, a name and a password before the host, as in databases' addresses.
    Kind(
        "secrets/password",
        r"[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'<>]{0,64}:([^\s/@\"'<>]{3,128})@",
        _measure_url_password,
    ),
    Kind(
        "secrets/bearer",
        r"(?i)(?:^|[^a-z])bearer\s{1,3}([a-z0-9._~+/-]{16,900}={0,2})",
        _measure_key,
    ),
    Kind(
        "secrets/basic_auth",
        r"(?i)authorization[\"']?\s{0,2}[:=]\s{0,2}[\"']?basic\s{1,3}([a-z0-9+/]{8,300}={0,2})",
        _measure_basic,
    ),
    Kind("secrets/api_key", _named(_KEY_WORDS) + _LINK + _KEY_VALUE, _measure_key, _NO_KEY),
    Kind("secrets/api_key", rf"(?i)--?(?:{_KEY_WORDS})[ =][\"']?{_KEY_VALUE}", _measure_key),
    Kind("secrets/password", _named(_PASSWORD_WORDS) + _LINK + _PASSWORD_VALUE, _measure_password),
    Kind(
        "secrets/password",
        rf"(?i)--?(?:{_PASSWORD_WORDS})[ =][\"']?{_PASSWORD_VALUE}",
        _measure_password,
    ),
)


class SecretsModerator:
    """Finds private keys, tokens of services, and passwords that are said to be some."""

    def __init__(self, kinds: Collection[str] = ()):
        """Choose what to look for.

        Args:
            kinds: such as "secrets/jwt"; all if empty.

        Raises:
            ModeratorError: there is no such kind.
        """
        names = list(dict.fromkeys([*(kind.category for kind in KINDS), "secrets/private_key"]))
        chosen = choose("secrets", kinds, names)
        self.manifest = Manifest(
            "secrets",
            "1",
            categories=tuple(chosen),
            hold_back=_HOLD_BACK,
            description="Finds keys, tokens and passwords.",
        )
        self._finder = Finder([kind for kind in KINDS if kind.category in chosen])
        self._finds_keys = "secrets/private_key" in chosen

    def check(self, context: ModerationContext) -> Verdict:
        """Find and locate what the last message gives away."""
        folded = fold(context.text)
        spans = list(self._finder.find(folded))
        if self._finds_keys:
            spans += _find_private_keys(folded)
        return report(self.manifest, context, folded, spans, settle)


def settle(text: str) -> int:
    """Return from where on a growing text could still become part of a finding.

    Tokens and passwords hold no space, so only a private key may be unfinished.

    Args:
        text: folded; it ends where a word ends.
    """
    position = 0
    while begin := _KEY_BLOCK.search(text, position):
        end = _KEY_END.search(text, begin.end())
        if end is None:
            return begin.start()
        position = end.end()
    start = text.rfind("-----BEGIN", max(position, len(text) - _HOLD_BACK))
    return len(text) if start < 0 else start


def _find_private_keys(folded: Folded) -> Iterator[Span]:
    """A key goes from its first line to its last, or to the end of the text."""
    position = 0
    while begin := _KEY_BLOCK.search(folded.text, position):
        end = _KEY_END.search(folded.text, begin.end())
        position = end.end() if end else len(folded.text)
        yield Span(*folded.locate(begin.start(), position), "secrets/private_key")
