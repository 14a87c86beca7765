"""The moderator "rules": wordings by category and language, from TOML files."""

import tomllib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chat.errors import ModeratorError
from chat.types import Span, Stage, Verdict
from moderation.base import Manifest, ModerationContext
from moderation.normalise import View
from moderation.patterns import (
    BadPattern,
    Text,
    compile_pattern,
    expand_sets,
    fold_case,
    max_length,
)

_FOLDER = Path(__file__).parent / "rules"
# A match is made of whole words, except in writing that puts no spaces between them.
_NO_LETTER = r"[^\pL\pN\pM_]|[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]"
_KEYS = {"id", "category", "score", "stages", "patterns", "unless"}
_FILE_KEYS = {"language", "description", "whole_words", "sets", "allow", "rules"}
# How many excuses may begin inside of one another before the one that counts is overlooked.
_MAX_OVERLAPS = 100
_STAGES: tuple[Stage, ...] = ("input", "output")


@dataclass(frozen=True, slots=True)
class Rule:
    """Wordings that speak for a category, and those in which they mean something else."""

    category: str
    score: float
    stages: tuple[Stage, ...]
    pattern: Any
    unless: Any | None


@dataclass(frozen=True, slots=True)
class RuleFile:
    """The rules of one file. ``any_rule`` matches where at least one of them does."""

    language: str
    rules: tuple[Rule, ...]
    any_rule: Any
    allow: Any | None
    max_length: int


class RulesModerator:
    """Looks for wordings, through disguises; quick, exact and easy to foresee."""

    def __init__(self, languages: Sequence[str] = (), files: Sequence[str] = ()):
        """Read the rules.

        Args:
            languages: which of the built-in files to use, such as "en"; all if empty.
            files: paths of further TOML files with rules of your own.

        Raises:
            ModeratorError: a file isn't there or contains something that isn't allowed.
        """
        built_in = {path.stem: path for path in sorted(_FOLDER.glob("*.toml"))}
        for language in languages:
            if language not in built_in:
                raise ModeratorError(
                    f"The moderator 'rules' has no rules for the language {language!r}; "
                    f"allowed are {', '.join(built_in)}."
                )
        paths = [Path(file) for file in files]
        paths += [path for name, path in built_in.items() if not languages or name in languages]
        self._files = [_Reader(path).read() for path in paths]
        rules = [rule for file in self._files for rule in file.rules]
        self.manifest = Manifest(
            "rules",
            "1",
            categories=tuple(dict.fromkeys(rule.category for rule in rules)),
            languages=tuple(dict.fromkeys(file.language for file in self._files)),
            hold_back=max((file.max_length for file in self._files), default=0),
            description="Looks for wordings, through disguises.",
        )

    def check(self, context: ModerationContext) -> Verdict:
        """Find and locate what the rules speak of."""
        spans = (
            span
            for view in context.views
            for file in self._files
            for span in _find(file, view, context.stage)
        )
        return self.manifest.verdict(context.stage, spans)


def _find(file: RuleFile, view: View, stage: Stage) -> Iterator[Span]:
    text = Text(view.text)
    if not text.has(file.any_rule):
        return
    allowed = list(text.find(file.allow)) if file.allow else []
    for rule in file.rules:
        if stage not in rule.stages or not text.has(rule.pattern):
            continue
        excuses = sorted([*allowed, *(text.find(rule.unless) if rule.unless else ())])
        for start, end in text.find(rule.pattern):
            # A single word in rot13 is as likely another word.
            is_chance = view.origin == "rot13" and " " not in view.text[start:end]
            if not is_chance and not _overlaps(excuses, start, end):
                yield Span(*view.locate(start, end), category=rule.category, score=rule.score)


