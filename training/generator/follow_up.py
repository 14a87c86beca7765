"""Follow-ups that make sense only after the previous answer."""

from collections.abc import Callable

from training.generator.scene import Exchange, Scene

_SURE = (
    "[are you sure|are you certain|really|is that true|is that right|are you sure about that"
    "|sure|are you positive|is that correct][?|??|]"
)
_AGAIN = (
    "[say that again|repeat that|can you repeat that|what did you say|pardon|sorry, what|come "
    "again|one more time please|could you repeat your answer|please repeat][?|]"
)
_SHORT = (
    "[shorter|shorter please|make it shorter|in one word|in short|just the answer|one word please"
    "|can you make it shorter|too long|shorten that|only the answer][?||.]"
)
_UPPER = (
    "[now in capital letters|in upper case please|now in upper case|say that in all caps|write "
    "that in capitals|repeat that in capital letters]"
)
_ASKED = (
    "[what did I just ask|what was my question|what did I ask you|what was my last question|do "
    "you remember my question|what did I say before][?|]"
)
_SPELL = (
    "[spell it|how do you spell that|can you spell that|how is that spelt|spell that][?|| please]"
)


def _ask_sure(scene: Scene, before: Exchange) -> Exchange:
    answer = scene.say(
        "[Yes, I think so|I believe so|Yes, I'm fairly sure]. {a}", {"a": before.assistant}
    )
    return Exchange(scene.ask(_SURE, plain=True), answer)


def _ask_again(scene: Scene, before: Exchange) -> Exchange:
    return Exchange(scene.ask(_AGAIN, plain=True), before.assistant)


def _ask_short(scene: Scene, before: Exchange) -> Exchange:
    short = before.short[:1].upper() + before.short[1:]
    return Exchange(scene.ask(_SHORT, plain=True), short + ("" if short.endswith(".") else "."))


def _ask_upper(scene: Scene, before: Exchange) -> Exchange:
    return Exchange(scene.ask(_UPPER, plain=True), before.assistant.upper())


def _ask_question(scene: Scene, before: Exchange) -> Exchange:
    return Exchange(scene.ask(_ASKED, plain=True), f'You asked: "{before.user}"')


def _ask_spelling(scene: Scene, before: Exchange) -> Exchange:
    return Exchange(scene.ask(_SPELL, plain=True), "-".join(before.short.upper()) + ".")


def draw_follow_up(scene: Scene, before: Exchange) -> Exchange:
    """Return a follow-up on an exchange that has a short answer."""
    asks: list[Callable[[Scene, Exchange], Exchange]] = [
        _ask_sure,
        _ask_sure,
        _ask_again,
        _ask_short,
        _ask_short,
        _ask_upper,
        _ask_question,
    ]
    if before.short.isalpha() and 2 < len(before.short) < 13:
        asks.append(_ask_spelling)
    return scene.choose(asks)(scene, before)
