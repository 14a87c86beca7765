"""Simple facts about the world, each asked in several ways."""

import re
from dataclasses import dataclass
from functools import cache

from training.generator.scene import Exchange, Scene
from training.generator.tables import read_lines

_OPENERS = (
    "[tell me|please tell me|do you know|can you tell me|I'd like to know|quick question"
    "|one question|here's a question|answer me this|question|my son asks]: "
)
_OPENER_CHANCE = 0.12
# "what is X?" can also be asked as "tell me what X is"; each pattern has its own rewrites.
_REWRITES = (
    (re.compile(r"^what is ([^\[\]?]+)\?$"), (
        "[what's|what exactly is|whats] {}?", "<tell> what {} is", "what {} is?",
        "[explain|explain to me|can you explain] what {} is", "do you know what {} is?",
        "[define|explain|tell me about] {}", "what do you know about {}?",
    )),
    (re.compile(r"^(who|what) ((?:wrote|painted|invented|discovered|built|puts|teaches|helps|bakes"
                r"|flies|repairs|cuts|grows|takes|makes|falls) .+)\?$"), (
        "<tell> {0} {1}?", "do you know {0} {1}?", "{0} {1}, do you know?",
        "can you tell me {0} {1}?",
    )),
    (re.compile(r"^who \[is\|was\] (.+)\?$"), (
        "<tell> who {} was", "[who's|whos|who exactly was] {}?", "tell me about {}",
        "what do you know about {}?", "do you know {}?",
    )),
    (re.compile(r"^where (is|are) ([^\[\]]+|[^|]+)\?$"), (
        "<tell> where {1} {0}", "[in which country|in what place] {0} {1}?", "do you know "
        "where {1} {0}?",
        "where can I find {1}?",
    )),
    (re.compile(r"^where do ([^\[\]]+) live\?$"), (
        "<tell> where {} live", "do you know where {} live?", "where can you find {}?",
    )),
    (re.compile(r"^why (is|are) (the \w+|\w+) (\w+)\?$"), (
        "<tell> why {1} {0} {2}", "[explain|can you explain] why {1} {0} {2}", "how come {1} "
        "{0} {2}?",
    )),
)  # fmt: skip
_REWRITE_CHANCE = 0.45


@dataclass(frozen=True, slots=True)
class Fact:
    """Question templates, the answer as a sentence and in a word."""

    questions: tuple[str, ...]
    answer: str
    short: str


def _rewrite(question: str) -> tuple[str, ...]:
    for pattern, forms in _REWRITES:
        found = pattern.match(question)
        if found:
            return tuple(form.format(*found.groups()) for form in forms)
    return ()


@cache
def read_facts() -> tuple[Fact, ...]:
    """Return the facts of tables/facts.txt (`question # answer # short`)."""
    facts = []
    for line in read_lines("facts"):
        question, answer, *short = (part.strip() for part in line.split("#"))
        facts.append(Fact((question, *_rewrite(question)), answer, short[0] if short else ""))
    return tuple(facts)


def ask_fact(scene: Scene, fact: Fact) -> Exchange:
    """Return one fact as an exchange."""
    question = fact.questions[0]
    if len(fact.questions) > 1 and scene.chance(_REWRITE_CHANCE):
        question = scene.choose(fact.questions[1:])
    elif scene.chance(_OPENER_CHANCE):
        question = _OPENERS + question
    return Exchange(scene.ask(question), scene.say(fact.answer), fact.short)


def play_fact(scene: Scene) -> list[Exchange]:
    """Return a question about a simple fact."""
    return [ask_fact(scene, scene.choose(read_facts()))]
