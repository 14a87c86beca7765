"""RE2 patterns whose longest match is known: linear time, and a known length to hold back."""

import re
from collections.abc import Iterator, Mapping

import re2

_MAX_MEMORY = 64 << 20
_MAX_LENGTH = 1_000
_SET_NAME = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_QUANTIFIER = re.compile(r"\{(\d+)(?:(,)(\d*))?\}")
ESCAPE = re.compile(r"\\(?:[pP](?:\{\^?\w+\}|\w)|x\{[0-9a-fA-F]+\}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_GROUP_START = re.compile(r"\((?:\?(?:P?<\w+>|[a-zA-Z]*:))?")


class BadPattern(Exception):
    """A pattern that cannot be used, and why."""


def compile_pattern(pattern: str) -> "re2._Regexp":
    """Compile `pattern`, to search in UTF-8.

    Raises:
        BadPattern: RE2 doesn't take it; it knows neither lookaround nor back-references.
    """
    options = re2.Options()
    options.max_mem = _MAX_MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        cause = error.args[0] if error.args else error
        cause = cause.decode("utf-8", "replace") if isinstance(cause, bytes) else cause
        raise BadPattern(str(cause)) from error


class Text:
    """A text to search; offsets are in characters."""

    def __init__(self, text: str):
        self.text = text
        self._data = text.encode()
        self._is_ascii = len(self._data) == len(text)

    def has(self, pattern: "re2._Regexp") -> bool:
        """Say if `pattern` matches anywhere."""
        return pattern.search(self._data) is not None

    def find(self, pattern: "re2._Regexp") -> Iterator[tuple[int, int]]:
        """Yield where group 1 of `pattern` matches something; what surrounds it may be shared."""
        position = last = num_chars = 0
        while position <= len(self._data) and (match := pattern.search(self._data, position)):
            start, end = match.span(1)
            position = max(end, match.start() + 1)
            if start == end:
                continue
            if self._is_ascii:
                yield start, end
                continue
            num_chars += len(self._data[last:start].decode())
            length = len(self._data[start:end].decode())
            yield num_chars, num_chars + length
            num_chars += length
            last = end


def expand_sets(pattern: str, sets: Mapping[str, str]) -> str:
    """Replace ``{name}`` by the set of that name; sets may use sets.

    Raises:
        BadPattern: there is no such set, or one that contains itself.
    """
    for _ in range(10):
        names = _SET_NAME.findall(pattern)
        if not names:
            return pattern
        for name in names:
            if name not in sets:
                raise BadPattern(f"there is no set {{{name}}}")
        pattern = _SET_NAME.sub(lambda match: f"(?:{sets[match.group(1)]})", pattern)
    raise BadPattern("a set contains itself")


def fold_case(pattern: str) -> str:
    r"""Return `pattern` as case-folded texts need it; ``\S`` and the like stay as they are."""
    parts: list[str] = []
    last = 0
    for escape in ESCAPE.finditer(pattern):
        parts += (pattern[last : escape.start()].casefold(), escape.group())
        last = escape.end()
    return "".join(parts) + pattern[last:].casefold()


def max_length(pattern: str) -> int:
    """Return how many characters the longest match of `pattern` can have.

    Raises:
        BadPattern: there is no longest match.
    """
    length, position = _alternatives(pattern, 0)
    if position < len(pattern):
        raise BadPattern(f"there is a ) too many at {position}")
    if length > _MAX_LENGTH:
        raise BadPattern(f"it can match {length} characters, allowed are {_MAX_LENGTH}")
    return length


def _alternatives(pattern: str, position: int) -> tuple[int, int]:
    longest = length = 0
    while position < len(pattern) and pattern[position] != ")":
        if pattern[position] == "|":
            longest, length = max(longest, length), 0
            position += 1
            continue
        width, position = _atom(pattern, position)
        times, position = read_times(pattern, position)
        length += width * times
    return max(longest, length), position


def _atom(pattern: str, position: int) -> tuple[int, int]:
    char = pattern[position]
    if char == "(":
        start = _GROUP_START.match(pattern, position)
        assert start is not None
        width, position = _alternatives(pattern, start.end())
        return width, position + 1
    if char == "[":
        return 1, end_of_class(pattern, position)
    if char == "\\":
        escape = ESCAPE.match(pattern, position)
        if escape is None:
            raise BadPattern("it ends in a backslash")
        return int(escape.group() not in (r"\b", r"\B", r"\A", r"\z")), escape.end()
    return int(char not in "^$"), position + 1


def end_of_class(pattern: str, position: int) -> int:
    """Return where the class that begins at `position`, such as ``[a-z]``, is over."""
    position += 2 if pattern.startswith("^", position + 1) else 1
    position += pattern.startswith("]", position)
    while position < len(pattern) and pattern[position] != "]":
        posix = re.match(r"\[:\^?\w+:\]", pattern[position : position + 16])
        escape = ESCAPE.match(pattern, position)
        position = position + posix.end() if posix else escape.end() if escape else position + 1
    return position + 1


def read_times(pattern: str, position: int) -> tuple[int, int]:
    """Return how often what stands before `position` may come, and where that is said to its end.

    Raises:
        BadPattern: there is no limit.
    """
    times = 1
    if pattern[position : position + 1] in ("*", "+"):
        raise BadPattern(f"{pattern[position]} has no end; write {{0,20}} or the like")
    if pattern.startswith("?", position):
        position += 1
    elif quantifier := _QUANTIFIER.match(pattern, position):
        low, comma, high = quantifier.groups()
        if comma and not high:
            raise BadPattern(f"{quantifier.group()} has no end; give the larger number too")
        times = int(high or low)
        position = quantifier.end()
    else:
        return 1, position
    return times, position + pattern.startswith("?", position)
