"""System messages: plain ones, and ones whose wish about the form every answer obeys."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from training.generator.scene import Exchange, Scene

_PLAIN = (
    "You are Palaver[|, a helpful assistant|, a friendly assistant|, a small open-source assistant"
    "|, a polite chat assistant|, an AI assistant that runs on the user's own computer].[| Be "
    "polite.| Answer briefly.| Be honest about what you don't know.| Keep your answers short."
    "| Help the user.]",
    "[You are a helpful assistant|You are a friendly chatbot|You're a helpful, honest assistant"
    "|Be a helpful assistant|You are a polite assistant called Palaver].",
)
_SENTENCE = re.compile(r"(?<=[.!?])\s")
_LEADS = ("Sure!", "Of course!", "Good question!", "Well,", "Hello!", "Ahoy!", "Dear friend,")
_TAILS = ("Have a nice day!", "Thanks for asking!", "Anything else?", "Best wishes!",
          "Take care!", "Hope that helps!")  # fmt: skip
_WHO = "[You are Palaver|You are a helpful assistant|You are a friendly assistant|]. "


@dataclass(frozen=True, slots=True)
class Wish:
    """A system text and what it does to each answer."""

    text: str
    change: Callable[[Exchange], Exchange]


def _keep_first_sentence(exchange: Exchange) -> Exchange:
    return replace(exchange, assistant=_SENTENCE.split(exchange.assistant)[0])


def _shorten(exchange: Exchange) -> Exchange:
    short = exchange.short[:1].upper() + exchange.short[1:]
    return replace(exchange, assistant=short.rstrip(".") + ".")


def _raise(exchange: Exchange) -> Exchange:
    return replace(exchange, assistant=exchange.assistant.upper())


def _frame(lead: str, tail: str) -> Callable[[Exchange], Exchange]:
    def change(exchange: Exchange) -> Exchange:
        text = exchange.assistant
        if lead.endswith(","):
            text = text[0].lower() + text[1:] if text[:4] in ("The ", "It's", "In t") else text
        return replace(exchange, assistant=f"{lead} {text} {tail}".strip())

    return change


def _draw_wish(scene: Scene, exchanges: Sequence[Exchange]) -> Wish:
    who = scene.phrase(_WHO).lstrip(". ")
    kind = scene.choose(("sentence", "upper", "lead", "tail", "short"))
    if kind == "short" and all(exchange.short for exchange in exchanges):
        text = scene.phrase(
            "[Answer in one word|Give one-word answers|Reply with the answer only"
            "|Use as few words as you can|Answer as briefly as possible]."
        )
        return Wish(f"{who} {text}", _shorten)
    if kind == "upper":
        text = scene.phrase(
            "[Answer in capital letters|Write everything in upper case|Use only capital "
            "letters|Always answer in upper case|Reply in all caps]."
        )
        return Wish(f"{who} {text}", _raise)
    if kind == "lead":
        lead = scene.pick("lead", _LEADS)
        text = scene.phrase("[Start|Begin] [every answer|each answer|all your answers] with")
        return Wish(f'{who} {text} "{lead}"', _frame(lead, ""))
    if kind == "tail":
        tail = scene.pick("tail", _TAILS)
        text = scene.phrase("[End|Finish] [every answer|each answer|all your answers] with")
        return Wish(f'{who} {text} "{tail}"', _frame("", tail))
    text = scene.phrase(
        "[Answer in one sentence|Use only one sentence|Reply with a single sentence"
        "|Always answer in one sentence|Keep every answer to one sentence]."
    )
    return Wish(f"{who} {text}", _keep_first_sentence)


def add_plain_text(scene: Scene) -> str:
    """Return a system text that asks for nothing unusual."""
    return scene.phrase(scene.choose(_PLAIN))


def apply_wish(scene: Scene, exchanges: Sequence[Exchange]) -> tuple[str, list[Exchange]]:
    """Return a system text with a wish about the form, and the exchanges that obey it."""
    wish = _draw_wish(scene, exchanges)
    return wish.text.strip(), [wish.change(exchange) for exchange in exchanges]
