"""What the moderators and the policy think of one text, in a form to pass on."""

from collections.abc import Mapping
from dataclasses import dataclass

from chat.types import Action, Verdict
from moderation.policy import ERROR, Decision, Policy


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the chat would do with a text.

    `scores` has the highest score that any moderator gave to each category, `flagged` the
    categories for which the policy would do more than let the text pass, `failed` the moderators
    that didn't answer.
    """

    action: Action
    category: str
    scores: Mapping[str, float]
    flagged: frozenset[str]
    failed: tuple[str, ...]

    @property
    def is_flagged(self) -> bool:
        """Whether anything was found, or (where the policy refuses then) couldn't be looked for."""
        # A failure that the policy lets pass says nothing about the text.
        is_about_text = self.category != ERROR or self.action != "flag"
        return self.action != "allow" and is_about_text


def to_judgement(decision: Decision, policy: Policy) -> Judgement:
    """Sum up a decision on a question, made by `policy`."""
    scores = _merge_scores(decision.verdicts)
    flagged = (c for c, score in scores.items() if policy.action_for("input", c, score) != "allow")
    failed = tuple(v.moderator for v in decision.verdicts if v.outcome == "error")
    return Judgement(decision.action, decision.category, scores, frozenset(flagged), failed)


def _merge_scores(verdicts: tuple[Verdict, ...]) -> dict[str, float]:
    scores: dict[str, float] = {}
    for verdict in verdicts:
        for name, score in verdict.scores.items() if verdict.outcome == "judged" else ():
            scores[name] = max(score, scores.get(name, 0.0))
    return scores
