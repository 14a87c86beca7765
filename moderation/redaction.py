"""What is to be redacted in a text that was refused before everybody had looked at it.

Such a text may still be kept: the asker sees the question again, a reviewer the answer.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

from chat.types import Message, Span, Verdict
from moderation.base import ModerationContext
from moderation.decision import Decision
from moderation.member import Member
from moderation.policy import Policy
from moderation.text.prefixes import WORD_END

# A text may have been refused for its length: nobody has to read all of it before a deadline.
_MOST_CHARS = 50_000
# So far back a part may end earlier, rather than inside of a word.
_LONGEST_WORD = 1_000


async def ask_redactors(
    members: Iterable[Member], policy: Policy, context: ModerationContext, decision: Decision
) -> Decision:
    """Return a refusal with what those say of the text who weren't asked, and may redact in it.

    What is done about the text stays as it is; another decision is returned unchanged.
    """
    stage = context.stage
    known = {verdict.moderator for verdict in decision.verdicts} | policy.shadow
    missing = [
        member
        for member in members
        if member.manifest.name not in known
        and stage in member.manifest.stages
        and policy.may_redact(stage, member.manifest.categories)
    ]
    if not decision.is_refused or not missing:
        return decision
    found = await asyncio.gather(*(_judge(member, context) for member in missing))
    whole = policy.decide(stage, [*decision.verdicts, *found])
    return replace(decision, verdicts=whole.verdicts, redactions=whole.redactions)


async def _judge(member: Member, context: ModerationContext) -> Verdict:
    *earlier, last = context.messages
    parts = cut(last.content)
    if len(parts) == 1:
        return await member.judge(context)
    verdicts = []
    for _, part in parts:  # one after the other: they would only be in each other's way
        message = Message(last.role, part)
        verdicts.append(await member.judge(replace(context, messages=(*earlier, message))))
    return _join(member, verdicts, [start for start, _ in parts])


def _join(member: Member, verdicts: Sequence[Verdict], starts: Sequence[int]) -> Verdict:
    """Return the verdicts on the parts as one on the text; if one failed, that one."""
    if failed := next((verdict for verdict in verdicts if verdict.outcome == "error"), None):
        return failed
    spans: list[Span] = []
    scores: dict[str, float] = {}
    for verdict, start in zip(verdicts, starts, strict=True):
        spans += (replace(s, start=s.start + start, end=s.end + start) for s in verdict.spans)
        for name, score in verdict.scores.items():
            scores[name] = max(score, scores.get(name, 0.0))
    joined = member.manifest.verdict(verdicts[0].stage, spans, scores)
    latency_ms = sum(verdict.latency_ms for verdict in verdicts)
    return replace(joined, version=verdicts[-1].version, latency_ms=latency_ms)


def cut(text: str) -> list[tuple[int, str]]:
    """Return the parts in which a text is read, each with where it begins; they end with words."""
    parts: list[tuple[int, str]] = []
    start = 0
    while len(text) - start > _MOST_CHARS:
        limit = start + _MOST_CHARS
        ends = [match.end() for match in WORD_END.finditer(text, limit - _LONGEST_WORD, limit)]
        end = ends[-1] if ends else limit
        parts.append((start, text[start:end]))
        start = end
    return [*parts, (start, text[start:])]
