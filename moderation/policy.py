"""The operator's rules: what follows from what the moderators found."""

import hashlib
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from chat.errors import PolicyError
from chat.types import Action, Span, Stage, Verdict
from moderation.categories import CATEGORIES, is_known, precedence

FailMode = Literal["closed", "open"]
ERROR = "error"  # the category of a moderator that failed

_PRESETS = Path(__file__).parent / "policies"
_ACTIONS: tuple[Action, ...] = get_args(Action)  # mildest first
_STAGES: tuple[Stage, ...] = get_args(Stage)
_REFUSALS: tuple[Action, ...] = ("template", "block", "escalate")
_TOP_KEYS = ("name", "description", "default", "both", *_STAGES, "on_error")


@dataclass(frozen=True, slots=True)
class Rule:
    """From a score of `threshold` on, do `action`."""

    threshold: float
    action: Action


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done with a text, and the verdicts that led to it."""

    action: Action = "allow"
    category: str = ""
    verdicts: tuple[Verdict, ...] = ()
    redactions: tuple[Span, ...] = ()

    @property
    def is_refused(self) -> bool:
        """Say if the text must not be used or shown."""
        return self.action in _REFUSALS

    def apply(self, text: str) -> str:
        """Return `text` with what is to be redacted replaced, as in "write to [EMAIL]"."""
        parts: list[str] = []
        last = 0
        for span in self.redactions:
            parts += (text[last : span.start], placeholder(span.category))
            last = span.end
        return "".join(parts) + text[last:]


def placeholder(category: str) -> str:
    """Return what a reader sees in place of a finding: "[EMAIL]" for pii/email."""
    return f"[{category.rpartition('/')[2].upper()}]"


def severity(action: Action) -> int:
    """Return the place of `action` in the order from allow to escalate."""
    return _ACTIONS.index(action)


@dataclass(frozen=True, slots=True)
class Policy:
    """Thresholds and actions for each stage and category.

    A category without a rule of its own follows the one before its slash (pii for pii/email),
    then the default. ``version`` is a hash of the file: a record says by which rules it was made.
    """

    name: str
    version: str
    rules: Mapping[Stage, Mapping[str, tuple[Rule, ...]]]
    default: tuple[Rule, ...] = (Rule(0.5, "template"),)
    on_error: Mapping[Stage, FailMode] = field(
        default_factory=lambda: {"input": "closed", "output": "closed"}
    )
    on_error_of: Mapping[str, Mapping[Stage, FailMode]] = field(default_factory=dict)

    @classmethod
    def load(cls, source: str | Path, *, categories: Collection[str] = ()) -> "Policy":
        """Read a policy from a TOML file, or a preset by name: strict, standard, permissive.

        Args:
            source: the name of a preset, or the path of a file.
            categories: names beyond our own that rules may be about: those of plugins.

        Raises:
            PolicyError: there is no such file, or it says something that isn't allowed.
        """
        path = _PRESETS / f"{source}.toml" if str(source) in presets() else Path(source)
        try:
            raw = path.read_bytes()
            table = tomllib.loads(raw.decode("utf-8"))
        except FileNotFoundError as error:
            raise PolicyError(
                f"There is no policy {str(source)!r}; allowed are {', '.join(presets())} "
                "and the path of a TOML file."
            ) from error
        except (OSError, ValueError) as error:
            raise PolicyError(f"The policy {path.name} cannot be read: {error}") from error
        return _Reader(path.name, categories).read(table, hashlib.sha256(raw).hexdigest()[:12])

    def action_for(self, stage: Stage, category: str, score: float) -> Action:
        """Return the most severe action among the rules whose threshold `score` reaches."""
        table = self.rules.get(stage, {})
        rules = table.get(category) or table.get(category.partition("/")[0]) or self.default
        reached = [rule.action for rule in rules if score >= rule.threshold]
        return max(reached, key=severity, default="allow")

    def fail_mode(self, stage: Stage, moderator: str) -> FailMode:
        """Return what the failure of `moderator` means: "closed" refuses, "open" lets pass."""
        return self.on_error_of.get(moderator, {}).get(stage) or self.on_error[stage]

    def decide(self, stage: Stage, verdicts: Iterable[Verdict]) -> Decision:
        """Return what to do about a text: the most severe action that any verdict leads to."""
        judged = tuple(self._judge(stage, verdict) for verdict in verdicts)
        worst = max(
            judged,
            key=lambda verdict: (severity(verdict.action), -precedence(verdict.category)),
            default=None,
        )
        if worst is None:
            return Decision()
        return Decision(worst.action, worst.category, judged, self._redactions(stage, judged))

    def _judge(self, stage: Stage, verdict: Verdict) -> Verdict:
        action: Action = "allow"
        category = ""
        if verdict.outcome == "error":
            category = ERROR
            action = "block" if self.fail_mode(stage, verdict.moderator) == "closed" else "flag"
        elif verdict.outcome == "judged":
            action, category = self._worst_category(stage, verdict)
        return replace(verdict, action=action, category=category, policy_version=self.version)

    def _worst_category(self, stage: Stage, verdict: Verdict) -> tuple[Action, str]:
        worst: tuple[Action, str] = ("allow", "")
        for category in sorted(verdict.scores, key=precedence):
            action = self.action_for(stage, category, verdict.scores[category])
            has_span = any(span.category == category for span in verdict.spans)
            if action == "redact" and not has_span:
                action = "template"  # nobody said what to take out
            if severity(action) > severity(worst[0]):
                worst = (action, category)
        return worst

    def _redactions(self, stage: Stage, verdicts: Iterable[Verdict]) -> tuple[Span, ...]:
        return merge_spans(
            span
            for verdict in verdicts
            for span in verdict.spans
            if self.action_for(stage, span.category, span.score) == "redact"
        )


def merge_spans(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return `spans` in order, those that overlap as one; the longest gives the category."""
    merged: list[Span] = []
    longest = 0
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        length = span.end - span.start
        if not merged or span.start >= merged[-1].end:
            merged.append(span)
            longest = length
            continue
        last = merged[-1]
        category = span.category if length > longest else last.category
        longest = max(longest, length)
        merged[-1] = replace(last, end=max(last.end, span.end), category=category)
    return tuple(merged)


