"""Lists of so many things of a kind."""

from training.generator.number import spell_number
from training.generator.scene import Exchange, Scene
from training.generator.tables import read_groups, read_records

_ASK = (
    "[name|list|give me|tell me|can you name|can you list|could you list|please list|write|say"
    "|I need|think of|show me|please name|mention|what are] {n} {things}[| please|.]",
    "[<give>|write|make|can you make] a list of {n} {things}",
    "{n} {things}[| please|?]",
    "[<give>|tell me] the names of {n} {things}",
)
_ASK_SOME = (
    "[name|list|give me|tell me|can you name|can you list|what are|show me|do you know] [some|a few"
    "|several] {things}[?|]",
    "[<give>|make|write] a list of {things}",
    "[examples of|some examples of|give me examples of] {things}",
)
_MORE = (
    "[more|some more|give me more|any more|a few more|and more|can you give me "
    "more|others][?|| please]"
)


def _format(scene: Scene, items: list[str], things: str) -> str:
    style = scene.rng.random()
    if style < 0.45 and len(items) > 1:
        return "\n".join(f"{index}. {item}" for index, item in enumerate(items, 1))
    if len(items) == 1:
        return scene.say("{item}.", {"item": items[0]})
    joined = f"{', '.join(items[:-1])} and {items[-1]}"
    if style < 0.75:
        return scene.say("{joined}.", {"joined": joined})
    count = spell_number(len(items))
    return scene.say(
        "[Here are {n} {things}: {j}.|{n} {things}: {j}.|Sure: {j}.]",
        {"n": count, "things": things, "j": joined},
    )


def _singular(things: str) -> str | None:
    return {row[0]: row[1] for row in read_records("singulars")}.get(things)


def play_listing(scene: Scene) -> list[Exchange]:
    """Return a request for a list, sometimes for more of it."""
    things, items = scene.choose(list(read_groups("lists").items()))
    single = _singular(things)
    if single and scene.chance(0.25):
        question = scene.ask(
            "[name|tell me|give me|say|can you name|think of|pick] {one}[| please]", {"one": single}
        )
        item = scene.choose(items)
        return [Exchange(question, scene.say("{item}.", {"item": item}), item)]
    number = scene.rng.choices((2, 3, 4, 5, 6, 7, 8, 10), (8, 40, 12, 25, 5, 3, 2, 5))[0]
    is_some = scene.chance(0.2)
    if is_some:
        number = scene.rng.randint(3, 5)
    drawn = scene.rng.sample(items, len(items))
    shown = str(number) if scene.chance(0.6) else spell_number(number)
    form = scene.choose(_ASK_SOME if is_some else _ASK)
    spoken = things.replace("colours", "colors") if scene.chance(0.4) else things
    question = scene.ask(form, {"n": shown, "things": spoken})
    exchanges = [Exchange(question, _format(scene, drawn[:number], things))]
    if scene.chance(0.12) and number + 3 <= len(items):
        exchanges.append(
            Exchange(
                scene.ask(_MORE, plain=True), _format(scene, drawn[number : number + 3], things)
            )
        )
    return exchanges
