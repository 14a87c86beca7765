"""Reads one policy file; every complaint names the file, the key and what is allowed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import get_args

from chat.errors import PolicyError
from chat.types import Stage
from moderation.categories import CATEGORIES, is_known
from moderation.decision import ACTIONS
from moderation.policy import AUDIENCES, USUAL_GROUPS, FailMode, Group, Policy, Rule

Rules = dict[str, tuple[Rule, ...]]

_STAGES: tuple[Stage, ...] = get_args(Stage)
_MODES: tuple[FailMode, ...] = get_args(FailMode)
_RULES = ("both", *_STAGES)
_KEYS = (
    *("name", "description", "default"),
    *_RULES,
    *("audience", "shadow", "groups", "on_error"),
)
_BAND = "two numbers from 0 to 1, the smaller one first"


class PolicyReader:
    """Reads the table that a file holds."""

    def __init__(self, file: str, categories: Collection[str], moderators: Collection[str] | None):
        """Read a file of this name, which may speak of these; of any moderator if None."""
        self._file = file
        self._categories = categories
        self._moderators = moderators

    def read(self, table: Mapping[str, object], version: str) -> Policy:
        """Return the policy.

        Raises:
            PolicyError: something in it isn't allowed.
        """
        self._check_keys(table, _KEYS, "")
        rules = self._stages_of(table, "")
        policy = Policy(str(table.get("name", self._file)), version, rules)
        if "default" in table:
            policy = replace(policy, default=self._rules("default", table["default"]))
        policy = replace(
            policy,
            audiences=self._audiences(table.get("audience", {})),
            shadow=frozenset(self._names("shadow", table.get("shadow", []))),
            groups=self._groups(table["groups"]) if "groups" in table else USUAL_GROUPS,
        )
        return self._with_fail_modes(policy, self._table("on_error", table.get("on_error", {})))

    def _stages_of(self, table: Mapping[str, object], prefix: str) -> dict[Stage, Rules]:
        both = self._rules_of(table, "both", prefix)
        return {stage: {**both, **self._rules_of(table, stage, prefix)} for stage in _STAGES}

    def _rules_of(self, table: Mapping[str, object], name: str, prefix: str) -> Rules:
        key = f"{prefix}{name}"
        found = {}
        for category, value in self._table(key, table.get(name, {})).items():
            if not is_known(category, self._categories):
                names = sorted({*CATEGORIES, *self._categories})
                raise self._error(key, category, f"one of {', '.join(names)}", "category")
            found[category] = self._rules(f"{key}.{category}", value)
        return found

    def _rules(self, key: str, value: object) -> tuple[Rule, ...]:
        rows = value if isinstance(value, list) else [value]
        if not rows:
            raise self._error(key, value, "a rule or more")
        return tuple(self._rule(key, self._table(key, row)) for row in rows)

    def _rule(self, key: str, row: Mapping[str, object]) -> Rule:
        self._check_keys(row, ("threshold", "action"), key)
        threshold = _read_score(row.get("threshold", 0.5))
        if threshold is None:
            raise self._error(f"{key}.threshold", row["threshold"], "a number from 0 to 1")
        action = row.get("action")
        for known in ACTIONS:
            if action == known:
                return Rule(threshold, known)
        raise self._error(f"{key}.action", action, ", ".join(ACTIONS))

    def _audiences(self, value: object) -> dict[str, dict[Stage, Rules]]:
        tables = self._table("audience", value)
        self._check_keys(tables, AUDIENCES, "audience")
        found = {}
        for name, inner in tables.items():
            key = f"audience.{name}"
            table = self._table(key, inner)
            self._check_keys(table, _RULES, key)
            found[name] = self._stages_of(table, f"{key}.")
        return found

    def _groups(self, value: object) -> tuple[Group, ...]:
        groups: list[Group] = []
        for number, row in enumerate(self._list("groups", value)):
            key = f"groups[{number}]"
            earlier = [name for group in groups for name in group.moderators]
            groups.append(self._group(key, self._table(key, row), earlier))
        return tuple(groups)

    def _group(self, key: str, row: Mapping[str, object], earlier: Sequence[str]) -> Group:
        self._check_keys(row, ("moderators", "ask_if", "instead_of"), key)
        names = self._names(f"{key}.moderators", row.get("moderators", []))
        for name in names:
            if name in earlier:
                raise self._error(f"{key}.moderators", name, "each moderator in one group")
        if not names:
            raise self._error(f"{key}.moderators", [], "one moderator or more")
        replaced = self._names(f"{key}.instead_of", row.get("instead_of", []))
        for name in replaced:
            if name not in earlier:
                allowed = ", ".join(earlier) or "nothing in the first group"
                raise self._error(f"{key}.instead_of", name, f"what is asked before: {allowed}")
        return Group(names, self._bands(f"{key}.ask_if", row.get("ask_if", {})), replaced)

    def _bands(self, key: str, value: object) -> dict[Stage, tuple[float, float]]:
        table = self._table(key, value)
        self._check_keys(table, _STAGES, key)
        return {s: self._band(f"{key}.{s}", table[s]) for s in _STAGES if s in table}

    def _band(self, key: str, value: object) -> tuple[float, float]:
        ends = [_read_score(end) for end in value] if isinstance(value, list) else []
        if len(ends) == 2 and ends[0] is not None and ends[1] is not None and ends[0] <= ends[1]:
            return ends[0], ends[1]
        raise self._error(key, value, _BAND)

    def _names(self, key: str, value: object) -> tuple[str, ...]:
        names = []
        for name in self._list(key, value):
            if not isinstance(name, str) or not name:
                raise self._error(key, name, "a list of moderators' names")
            if name in names:
                raise self._error(key, name, "each name once")
            self._check_moderator(key, name)
            names.append(name)
        return tuple(names)

    def _check_moderator(self, key: str, name: str) -> None:
        if self._moderators is not None and name not in self._moderators:
            allowed = ", ".join(sorted(self._moderators))
            raise self._error(key, name, f"what is active or built in: {allowed}", "moderator")

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
            self._check_moderator(key, name)
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
        for mode in _MODES:
            if value == mode:
                return mode
        raise self._error(key, value, ", ".join(_MODES))

    def _table(self, key: str, value: object) -> Mapping[str, object]:
        if not isinstance(value, Mapping):
            raise self._error(key, value, "a table")
        return value

    def _list(self, key: str, value: object) -> Sequence[object]:
        if not isinstance(value, list):
            raise self._error(key, value, "a list")
        return value

    def _check_keys(self, table: Mapping[str, object], allowed: Sequence[str], key: str) -> None:
        for name in table:
            if name not in allowed:
                raise self._error(key or "the file", name, ", ".join(allowed), "key")

    def _error(self, key: str, value: object, allowed: str, what: str = "value") -> PolicyError:
        return PolicyError(
            f"In the policy {self._file}, {key} has the {what} {value!r}; allowed is {allowed}."
        )


def _read_score(value: object) -> float | None:
    """Return `value` if it is a number from 0 to 1; NaN is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0.0 <= value <= 1.0 else None
