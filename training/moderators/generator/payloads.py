"""What a wrapper carries: a harmful or a harmless act out of the topics of requests."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from training.moderators.generator.inflection import add_ing
from training.moderators.generator.phrases import Topic, read_topics
from training.moderators.generator.slots import fill


@dataclass(frozen=True, slots=True)
class Payload:
    """The phrases for `{bad_act}`, `{bad_acting}`, `{good_act}`, `{good_acting}`, `{good_act:b}`.

    `topic` is where the bad act comes from.
    """

    given: Mapping[str, str]
    topic: Topic

    def is_harmful_in(self, text: str) -> bool:
        """Say if the bad act has found its way into a text."""
        return self.given["bad_act"] in text or self.given["bad_acting"] in text


@cache
def _acts(*, is_harmful: bool) -> tuple[tuple[str, Topic], ...]:
    return tuple(
        (act, topic)
        for topic in read_topics()
        if "sexual/minors" not in topic.positive  # these stay few and bare
        for act in (topic.harmful if is_harmful else topic.benign)
    )


def draw_payload(rng: random.Random) -> Payload:
    """Return a bad act and two good ones, their own slots filled."""
    act, topic = rng.choice(_acts(is_harmful=True))
    bad = fill(act, rng)
    good, other = (fill(rng.choice(_acts(is_harmful=False))[0], rng) for _ in range(2))
    given = {
        "bad_act": bad,
        "bad_acting": add_ing(bad),
        "good_act": good,
        "good_acting": add_ing(good),
        "good_act:b": other,
    }
    return Payload(given, topic)
