"""The operator's rules: what follows from what the moderators found."""

import hashlib
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from chat.errors import PolicyError
from chat.types import Action, Span, Stage, Verdict
from moderation.base import NEVER_OPEN
from moderation.categories import CATEGORIES, precedence
from moderation.decision import (
    ERROR,
    REFUSALS,
    SHADOW,
    Decision,
    merge_spans,
    placeholder,
    severity,
)

__all__ = [
    "AUDIENCES",
    "ERROR",
    "SHADOW",
    "USUAL_GROUPS",
    "Audience",
    "Decision",
    "FailMode",
    "Group",
    "Policy",
    "Rule",
    "find_policy",
    "merge_spans",
    "placeholder",
    "presets",
    "severity",
]

FailMode = Literal["closed", "open", "degraded"]
# Nobody signed in; signed in; a program with a key; an administrator.
Audience = Literal["guest", "member", "api", "admin"]
AUDIENCES: tuple[Audience, ...] = get_args(Audience)

_PRESETS = Path(__file__).parent / "policies"
_CLOSED: Mapping[Stage, FailMode] = {"input": "closed", "output": "closed"}


@dataclass(frozen=True, slots=True)
class Rule:
    """From a score of `threshold` on, do `action`."""

    threshold: float
    action: Action


@dataclass(frozen=True, slots=True)
class Group:
    """Moderators that judge side by side, once the groups before have judged.

    Attributes:
        moderators: their names.
        ask_if: for a stage, the lowest and the highest score (both inclusive) with which this
            group is asked: the highest that counts of those in `instead_of` or, where that is
            empty, of all that were asked before. It is also asked above if the text isn't refused
            for what lies there. Without it the group is always asked.
        instead_of: where a member of this group judged a category, the scores that the moderators
            named here gave it don't count.
    """

    moderators: tuple[str, ...]
    ask_if: Mapping[Stage, tuple[float, float]] = field(default_factory=dict)
    instead_of: tuple[str, ...] = ()


# Those of a policy that says nothing of groups: cheap before dear, as in the presets.
USUAL_GROUPS = (
    Group(("limits",)),
    Group(("rules", "pii", "secrets", "fast", "jailbreak")),
    Group(("mini",), {"input": (0.0, 0.98), "output": (0.05, 0.98)}, ("fast", "jailbreak")),
)


