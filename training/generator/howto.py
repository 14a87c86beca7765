"""Everyday how-to questions with short steps."""

from training.generator.scene import Exchange, Scene
from training.generator.tables import read_records

_QUESTIONS = (
    "[how do I|how can I|how do you|how to|how does one|how would I|how should I] {task}[?|]",
    "[can you|could you|please] [tell me|explain|show me|teach me] how to {task}[?|]",
    "[what's the best way|what is a good way|what is the easiest way] to {task}?",
    "[I want to|I'd like to|i need to|help me|I don't know how to|teach me to] {task}[.|, how "
    "does it work?|, can you help?|]",
    "[explain|instructions|steps|advice on] how to {task}[ please|]",
)
_ANSWERS = ("{steps}", "{steps}", "[Sure|Here is how|It's easy|Like this|Gladly]: {low}")
_FOLLOW_UPS = (
    ("[is it|is that] [hard|difficult|easy]?",
     "[Not really|It's not too hard]: take your time, and it gets easier with practice."),
    ("[anything else|any other tips|any tip]?",
     "[Take your time and don't rush.|Prepare everything first; that makes it easier.]"),
)  # fmt: skip


def play_howto(scene: Scene) -> list[Exchange]:
    """Return a how-to question with its steps."""
    task, steps = scene.choose(read_records("howto"))
    slots = {"task": task, "steps": steps, "low": steps[0].lower() + steps[1:]}
    question = scene.ask(scene.choose(_QUESTIONS), slots)
    exchanges = [Exchange(question, scene.say(scene.choose(_ANSWERS), slots))]
    if scene.chance(0.1):
        asked, answer = scene.choose(_FOLLOW_UPS)
        exchanges.append(Exchange(scene.ask(asked, plain=True), scene.say(answer)))
    return exchanges
