"""A text as a moderator should read it, with the way back to the characters it came from."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

# What stands in place of a match, and for each of its characters where in the match it is from.
Change = tuple[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class View:
    """A text as a moderator should read it.

    ``offsets`` has one more entry than ``text`` has characters: where in the original each
    character came from, and the original's length. They never fall. ``piece`` is set where the
    text was decoded from something: every finding then lies in that piece as a whole.
    """

    text: str
    offsets: Sequence[int]
    origin: str = "plain"
    piece: tuple[int, int] | None = None

    def locate(self, start: int, end: int) -> tuple[int, int]:
        """Return the characters of the original that ``text[start:end]`` came from."""
        if self.piece is not None:
            return self.piece
        last = self.offsets[end - 1]
        while end < len(self.text) and self.offsets[end] <= last:
            end += 1
        return self.offsets[start], max(self.offsets[end], last + 1)


def edit(view: View, pattern: re.Pattern[str], change: Callable[[re.Match[str]], str]) -> View:
    """Replace matches. Letters map to letters where the length stays, else to the match's start."""

    def rewrite_match(match: re.Match[str]) -> Change | None:
        new, old = change(match), match.group()
        if new == old:
            return None
        return new, range(len(old)) if len(new) == len(old) else [0] * len(new)

    return rewrite(view, pattern, rewrite_match)


def rewrite(
    view: View, pattern: re.Pattern[str], change: Callable[[re.Match[str]], Change | None]
) -> View:
    """Replace those matches for which `change` returns something."""
    text, offsets = view.text, view.offsets
    pieces: list[str] = []
    places: list[int] = []
    last = 0
    is_changed = False
    for match in pattern.finditer(text):
        changed = change(match)
        if changed is None:
            continue
        new, sources = changed
        start, end = match.span()
        pieces += (text[last:start], new)
        places += offsets[last:start]
        places += [offsets[start + source] for source in sources]
        last = end
        is_changed = True
    if not is_changed:
        return view
    pieces.append(text[last:])
    places += offsets[last:]
    return replace(view, text="".join(pieces), offsets=places)
