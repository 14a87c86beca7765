"""The groups of a policy as steps that a text passes: who is asked when, and when it is enough."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chat.types import Stage, Verdict
from moderation.base import ModerationContext
from moderation.member import Member
from moderation.policy import Decision, Group, Policy


class Round:
    """One text on its way through the groups."""

    def __init__(self, context: ModerationContext):
        self.context = context
        self.verdicts: list[Verdict] = []
        self.decision = Decision()
        self.is_over = False

    def decide(self, policy: Policy, later: Sequence["Step"]) -> None:
        """Decide by what is known; a refusal that no later group can undo ends the round."""
        if self.is_over:
            return
        stage = self.context.stage
        # As if those that are still to be asked will find nothing.
        to_come = [verdict for step in later for verdict in step.foresee(self, policy)]
        decision = policy.decide(stage, [*self.verdicts, *to_come])
        own = decision.verdicts[: len(self.verdicts)]
        self.decision = replace(decision, verdicts=own)
        self.is_over = decision.is_refused


@dataclass(frozen=True, slots=True)
class Step:
    """Members that are asked side by side, and when."""

    members: tuple[Member, ...]
    group: Group
    replaced: tuple[Member, ...]  # those of the group's `instead_of` that are loaded

    def watching(self, stage: Stage) -> list[Member]:
        return [member for member in self.members if stage in member.manifest.stages]

    def asks(self, one: Round, policy: Policy) -> bool:
        """Say if what is known of a text so far makes it worth asking this group."""
        stage = one.context.stage
        band = self.group.ask_if.get(stage)
        named = self.group.instead_of
        if band is None or len(self.replaced) < len(named):
            return True
        known = [v for v in policy.counted(one.verdicts) if not named or v.moderator in named]
        if not known or any(verdict.outcome != "judged" for verdict in known):
            return True  # without them, this group is all there is
        low, high = band
        scores = [pair for verdict in known for pair in verdict.scores.items()]
        if max((score for _, score in scores), default=0.0) < low:
            return False
        # Who is sure of a trifle, such as a swear word, has said nothing of the rest of the text.
        return not any(pair[1] > high and policy.refuses(stage, *pair) for pair in scores)

    def foresee(self, one: Round, policy: Policy) -> list[Verdict]:
        """Return what this group would say if it is asked and finds nothing."""
        stage = one.context.stage
        known = {verdict.moderator for verdict in one.verdicts}
        is_known = all(
            member.manifest.name in known
            for member in self.replaced
            if stage in member.manifest.stages
        )
        if is_known and not self.asks(one, policy):
            return []
        return [
            member.manifest.verdict(stage, scores=dict.fromkeys(member.manifest.categories, 0.0))
            for member in self.watching(stage)
        ]


def make_steps(members: dict[str, Member], policy: Policy) -> list[Step]:
    """Return the groups of the policy as far as they are loaded, and the rest as the last one."""
    named = {name for group in policy.groups for name in group.moderators}
    rest = Group(tuple(name for name in members if name not in named))
    deciding = {name: member for name, member in members.items() if name not in policy.shadow}
    steps = []
    for group in (*policy.groups, rest):
        judges, replaced = (
            tuple(deciding[name] for name in names if name in deciding)
            for names in (group.moderators, group.instead_of)
        )
        if judges:
            steps.append(Step(judges, group, replaced))
    return steps


async def ask(step: Step, rounds: Sequence[Round]) -> None:
    """Let the members of a group judge texts, and add what they say to each text's verdicts."""
    work = []
    for member in step.members:
        some = [one for one in rounds if one.context.stage in member.manifest.stages]
        if some:
            work.append((some, member.judge_many([one.context for one in some])))
    for (some, _), verdicts in zip(
        work, await asyncio.gather(*(judging for _, judging in work)), strict=True
    ):
        for one, verdict in zip(some, verdicts, strict=True):
            one.verdicts.append(verdict)