@dataclass(frozen=True, slots=True)
class Policy:
    """Thresholds and actions for each stage, category and audience.

    A category without a rule of its own follows the one before its slash (pii for pii/email),
    then the default. ``version`` is a hash of the file: a record says by which rules it was made.
    ``covers`` is what each moderator looks for; the chain that uses the policy fills it in.
    """

    name: str
    version: str
    rules: Mapping[Stage, Mapping[str, tuple[Rule, ...]]]
    default: tuple[Rule, ...] = (Rule(0.5, "template"),)
    on_error: Mapping[Stage, FailMode] = field(default_factory=lambda: dict(_CLOSED))
    on_error_of: Mapping[str, Mapping[Stage, FailMode]] = field(default_factory=dict)
    audiences: Mapping[str, Mapping[Stage, Mapping[str, tuple[Rule, ...]]]] = field(
        default_factory=dict
    )
    shadow: frozenset[str] = frozenset()
    groups: tuple[Group, ...] = ()
    covers: Mapping[str, Collection[str]] = field(default_factory=dict, compare=False)

    @classmethod
    def load(
        cls,
        source: str | Path,
        *,
        categories: Collection[str] = (),
        moderators: Collection[str] | None = None,
    ) -> "Policy":
        """Read a policy from a TOML file, or a preset by name: strict, standard, permissive.

        Args:
            source: the name of a preset, or the path of a file.
            categories: names beyond our own that rules may be about: those of plugins.
            moderators: the names that the policy may name. A preset may name any, and where this
                is None, so may a file.

        Raises:
            PolicyError: there is no such file, or it says something that isn't allowed.
        """
        from moderation.policy_reader import PolicyReader  # it makes policies itself

        path = find_policy(source)
        try:
            raw = _read(path)
            table = tomllib.loads(raw.decode("utf-8"))
        except FileNotFoundError as error:
            raise PolicyError(
                f"There is no policy {str(source)!r}; allowed are {', '.join(presets())} "
                "and the path of a TOML file."
            ) from error
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise PolicyError(f"The policy {path.name} cannot be read: {reason}.") from error
        known = None if path.parent == _PRESETS else moderators
        version = hashlib.sha256(raw).hexdigest()[:12]
        return PolicyReader(path.name, categories, known).read(table, version)

    def for_audience(self, name: str) -> "Policy":
        """Return the policy as it is for an audience; as it is for everybody if `name` is empty."""
        overrides = self.audiences.get(name)
        if not overrides:
            return self
        rules = {
            stage: {**self.rules.get(stage, {}), **overrides.get(stage, {})} for stage in _CLOSED
        }
        return replace(self, rules=rules)

    @property
    def named(self) -> frozenset[str]:
        """The categories that have rules of their own, at any stage, for any audience."""
        everybody = (self.rules, *self.audiences.values())
        return frozenset(name for rules in everybody for table in rules.values() for name in table)

    def action_for(self, stage: Stage, category: str, score: float) -> Action:
        """Return the most severe action among the rules whose threshold `score` reaches."""
        table = self.rules.get(stage, {})
        rules = table.get(category) or table.get(category.partition("/")[0]) or self.default
        action: Action = "allow"
        for rule in rules:
            if score >= rule.threshold and severity(rule.action) > severity(action):
                action = rule.action
        return action

    def may_redact(self, stage: Stage, categories: Collection[str]) -> bool:
        """Say if what is found of these categories, or (where there are none) of any, may have to
        be redacted."""
        heads = {category.partition("/")[0] for category in categories}
        tables = self.rules.get(stage, {}).items()
        rules = [rules for name, rules in tables if not heads or name.partition("/")[0] in heads]
        return any(rule.action == "redact" for some in (self.default, *rules) for rule in some)

    def refuses(self, stage: Stage, category: str, score: float) -> bool:
        """Say if a text with such a score must not be used or shown."""
        return self.action_for(stage, category, score) in REFUSALS

    def fail_mode(self, stage: Stage, moderator: str) -> FailMode:
        """Return what the failure of `moderator` means: "closed" refuses, "open" lets pass,
        "degraded" lets pass what other moderators judged in its place."""
        return self.on_error_of.get(moderator, {}).get(stage) or self.on_error[stage]

    def decide(self, stage: Stage, verdicts: Iterable[Verdict]) -> Decision:
        """Return what to do about a text: the most severe action that any verdict leads to."""
        verdicts = tuple(verdicts)
        deciding = [v for v in verdicts if v.moderator not in self.shadow]
        counted = self.counted(verdicts)
        judged = iter([self._judge(stage, verdict, deciding) for verdict in counted])
        # The whole verdicts, scores that don't count too, with what was made of them.
        marked = tuple(
            self._as_shadow(verdict)
            if verdict.moderator in self.shadow
            else self._mark(verdict, *next(judged))
            for verdict in verdicts
        )
        worst = max(
            marked,
            key=lambda verdict: (severity(verdict.action), -precedence(verdict.category)),
            default=None,
        )
        if worst is None:
            return Decision()
        return Decision(worst.action, worst.category, marked, self._redactions(stage, counted))

    def counted(self, verdicts: Iterable[Verdict]) -> list[Verdict]:
        """Return the verdicts that decide, each without the scores that others gave in its place.

        Those of moderators in the shadow are not among them.
        """
        deciding = [verdict for verdict in verdicts if verdict.moderator not in self.shadow]
        return [self._without_replaced(verdict, deciding) for verdict in deciding]

    def _as_shadow(self, verdict: Verdict) -> Verdict:
        reason = verdict.reason
        if not reason.startswith(SHADOW):
            reason = f"{SHADOW}:{reason}" if verdict.outcome != "judged" and reason else SHADOW
        return replace(self._mark(verdict, "allow", ""), reason=reason)

    def _mark(self, verdict: Verdict, action: Action, category: str) -> Verdict:
        return replace(verdict, action=action, category=category, policy_version=self.version)

    def _looked_for(self, verdict: Verdict) -> set[str]:
        """Return the categories that were judged with this verdict."""
        if verdict.outcome != "judged":
            return set()
        return {*self.covers.get(verdict.moderator, ()), *verdict.scores}

    def _without_replaced(self, verdict: Verdict, verdicts: Sequence[Verdict]) -> Verdict:
        """Return `verdict` without the categories that others judged in its place."""
        groups = [group for group in self.groups if verdict.moderator in group.instead_of]
        if not groups or verdict.outcome != "judged":
            return verdict
        names = {name for group in groups for name in group.moderators}
        replaced = {c for v in verdicts if v.moderator in names for c in self._looked_for(v)}
        scores = {c: s for c, s in verdict.scores.items() if not _is_among(c, replaced)}
        spans = tuple(span for span in verdict.spans if not _is_among(span.category, replaced))
        return replace(verdict, scores=scores, spans=spans)

    def _judge(
        self, stage: Stage, verdict: Verdict, verdicts: Sequence[Verdict]
    ) -> tuple[Action, str]:
        """Return what follows from a verdict, and because of which category."""
        if verdict.outcome == "error":
            return self._judge_failure(stage, verdict, verdicts), ERROR
        if verdict.outcome == "judged":
            return self._worst_category(stage, verdict)
        return "allow", ""

    def _judge_failure(self, stage: Stage, verdict: Verdict, verdicts: Sequence[Verdict]) -> Action:
        mode = self.fail_mode(stage, verdict.moderator)
        if mode == "open" and verdict.reason not in NEVER_OPEN:
            return "flag"
        missing = self.covers.get(verdict.moderator, ())
        looked_for = {category for other in verdicts for category in self._looked_for(other)}
        if mode == "degraded" and missing and all(_is_among(c, looked_for) for c in missing):
            return "flag"
        return "block"

    def _worst_category(self, stage: Stage, verdict: Verdict) -> tuple[Action, str]:
        worst: tuple[Action, str] = ("allow", "")
        for category in sorted(verdict.scores, key=precedence):
            action = self.action_for(stage, category, verdict.scores[category])
            if action == "redact" and not self._has_place(stage, verdict, category):
                action = "template"  # nobody said what to take out
            if severity(action) > severity(worst[0]):
                worst = (action, category)
        return worst

    def _has_place(self, stage: Stage, verdict: Verdict, category: str) -> bool:
        return any(s.category == category and self._redacts(stage, s) for s in verdict.spans)

    def _redactions(self, stage: Stage, verdicts: Iterable[Verdict]) -> tuple[Span, ...]:
        spans = (span for verdict in verdicts for span in verdict.spans)
        return merge_spans(span for span in spans if self._redacts(stage, span))

    def _redacts(self, stage: Stage, span: Span) -> bool:
        return self.action_for(stage, span.category, span.score) == "redact"


def presets() -> tuple[str, ...]:
    """Return the names of the policies that come with Palaver."""
    return tuple(sorted(path.stem for path in _PRESETS.glob("*.toml")))


def find_policy(source: str | Path) -> Path:
    """Return the file of a policy: of a preset, or the path that `source` is."""
    return _PRESETS / f"{source}.toml" if str(source) in presets() else Path(source)


def _read(path: Path) -> bytes:
    """Return what is in a file; a device or a pipe may have no end."""
    if path.exists() and not path.is_file():
        raise PolicyError(f"The policy {path.name or path} is no file; allowed is a TOML file.")
    return path.read_bytes()


def _is_among(category: str, names: Collection[str]) -> bool:
    """Say if `names` has the category or, for a kind such as pii/email, what it is a kind of.

    A category such as hate/threatening is none of hate's: who judges hate hasn't judged it.
    """
    is_kind = category not in CATEGORIES
    return category in names or (is_kind and category.partition("/")[0] in names)
