"""Very short poems about something."""

from training.generator.scene import Exchange, Scene
from training.generator.tables import read_lines

_TOPICS = (
    "the sea",
    "the moon",
    "the sun",
    "the rain",
    "the spring",
    "the summer",
    "the winter",
    "the autumn",
    "a cat",
    "a dog",
    "a rose",
    "a tree",
    "the night",
    "a bird",
    "love",
    "home",
    "friendship",
    "the river",
    "the snow",
    "a butterfly",
    "music",
    "the forest",
    "a robot",
    "tea",
    "coffee",
    "my mother",
    "the wind",
    "a horse",
    "hope",
    "a dragon",
    "time",
    "the garden",
    "a book",
    "the ocean",
    "happiness",
    "a flower",
    "a mouse",
    "autumn",
    "nature",
)
_ASK = (
    "<write> [a poem|a short poem|a little poem|a verse|a rhyme|a nice poem|a few lines] "
    "[about|on] "
    "{t}[| please| for me]",
    "[poem|short poem|a poem] about {t}[| please]",
    "[tell me|say|recite|do you know] [a poem|a short poem] about {t}[?|]",
)
_ASK_ANY = (
    "<write> [a poem|a short poem|a little poem|a verse|a rhyme|a nice poem][| please| for me]",
    "[tell me|recite|do you know|read me] [a poem|a short poem|a nursery rhyme][| please|?]",
)
_HAIKUS = (
    "Quiet morning light, / {T} wakes in the soft wind. / The day begins now.",
    "Silver evening sky. / I think of {t} and smile. / One by one, the stars.",
    "A small drop of rain / falls on {t} today. / Everything is still.",
)


def _lay_out(poem: str) -> str:
    lines = [line.strip() for line in poem.split("/")]
    return "\n".join(line[:1].upper() + line[1:] for line in lines)


def play_poem(scene: Scene) -> list[Exchange]:
    """Return a request for a poem."""
    topic = scene.pick("poem-topic", _TOPICS)
    bare = topic.removeprefix("a ").removeprefix("the ").removeprefix("my ")
    told = topic.replace("my ", "your ")
    slots = {"t": told, "p": bare, "T": told[0].upper() + told[1:]}
    if scene.chance(0.08):
        question = scene.ask("<write> a haiku about {t}[| please]", {"t": topic})
        return [Exchange(question, _lay_out(scene.choose(_HAIKUS).format_map(slots)))]
    form = scene.choose(_ASK_ANY if scene.chance(0.25) else _ASK)
    question = scene.ask(form, {"t": topic})
    poem = scene.choose(read_lines("poems")).format_map(slots)
    return [Exchange(question, _lay_out(poem))]
