"""Reads rules from TOML files and from rows, and holds them to what RE2 can do in bounded time."""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chat.errors import ModeratorError
from chat.types import Stage
from moderation.text.patterns import (
    ESCAPE,
    BadPattern,
    compile_pattern,
    expand_sets,
    fold_case,
    max_length,
)
from moderation.text.prefixes import Beginnings

# A match is made of whole words, except in writing that puts no spaces between them.
_NO_LETTER = r"[^\pL\pN\pM_]|[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]"
_KEYS = {"id", "category", "score", "stages", "patterns", "unless"}
# What a rule that isn't in a file says beside that.
_ROW_KEYS = {"language", "is_active"}
_FILE_KEYS = {"language", "description", "whole_words", "sets", "allow", "rules"}
# How large the rules that aren't in a file may become together as programs of RE2: they are
# compiled while people chat, and nothing else runs meanwhile.
_MAX_STEPS = 200_000
# They would end what surrounds the pattern, or match half of a character.
_FORBIDDEN = (r"\Q", r"\E", r"\C")
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
    """The rules of one file. ``any_rule`` matches where at least one of them does.

    ``begun`` finds what of an answer could become a match, ``excuses_begun`` what could become an
    excuse.
    """

    language: str
    rules: tuple[Rule, ...]
    any_rule: Any
    allow: Any | None
    max_length: int
    begun: Beginnings
    excuses_begun: Beginnings


def read_rows(rows: Sequence[Mapping[str, object]]) -> list[RuleFile]:
    """Return rules that aren't in a file as such files, one for each language."""
    by_language: dict[str, list[Mapping[str, object]]] = {}
    for row in rows:
        plain = {key: value for key, value in row.items() if key not in _ROW_KEYS}
        language = row.get("language") or ""
        if row.get("is_active", True):
            by_language.setdefault(str(language), []).append(plain)
        else:  # one that rests is to be right, too
            _read_row_table(language, [plain])
    return [_read_row_table(language, plain) for language, plain in by_language.items()]


def _read_row_table(language: object, plain: Sequence[Mapping[str, object]]) -> RuleFile:
    table = {"language": language, "rules": list(plain)}
    return RuleReader("the database", max_steps=_MAX_STEPS).read_table(table)


def version_of(rows: Sequence[Mapping[str, object]]) -> str:
    """Return a version that other rules of one's own change: records say what judged."""
    said = json.dumps([sorted(row.items()) for row in rows], default=str)
    return f"1+{hashlib.sha256(said.encode()).hexdigest()[:8]}" if rows else "1"


def _refuse_unknown(pattern: str) -> None:
    """Raise BadPattern for what RE2 takes, and the folding or the search doesn't."""
    if "(?P<" in pattern or "(?<" in pattern:
        raise BadPattern("a group can't have a name; write (...)")
    found = {escape.group() for escape in ESCAPE.finditer(pattern)}
    for escape in _FORBIDDEN:
        if escape in found:
            raise BadPattern(f"{escape} isn't allowed")


class RuleReader:
    """Reads one file; every complaint names the file, the rule and the pattern."""

    def __init__(self, source: str, *, max_steps: int = 0):
        """Read `source`; with 0, its patterns may be as large as RE2 takes them."""
        self._source = source
        self._max_steps = max_steps
        self._num_steps = 0
        self._tried: set[str] = set()
        self._sets: dict[str, str] = {}
        self._edge = True
        self._max_length = 0
        self._is_streamed = True
        self._streamed: list[str] = []
        self._streamed_excuses: list[str] = []

    def read(self, path: Path) -> RuleFile:
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise self._error(f"it cannot be read: {error}") from error
        return self.read_table(table)

    def read_table(self, table: Mapping[str, object]) -> RuleFile:
        self._check_keys(table, _FILE_KEYS, "the file")
        self._edge = bool(table.get("whole_words", True))
        sets = self._table(table.get("sets", {}), "sets")
        self._sets = {
            name: value if isinstance(value, str) else "|".join(self._texts(value, f"sets.{name}"))
            for name, value in sets.items()
        }
        allowed = self._texts(table.get("allow", []), "allow")
        allow = self._compile(allowed, "allow")
        self._streamed_excuses += (self._expand(pattern, "allow") for pattern in allowed)
        rows = table.get("rules")
        if not isinstance(rows, list) or not rows:
            raise self._error("there is no [[rules]]")
        everything: list[str] = []
        rules = tuple(self._rule(self._table(row, "rules"), everything) for row in rows)
        self._is_streamed = False  # each has been measured
        any_rule = self._compile(everything, "any")
        language = str(table.get("language", ""))
        begun, excuses = map(self._begin, (self._streamed, self._streamed_excuses))
        return RuleFile(language, rules, any_rule, allow, self._max_length, begun, excuses)

    def _begin(self, patterns: Sequence[str]) -> Beginnings:
        before = f"(?:^|{_NO_LETTER})" if self._edge else ""
        return Beginnings(patterns, self._max_length, before)

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
        excuses = self._texts(row.get("unless", []), f"{name}.unless")
        unless = self._compile(excuses, name)
        if self._is_streamed:
            self._streamed += (self._expand(pattern, name) for pattern in patterns)
            self._streamed_excuses += (self._expand(excuse, name) for excuse in excuses)
        stages = tuple(stage for stage in _STAGES if stage in named)
        return Rule(category, float(score), stages, pattern, unless)

    def _compile(self, patterns: Sequence[str], rule: str) -> Any | None:
        if not patterns:
            return None
        expanded = [self._expand(pattern, rule) for pattern in patterns]
        edge = (f"(?:^|{_NO_LETTER})", f"(?:$|{_NO_LETTER})") if self._edge else ("", "")
        try:
            return compile_pattern(f"{edge[0]}({'|'.join(expanded)}){edge[1]}")
        except BadPattern as problem:  # each alone is fine
            raise self._error(f"the patterns of {rule}, as one, are {problem}") from None

    def _expand(self, pattern: str, rule: str) -> str:
        try:
            expanded = expand_sets(pattern, self._sets)
            length = max_length(expanded) + 1
            self._max_length = max(self._max_length, length if self._is_streamed else 0)
            _refuse_unknown(expanded)
            folded = fold_case(expanded)
            if folded not in self._tried:
                self._try(folded)
        except BadPattern as problem:
            raise self._error(f"the rule {rule} has the pattern {pattern!r}: {problem}") from None
        return folded

    def _try(self, pattern: str) -> None:
        """Compile a pattern alone: joined with others, "[x" could be half of a class."""
        self._num_steps += compile_pattern(pattern).programsize
        if 0 < self._max_steps < self._num_steps:
            raise BadPattern(
                f"with it, the rules have {self._num_steps:,} steps, allowed are "
                f"{self._max_steps:,}; have fewer or shorter repetitions"
            )
        self._tried.add(pattern)

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
        return ModeratorError(f"The rules in {self._source} cannot be used: {problem}.")