def _overlaps(sorted_spans: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    # Spans that begin before `end`, looked at from the last: excuses are short.
    place = bisect_left(sorted_spans, (end, 0))
    return any(stop > start for _, stop in sorted_spans[max(0, place - _MAX_OVERLAPS) : place])


class _Reader:
    """Reads one file; every complaint names the file, the rule and the pattern."""

    def __init__(self, path: Path):
        self._path = path
        self._sets: dict[str, str] = {}
        self._edge = True
        self._max_length = 0
        self._is_streamed = True

    def read(self) -> RuleFile:
        table = self._load()
        self._check_keys(table, _FILE_KEYS, "the file")
        self._edge = bool(table.get("whole_words", True))
        sets = self._table(table.get("sets", {}), "sets")
        self._sets = {
            name: value if isinstance(value, str) else "|".join(self._texts(value, f"sets.{name}"))
            for name, value in sets.items()
        }
        allow = self._compile(self._texts(table.get("allow", []), "allow"), "allow")
        rows = table.get("rules")
        if not isinstance(rows, list) or not rows:
            raise self._error("there is no [[rules]]")
        everything: list[str] = []
        rules = tuple(self._rule(self._table(row, "rules"), everything) for row in rows)
        self._is_streamed = False  # each has been measured
        any_rule = self._compile(everything, "any")
        language = str(table.get("language", ""))
        return RuleFile(language, rules, any_rule, allow, self._max_length)

    def _load(self) -> Mapping[str, object]:
        try:
            return tomllib.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise self._error(f"it cannot be read: {error}") from error

    def _rule(self, row: Mapping[str, object], everything: list[str]) -> Rule:
        name = str(row.get("id", row.get("category", "?")))
        self._check_keys(row, _KEYS, name)
        category, score = row.get("category"), row.get("score", 1.0)
        if not isinstance(category, str) or not category:
            raise self._error(f"the rule {name} has no category")
        if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
            raise self._error(f"the rule {name} has the score {score!r}; allowed is 0 to 1")
        named = self._texts(row.get("stages", list(_STAGES)), f"{name}.stages")
        if not named or not set(named) <= set(_STAGES):
            raise self._error(f"the rule {name} has the stages {named}; allowed: input, output")
        # A question is judged whole: only what is looked for in answers needs holding back.
        self._is_streamed = "output" in named
        patterns = self._texts(row.get("patterns", []), f"{name}.patterns")
        if not patterns:
            raise self._error(f"the rule {name} has no patterns")
        everything += patterns
        pattern = self._compile(patterns, name)
        unless = self._compile(self._texts(row.get("unless", []), f"{name}.unless"), name)
        stages = tuple(stage for stage in _STAGES if stage in named)
        return Rule(category, float(score), stages, pattern, unless)

    def _compile(self, patterns: Sequence[str], rule: str) -> Any | None:
        if not patterns:
            return None
        expanded = [self._expand(pattern, rule) for pattern in patterns]
        edge = (f"(?:^|{_NO_LETTER})", f"(?:$|{_NO_LETTER})") if self._edge else ("", "")
        return compile_pattern(f"{edge[0]}({'|'.join(expanded)}){edge[1]}")

    def _expand(self, pattern: str, rule: str) -> str:
        try:
            expanded = expand_sets(pattern, self._sets)
            length = max_length(expanded) + 1
            self._max_length = max(self._max_length, length if self._is_streamed else 0)
            compile_pattern(expanded)  # alone: joined with others, "[x" could be half of a class
        except BadPattern as problem:
            raise self._error(f"the rule {rule} has the pattern {pattern!r}: {problem}") from None
        return fold_case(expanded)

    def _texts(self, value: object, key: str) -> list[str]:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
        raise self._error(f"{key} is {value!r}; allowed is a list of texts")

    def _table(self, value: object, key: str) -> Mapping[str, object]:
        if isinstance(value, Mapping):
            return value
        raise self._error(f"{key} is {value!r}; allowed is a table")

    def _check_keys(self, table: Mapping[str, object], allowed: set[str], where: str) -> None:
        for key in table:
            if key not in allowed:
                raise self._error(f"{where} has {key!r}; allowed are {', '.join(sorted(allowed))}")

    def _error(self, problem: str) -> ModeratorError:
        return ModeratorError(f"The rules in {self._path.name} cannot be used: {problem}.")
