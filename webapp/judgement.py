"""What the moderators and the policy think of one text, in a form to pass on."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from chat.review import INSTRUCTIONS, SHADOW
from chat.types import Action, Message, Span, Stage, Turn, Verdict
from moderation.base import ModerationContext
from moderation.categories import CATEGORIES, HAZARDS, hazards_of
from moderation.decision import merge_spans, placeholder
from moderation.policy import ERROR, Decision, Policy
from moderation.rules import RulesModerator

Finder = Callable[[str, Stage], tuple[Span, ...]]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the chat would do with a text.

    `scores` has the highest score that counts of each category, `flagged` the categories for which
    the policy would do more than let the text pass, `failed` the moderators that didn't answer.
    """

    action: Action
    category: str
    scores: Mapping[str, float]
    flagged: frozenset[str]
    failed: tuple[str, ...]

    @property
    def hazards(self) -> tuple[str, ...]:
        """What was flagged in the words of MLCommons, as in ("S7",) for personal data."""
        codes = {code for category in self.flagged for code in hazards_of(category)}
        return tuple(code for code in HAZARDS if code in codes)

    @property
    def is_flagged(self) -> bool:
        """Whether anything was found, or (where the policy refuses then) couldn't be looked for."""
        # A failure that the policy lets pass says nothing about the text.
        is_about_text = self.category != ERROR or self.action != "flag"
        return self.action != "allow" and is_about_text


def to_judgement(decision: Decision, policy: Policy) -> Judgement:
    """Sum up a decision on a question, made by `policy`."""
    counted = policy.counted(decision.verdicts)
    scores = _merge_scores(counted)
    flagged = (c for c, score in scores.items() if policy.action_for("input", c, score) != "allow")
    failed = tuple(v.moderator for v in counted if v.outcome == "error")
    return Judgement(decision.action, decision.category, scores, frozenset(flagged), failed)


def _merge_scores(verdicts: Iterable[Verdict]) -> dict[str, float]:
    scores: dict[str, float] = {}
    for verdict in verdicts:
        for name, score in verdict.scores.items() if verdict.outcome == "judged" else ():
            scores[name] = max(score, scores.get(name, 0.0))
    return scores


def with_instructions(decision: Decision, told: Iterable[Decision]) -> Decision:
    """Return the decision on a question, with what was decided on what the model was told.

    A refusal of that refuses the question. Its verdicts are marked, as they say nothing about the
    text of the question; those of moderators in shadow have a mark already, and are left out.
    """
    told = tuple(told)
    verdicts = tuple(
        replace(verdict, spans=(), reason=verdict.reason or INSTRUCTIONS)
        for each in told
        for verdict in each.verdicts
        if not verdict.reason.startswith(SHADOW)
    )
    first = next((each for each in told if each.is_refused), decision)
    verdicts += decision.verdicts
    return replace(decision, action=first.action, category=first.category, verdicts=verdicts)


def place_findings(turn: Turn) -> Turn:
    """Return `turn` with the findings where they are in the texts as they are stored.

    Redactions have moved what comes after them. What is refused is stored as it was judged.
    """
    texts = {"input": turn.question.content, "output": turn.refused or turn.answer.content}
    verdicts: list[Verdict] = []
    for stage, text in texts.items():
        own = [verdict for verdict in turn.verdicts if verdict.stage == stage]
        verdicts += _place(own, text)
    return replace(turn, verdicts=tuple(verdicts))


def _place(verdicts: list[Verdict], text: str) -> list[Verdict]:
    """Move spans of the judged text to where they are in `text`, which had some redacted."""
    moves = _find_redactions({span for verdict in verdicts for span in verdict.spans}, text)
    if not moves:
        return verdicts
    return [
        replace(verdict, spans=tuple(_move(span, moves) for span in verdict.spans))
        for verdict in verdicts
    ]


def _find_redactions(spans: set[Span], text: str) -> list[tuple[Span, Span]]:
    """Return what was redacted, where it was and where its placeholder is in `text`, in order."""
    moves: list[tuple[Span, Span]] = []
    shift = last = 0
    # What overlaps was redacted as one.
    for span in sorted(spans.union(merge_spans(spans)), key=lambda s: (s.start, -s.end)):
        mark = placeholder(span.category)
        start = span.start + shift
        if span.start >= last and text.startswith(mark, start):
            moves.append((span, replace(span, start=start, end=start + len(mark))))
            shift, last = start + len(mark) - span.end, span.end
    return moves


def _move(span: Span, moves: list[tuple[Span, Span]]) -> Span:
    start, end = span.start, span.end
    for old, new in moves:
        if span.start >= old.end:
            start = span.start + new.end - old.end
        elif span.start > old.start:
            start = new.start
        if span.end >= old.end:
            end = span.end + new.end - old.end
        elif span.end > old.start:
            end = new.end
    return replace(span, start=start, end=end)


def make_finder(rule: Mapping[str, object]) -> Finder:
    """Return what finds the matches of one rule, as the moderator `rules` would.

    Raises:
        ModeratorError: the rule isn't as it should be; the message names it and the pattern.
    """
    moderator = RulesModerator(rules=[{**rule, "is_active": True}], built_in=False)

    def find(text: str, stage: Stage) -> tuple[Span, ...]:
        message = Message("user" if stage == "input" else "assistant", text)
        return moderator.check(ModerationContext((message,), stage)).spans

    return find


def list_categories() -> tuple[str, ...]:
    """Return the categories that Palaver has a name for."""
    return tuple(CATEGORIES)
