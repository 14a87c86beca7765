"""Intents kept as text: many ways to ask one thing, many ways to answer it.

A table is a series of blocks. `= name` opens one (`= name *3` weighs three times), `?` lines are
questions, `!` lines answers, `>` and `<` lines a follow-up question and its answers. All are
templates; a slot is filled from tables/slots.txt and means the same in the whole block.
"""

import re
from dataclasses import dataclass
from functools import cache

from training.generator.grammar import count
from training.generator.scene import Exchange, Scene
from training.generator.tables import read_groups, read_lines

_SLOT = re.compile(r"\{([a-z_]+)\}")
_FOLLOW_UP_CHANCE = 0.3


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing people say, with its answers and follow-ups."""

    name: str
    weight: float
    questions: tuple[str, ...]
    question_weights: tuple[float, ...]
    answers: tuple[str, ...]
    follow_ups: tuple[tuple[str, tuple[str, ...]], ...]
    slots: tuple[str, ...]


def _build_intent(head: str, lines: list[str]) -> Intent:
    name, _, weight = head.partition("*")
    questions = tuple(line[1:].strip() for line in lines if line[0] == "?")
    answers = tuple(line[1:].strip() for line in lines if line[0] == "!")
    follow_ups: list[tuple[str, tuple[str, ...]]] = []
    for line in lines:
        if line[0] == ">":
            follow_ups.append((line[1:].strip(), ()))
        elif line[0] == "<":
            question, known = follow_ups[-1]
            follow_ups[-1] = (question, (*known, line[1:].strip()))
    assert questions and answers, f"intent {head!r} lacks questions or answers"
    slots = tuple(sorted(set(_SLOT.findall("\n".join(lines)))))
    weights = tuple(min(count(question), 400) ** 0.5 for question in questions)
    return Intent(
        name.strip(), float(weight or 1), questions, weights, answers, tuple(follow_ups), slots
    )


@cache
def read_intents(table: str) -> tuple[Intent, ...]:
    """Return the intents of tables/<table>.txt."""
    blocks: list[tuple[str, list[str]]] = []
    for line in read_lines(table):
        if line[0] == "=":
            blocks.append((line[1:].strip(), []))
        else:
            assert line[0] in "?!><", f"bad line in {table}: {line!r}"
            blocks[-1][1].append(line)
    return tuple(_build_intent(head, lines) for head, lines in blocks)


@cache
def _weights(table: str) -> tuple[float, ...]:
    return tuple(intent.weight for intent in read_intents(table))


def fill_slots(scene: Scene, names: tuple[str, ...]) -> dict[str, str]:
    """Return a value of this split for every named slot."""
    pools = read_groups("slots")
    return {name: scene.pick(f"slot-{name}", pools[name]) for name in names}


def play_intent(scene: Scene, intent: Intent) -> list[Exchange]:
    """Return the exchanges of one intent: a question and sometimes a follow-up."""
    slots = fill_slots(scene, intent.slots)
    question = scene.rng.choices(intent.questions, intent.question_weights)[0]
    plain = len(question) < 14 or count(question) > 200
    exchanges = [
        Exchange(scene.ask(question, slots, plain), scene.say(scene.choose(intent.answers), slots))
    ]
    if intent.follow_ups and scene.chance(_FOLLOW_UP_CHANCE):
        asked, answers = scene.choose(intent.follow_ups)
        answer = scene.say(scene.choose(answers), slots)
        exchanges.append(Exchange(scene.ask(asked, slots, plain=True), answer))
    return exchanges


def play_table(scene: Scene, table: str) -> list[Exchange]:
    """Return the exchanges of a random intent of a table."""
    intent = scene.rng.choices(read_intents(table), _weights(table))[0]
    return play_intent(scene, intent)
