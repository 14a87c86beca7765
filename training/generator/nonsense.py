"""Input without meaning: mashed keys and lone punctuation."""

import string

from training.generator.scene import Exchange, Scene

_ROWS = ("asdfghjkl", "qwertyuiop", "zxcvbnm", "asdfjkl", "hjklasdf", "qweasdzxc")
_MARKS = "?!.,;:-_*#@%&()/+=~"
_ANSWERS = (
    "[I'm sorry, I don't understand|Sorry, I didn't understand that|I don't understand that"
    "|Hmm, I can't make sense of that|I'm not sure what you mean|I didn't get that, sorry]. "
    "[Could you rephrase it?|Could you say that in another way?|Can you write it differently?"
    "|What would you like to know?|Could you write that in words?|Please try again in a sentence.]",
)  # fmt: skip


def _mash_keys(scene: Scene) -> str:
    rng = scene.rng
    kind = rng.random()
    if kind < 0.4:
        row = rng.choice(_ROWS)
        return "".join(rng.choice(row) for _ in range(rng.randint(4, 16)))
    if kind < 0.7:
        words = (
            "".join(rng.choice(string.ascii_lowercase) for _ in range(rng.randint(3, 9)))
            for _ in range(rng.randint(1, 4))
        )
        return " ".join(words)
    if kind < 0.85:
        return rng.choice(string.ascii_lowercase) * rng.randint(4, 15)
    return "".join(
        rng.choice(string.ascii_letters + string.digits) for _ in range(rng.randint(6, 18))
    )


def _mash_marks(scene: Scene) -> str:
    rng = scene.rng
    if rng.random() < 0.5:
        return rng.choice(_MARKS) * rng.randint(1, 6)
    return "".join(rng.choice(_MARKS) for _ in range(rng.randint(1, 8)))


def play_nonsense(scene: Scene) -> list[Exchange]:
    """Return something unreadable, answered by a question."""
    text = _mash_keys(scene) if scene.chance(0.67) else _mash_marks(scene)
    if scene.chance(0.1):
        text = text.upper()
    return [Exchange(text, scene.say(_ANSWERS[0]))]
