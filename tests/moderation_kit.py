"""Moderators that answer by a script, and the policies that tests judge by."""

from dataclasses import replace

from chat.types import Message
from moderation.base import ModerationContext
from moderation.policy import Group, Policy


def ask(text: str, stage: str = "input") -> ModerationContext:
    return ModerationContext((Message("user", text),), stage)


class Scripted:
    """Answers with what it is given, one after the other; exceptions are raised."""

    def __init__(self, *answers, name: str = "scripted", **manifest):
        self.manifest = {"name": name, **manifest}
        self.answers = list(answers)
        self.num_calls = 0

    def check(self, context):
        self.num_calls += 1
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer(context) if callable(answer) else answer


FINE = {"scores": {"hate": 0.0}}
BAD = {"scores": {"hate": 0.99}}


def standard() -> Policy:
    return Policy.load("standard")


def in_groups(*groups: Group, **changes) -> Policy:
    return replace(standard(), groups=groups, **changes)
