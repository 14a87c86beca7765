"""Where a policy acts on a score, and scores as seen from there."""

from chat.types import Stage
from moderation.decision import severity
from moderation.policy import Policy, Rule

_MILDEST_REFUSAL = severity("template")


def acting_rule(policy: Policy, stage: Stage, category: str) -> Rule | None:
    """Return the rule that acts first: that refuses, or else the first that isn't "allow"."""
    table = policy.rules.get(stage, {})
    rules = table.get(category) or table.get(category.partition("/")[0]) or policy.default
    acting = [rule for rule in rules if rule.action != "allow"]
    refusing = [rule for rule in acting if is_refusing(rule)]
    return min(refusing or acting, key=lambda rule: rule.threshold, default=None)


def is_refusing(rule: Rule | None) -> bool:
    """Say if the rule keeps a text from being used or shown."""
    return rule is not None and severity(rule.action) >= _MILDEST_REFUSAL


def relative_score(score: float, rule: Rule | None) -> float:
    """Return `score` stretched so that the rule's threshold lies at 0.5, and 0 and 1 stay.

    Categories with thresholds of their own can then be compared. Where nothing is refused the
    score is halved, so that it never reaches 0.5.
    """
    if rule is None or not is_refusing(rule):
        return score / 2
    if score >= rule.threshold:
        above = 1.0 - rule.threshold
        return 0.5 + (0.5 * (score - rule.threshold) / above if above else 0.5)
    return 0.5 * score / rule.threshold
