"""Jokes and riddles, with the next one on request."""

from collections.abc import Callable

from training.generator.scene import Exchange, Scene
from training.generator.tables import read_records

_JOKE = (
    "[tell me|tell|can you tell me|could you tell me|please tell me|do you know|give me|I'd like to"
    " hear|I want to hear|share|know|got|have you got|can I hear|say] [a joke|a good joke|a "
    "funny joke|a short "
    "joke|any jokes|some jokes|a joke for kids|a silly joke|a clean joke|a pun|something funny]",
    "[joke|a joke|joke please|jokes|make me laugh|say something funny|can you make me laugh"
    "|can you be funny|I need a laugh|I need a joke|let me hear a joke|make a joke|crack a joke]",
)
_RIDDLE = (
    "[tell me|can you tell me|please tell me|do you know|give me|ask me|I'd like|I want|have you "
    "got] [a riddle|a good riddle|an easy riddle|a hard riddle|any riddles|a puzzle|a brain "
    "teaser]",
    "[riddle|a riddle please|riddle me|riddle time|riddle me this|test me with a riddle]",
)
_MORE = (
    "[another one|another|one more|tell me another one|another joke|more|next|again|got "
    "another one][| please|!]"
)
_GUESS = (
    "[I don't know|no idea|tell me|what is it|I give up|what's the answer|the answer "
    "please|what?|what]"
)
_RIGHT = "[is it|it's|] {answer}[?|!|]"


def _ask_jokes(scene: Scene) -> list[Exchange]:
    jokes = read_records("jokes")
    (setup, punch) = scene.choose(jokes)
    exchanges = [Exchange(scene.ask(scene.choose(_JOKE)), _join(scene, setup, punch))]
    while len(exchanges) < 3 and scene.chance(0.2):
        (setup, punch) = scene.choose(jokes)
        exchanges.append(Exchange(scene.ask(_MORE, plain=True), _join(scene, setup, punch)))
    return exchanges


def _join(scene: Scene, setup: str, punch: str) -> str:
    opener = scene.say("[||||Sure! |Here's one: |Okay! |How about this? ]")
    return f"{opener} {setup} {punch}".strip()


def _ask_riddles(scene: Scene) -> list[Exchange]:
    riddle, answer = scene.choose(read_records("riddles"))
    question = scene.ask(scene.choose(_RIDDLE))
    told = scene.say("[||Here is one: |Try this: ]") + " " + riddle
    exchanges = [Exchange(question, told.strip())]
    if scene.chance(0.35):
        exchanges.append(
            Exchange(
                scene.ask(_GUESS, plain=True),
                scene.say("[The answer is|It's|It is] {answer}.", {"answer": answer}),
            )
        )
    elif scene.chance(0.3):
        exchanges.append(
            Exchange(
                scene.ask(_RIGHT, {"answer": answer}, plain=True),
                scene.say(
                    "[Yes, that's right|Correct|Well done|Exactly]! It's {answer}.",
                    {"answer": answer},
                ),
            )
        )
    return exchanges


def _explain_riddle(scene: Scene) -> list[Exchange]:
    riddle, answer = scene.choose(read_records("riddles"))
    return [
        Exchange(
            scene.ask(riddle, plain=True),
            scene.say(
                "[It's|The answer is|That would be] {answer}[.|!]",
                {"answer": answer},
            ),
            answer,
        )
    ]


def play_joke(scene: Scene) -> list[Exchange]:
    """Return jokes or riddles."""
    kinds: tuple[Callable[[Scene], list[Exchange]], ...] = (
        _ask_jokes,
        _ask_riddles,
        _explain_riddle,
    )
    return scene.rng.choices(kinds, (60, 30, 10))[0](scene)