def presets() -> tuple[str, ...]:
    """Return the names of the policies that come with Palaver."""
    return tuple(sorted(path.stem for path in _PRESETS.glob("*.toml")))


class _Reader:
    """Reads one policy file; every complaint names the file, the key and what is allowed."""

    def __init__(self, file: str, categories: Collection[str]):
        self._file = file
        self._categories = categories

    def read(self, table: Mapping[str, object], version: str) -> Policy:
        self._check_keys(table, _TOP_KEYS, "")
        both = self._rules_of(table, "both")
        rules = {stage: {**both, **self._rules_of(table, stage)} for stage in _STAGES}
        policy = Policy(str(table.get("name", self._file)), version, rules)
        if "default" in table:
            policy = replace(policy, default=self._rules("default", table["default"]))
        return self._with_fail_modes(policy, self._table("on_error", table.get("on_error", {})))

    def _rules_of(self, table: Mapping[str, object], key: str) -> dict[str, tuple[Rule, ...]]:
        found = {}
        for category, value in self._table(key, table.get(key, {})).items():
            if not is_known(category, self._categories):
                names = sorted({*CATEGORIES, *self._categories})
                raise self._error(key, category, f"one of {', '.join(names)}", "category")
            found[category] = self._rules(f"{key}.{category}", value)
        return found

    def _rules(self, key: str, value: object) -> tuple[Rule, ...]:
        rows = value if isinstance(value, list) else [value]
        return tuple(self._rule(key, self._table(key, row)) for row in rows)

    def _rule(self, key: str, row: Mapping[str, object]) -> Rule:
        self._check_keys(row, ("threshold", "action"), key)
        threshold = row.get("threshold", 0.5)
        if isinstance(threshold, bool) or not isinstance(threshold, int | float):
            raise self._error(f"{key}.threshold", threshold, "a number from 0 to 1")
        if not 0.0 <= threshold <= 1.0:
            raise self._error(f"{key}.threshold", threshold, "a number from 0 to 1")
        action = row.get("action")
        for known in _ACTIONS:
            if action == known:
                return Rule(float(threshold), known)
        raise self._error(f"{key}.action", action, ", ".join(_ACTIONS))

    def _with_fail_modes(self, policy: Policy, table: Mapping[str, object]) -> Policy:
        self._check_keys(table, (*_STAGES, "moderators"), "on_error")
        modes = {
            stage: self._fail_mode(f"on_error.{stage}", table.get(stage, "closed"))
            for stage in _STAGES
        }
        by_name: dict[str, Mapping[Stage, FailMode]] = {}
        key = "on_error.moderators"
        for name, value in self._table(key, table.get("moderators", {})).items():
            by_name[name] = self._fail_modes(f"{key}.{name}", value)
        return replace(policy, on_error=modes, on_error_of=by_name)

    def _fail_modes(self, key: str, value: object) -> Mapping[Stage, FailMode]:
        if not isinstance(value, Mapping):
            mode = self._fail_mode(key, value)
            return dict.fromkeys(_STAGES, mode)
        self._check_keys(value, _STAGES, key)
        return {
            stage: self._fail_mode(f"{key}.{stage}", value[stage])
            for stage in _STAGES
            if stage in value
        }

    def _fail_mode(self, key: str, value: object) -> FailMode:
        if value == "closed":
            return "closed"
        if value == "open":
            return "open"
        raise self._error(key, value, "closed, open")

    def _table(self, key: str, value: object) -> Mapping[str, object]:
        if not isinstance(value, Mapping):
            raise self._error(key, value, "a table")
        return value

    def _check_keys(self, table: Mapping[str, object], allowed: Sequence[str], key: str) -> None:
        for name in table:
            if name not in allowed:
                raise self._error(key or "the file", name, ", ".join(allowed), "key")

    def _error(self, key: str, value: object, allowed: str, what: str = "value") -> PolicyError:
        return PolicyError(
            f"In the policy {self._file}, {key} has the {what} {value!r}; allowed is {allowed}."
        )
