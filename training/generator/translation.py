"""A few words in French, German, Spanish and Italian."""

from training.generator.scene import Exchange, Scene
from training.generator.tables import read_records

_LANGUAGES = ("French", "German", "Spanish", "Italian")
_OTHERS = (
    "Chinese",
    "Japanese",
    "Russian",
    "Arabic",
    "Swedish",
    "Dutch",
    "Polish",
    "Korean",
    "Turkish",
    "Hindi",
    "Greek",
    "Swahili",
)
_ASK = (
    "[how do you say|how do I say|how would you say|how to say|how can I say|what is|what's|say"
    "|tell me how to say|can you say] {w} in {l}[?|]",
    "[translate|please translate|can you translate|could you translate] {w} [to|into|in] {l}[?|]",
    "[<whatis> the {l} word for|the {l} word for|{l} for|<whatis> the {l} for] {w}[?|]",
    "{w} in {l}[?| please]",
)
_BACK = (
    "[what does|what does the {l} word] {f} mean[| in English]?",
    "[translate|what is|how do you say] [the {l} word |]{f} [in|into] English[?|]",
    "what is the English [word |]for {f}?",
)
_AND = "[and|and what about|what about|how about|now] in {l}[?|]"
_UNKNOWN = (
    "[I'm sorry, I don't know|I don't know|I'm afraid I don't know] how to say that in {l}. "
    "[I only know a few words of French, German, Spanish and Italian.|I know a little French,"
    " German, Spanish and Italian.]"
)


def _ask_word(
    scene: Scene, record: tuple[str, ...], index: int, forms: tuple[str, ...]
) -> Exchange:
    slots = {"w": record[0], "l": _LANGUAGES[index], "f": record[index + 1]}
    form = scene.choose(forms)
    if scene.chance(0.4):
        form = form.replace("{w}", '"{w}"').replace("{f}", '"{f}"')
    answer = scene.say(
        '["{w}" in {l} is "{f}".|In {l}, "{w}" is "{f}".|"{f}" means "{w}" in {l}.]'.replace(
            '|"{f}" means "{w}" in {l}.', ""
        ),
        slots,
    )
    return Exchange(scene.ask(form, slots), answer, slots["f"])


def play_translation(scene: Scene) -> list[Exchange]:
    """Return a request for a word in another language, or its meaning in English."""
    record = scene.choose(read_records("phrases"))
    index = scene.rng.randrange(4)
    draw = scene.rng.random()
    if draw < 0.2:
        slots = {"l": _LANGUAGES[index], "f": record[index + 1]}
        alike = sorted({row[0] for row in read_records("phrases") if row[index + 1] == slots["f"]})
        slots["w"] = '" or "'.join(alike)
        question = scene.ask(scene.choose(_BACK), slots)
        return [Exchange(question, scene.say('"{f}" means "{w}" in English.', slots), slots["w"])]
    if draw < 0.3:
        slots = {"w": record[0], "l": scene.choose(_OTHERS)}
        return [Exchange(scene.ask(scene.choose(_ASK), slots), scene.say(_UNKNOWN, slots))]
    exchanges = [_ask_word(scene, record, index, _ASK)]
    if scene.chance(0.2):
        other = (index + scene.rng.randint(1, 3)) % 4
        exchanges.append(_ask_word(scene, record, other, (_AND,)))
    return exchanges
