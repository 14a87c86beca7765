"""Quizzes: the assistant asks, the person answers, the assistant says whether it is right."""

from training.generator.arithmetic import calculate, draw_sum, equation
from training.generator.geography import choose_country, read_countries
from training.generator.scene import Exchange, Scene
from training.generator.tables import read_records

_ASK = (
    "[quiz me|ask me a quiz question|give me a quiz|let's do a quiz|start a quiz|test me|test my "
    "knowledge|can you quiz me|ask me something|I want a quiz|ask me a question about the world"
    "|quiz time|give me a question][| please|!|.]",
)
_RIGHT = "[Correct|That's right|Well done|Yes, that's right|Very good|Exactly]! {fact}"
_WRONG = "[Not quite|Sorry, that's not right|Almost, but no|No, I'm afraid not]. {fact}"
_GIVE_UP = "[I don't know|no idea|tell me|I give up|what is it|pass|you tell me][.|?|]"
_TELL = "[No problem|That's all right]! {fact}"


def _draw_question(scene: Scene) -> tuple[str, str, str, str]:
    """Return a question, its answer, a wrong answer and the fact as a sentence."""
    kind = scene.choose(("capital", "sum", "opposite"))
    if kind == "capital":
        country, other = choose_country(scene), scene.choose(read_countries())
        fact = f"The capital of {country.name} is {country.capital}."
        question = f"What is the capital of {country.name}?"
        return question, country.capital, other.capital, fact
    if kind == "sum":
        first, sign, second = draw_sum(scene, "++-*")
        result = calculate(first, sign, second)
        shown = equation(first, sign, second)
        wrong = str(max(0, result + scene.choose((-3, -1, 1, 2, 5))))
        return f"What is {shown.split(' =')[0]}?", str(result), wrong, shown + "."
    word, opposite = scene.choose(read_records("opposites"))
    wrong = scene.choose(read_records("opposites"))[1]
    fact = f'The opposite of "{word}" is "{opposite}".'
    return f'What is the opposite of "{word}"?', opposite, wrong, fact


def _with_stop(text: str) -> str:
    return text if text.endswith(".") else text + "."


def play_quiz(scene: Scene) -> list[Exchange]:
    """Return a quiz question of the assistant, the person's reply and the verdict."""
    question, right, wrong, fact = _draw_question(scene)
    lead = scene.say("[||Here we go: |Okay! |Sure! ]")
    exchanges = [Exchange(scene.ask(scene.choose(_ASK)), f"{lead} {question}".strip())]
    draw = scene.rng.random()
    if draw < 0.2:
        reply, verdict = scene.ask(_GIVE_UP, plain=True), _TELL
    else:
        said = right if draw < 0.6 or wrong == right else wrong
        verdict = _RIGHT if said == right else _WRONG
        reply = scene.ask(
            "[{x}|{x}|it's {x}|is it {x}?|I think it's {x}|{x}?|{x}, I think]",
            {"x": said},
            plain=True,
        )
    return [*exchanges, Exchange(reply, _with_stop(scene.say(verdict, {"fact": fact})))]
