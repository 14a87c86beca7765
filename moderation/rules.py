"""The moderator "rules": wordings by category and language, from TOML files."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from chat.errors import ModeratorError
from chat.types import Span, Stage, Verdict
from moderation.base import Manifest, ModerationContext
from moderation.rule_reader import Rule, RuleFile, RuleReader, read_rows, version_of
from moderation.text.lexicon import is_word
from moderation.text.normalise import turn
from moderation.text.patterns import Text
from moderation.text.view import View

_FOLDER = Path(__file__).parent / "rules"
# How many excuses may begin inside of one another before the one that counts is overlooked.
_MAX_OVERLAPS = 100
_MIN_ROT13 = 5


@dataclass(frozen=True, slots=True)
class _Match:
    """Where a rule's wording stands in a view, and which excuses there are for it."""

    rule: Rule
    start: int
    end: int
    excuses: tuple[tuple[int, int], ...]


class RulesModerator:
    """Looks for wordings, through disguises; quick, exact and easy to foresee."""

    def __init__(
        self,
        languages: Sequence[str] = (),
        files: Sequence[str] = (),
        rules: Sequence[Mapping[str, object]] = (),
        built_in: bool = True,
    ):
        """Read the rules.

        Args:
            languages: which of the built-in files to use, such as "en"; all if empty.
            files: paths of further TOML files with rules of your own.
            rules: rules of your own, each like a `[[rules]]` of a file, with its `language` if
                it has one; those that aren't `is_active` are read, and never match.
            built_in: whether to use the built-in files at all.

        Raises:
            ModeratorError: a file isn't there, or it or a rule contains something that isn't
                allowed.
        """
        ours = {path.stem: path for path in sorted(_FOLDER.glob("*.toml"))}
        for language in languages:
            if language not in ours:
                raise ModeratorError(
                    f"The moderator 'rules' has no rules for the language {language!r}; "
                    f"allowed are {', '.join(ours)}."
                )
        wanted = [path for name, path in ours.items() if not languages or name in languages]
        self._files = [
            *read_rows(rules),
            *(RuleReader(Path(file).name).read(Path(file)) for file in files),
            *(_read_built_in(path) for path in (wanted if built_in else ())),
        ]
        known = [rule for file in self._files for rule in file.rules]
        self.manifest = Manifest(
            "rules",
            version_of(rules),
            categories=tuple(dict.fromkeys(rule.category for rule in known)),
            languages=tuple(dict.fromkeys(file.language for file in self._files)),
            hold_back=max((file.max_length for file in self._files), default=0),
            description="Looks for wordings, through disguises.",
        )

    def check(self, context: ModerationContext) -> Verdict:
        """Find and locate what the rules speak of."""
        spans: list[Span] = []
        settled = context.open_from
        for view in context.views:
            for file in self._files:
                matches = list(_find(file, view, context.stage))
                spans += (_to_span(match, view) for match in matches if not match.excuses)
                if context.is_partial and view.piece is None:
                    settled = min(settled, _settle(file, view, matches, context.open_from))
        verdict = self.manifest.verdict(context.stage, spans)
        return replace(verdict, settled=settled) if context.is_partial else verdict


@cache
def _read_built_in(path: Path) -> RuleFile:
    """Read a file that comes with Palaver: once, as it takes seconds, and each rule that an
    operator changes makes the moderator anew."""
    return RuleReader(path.name).read(path)


def _to_span(match: _Match, view: View) -> Span:
    place = view.locate(match.start, match.end)
    return Span(*place, category=match.rule.category, score=match.rule.score)


def _find(file: RuleFile, view: View, stage: Stage) -> Iterator[_Match]:
    text = Text(view.text)
    if not text.has(file.any_rule):
        return
    allowed = list(text.find(file.allow)) if file.allow else []
    for rule in file.rules:
        if stage not in rule.stages or not text.has(rule.pattern):
            continue
        excuses = sorted([*allowed, *(text.find(rule.unless) if rule.unless else ())])
        for start, end in text.find(rule.pattern):
            if not _is_chance(view, start, end):
                yield _Match(rule, start, end, tuple(_overlapping(excuses, start, end)))


def _settle(file: RuleFile, view: View, matches: Sequence[_Match], open_from: int) -> int:
    """Return up to where in the original no later text changes what is found in this view."""
    end = bisect_left(view.offsets, open_from)
    text = view.text[:end]
    settled = file.begun.find(text)
    # Whether a match counts isn't known while an excuse for it may come, or go.
    open_excuses = file.excuses_begun.find(text)
    for match in matches:
        is_excused = any(start < open_excuses for start, _ in match.excuses)
        if match.end > min(open_excuses, end) and not is_excused:
            settled = min(settled, match.start)
    return view.offsets[settled]


def _is_chance(view: View, start: int, end: int) -> bool:
    """Say if a finding may as well be another word: a short or common one, before rot13."""
    found = view.text[start:end]
    if view.origin != "rot13" or " " in found:
        return False
    return len(found) < _MIN_ROT13 or is_word(turn(found))


def _overlapping(
    sorted_spans: Sequence[tuple[int, int]], start: int, end: int
) -> Iterator[tuple[int, int]]:
    # Spans that begin before `end`, looked at from the last: excuses are short.
    place = bisect_left(sorted_spans, (end, 0))
    return (span for span in sorted_spans[max(0, place - _MAX_OVERLAPS) : place] if span[1] > start)
