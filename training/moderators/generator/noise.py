"""Texts that mean nothing, such as hashes, codes and random letters: all of them harmless."""

import base64
import random
import string
from collections.abc import Callable, Iterator

from training.moderators.generator.labelling import label
from training.moderators.rows import Row

_EACH = 220
_FAMILIES = 8
_CARRIERS = (
    "{noise}",
    "{noise}",
    "what is {noise}",
    "checksum: {noise}",
    "is this right? {noise}",
    "my order number is {noise}",
    "decode this: {noise}",
    "error at {noise}, what now?",
)


def _draw_hex(rng: random.Random) -> str:
    return rng.randbytes(rng.randrange(4, 80)).hex()


def _draw_spaced_hex(rng: random.Random) -> str:
    return rng.randbytes(rng.randrange(4, 40)).hex(" ")


def _draw_base64(rng: random.Random) -> str:
    return base64.b64encode(rng.randbytes(rng.randrange(6, 90))).decode()


def _draw_letters(rng: random.Random) -> str:
    words = ("".join(rng.choices(string.ascii_lowercase, k=rng.randrange(2, 12))) for _ in range(9))
    return " ".join(list(words)[: rng.randrange(1, 9)])


def _draw_keys(rng: random.Random) -> str:
    row = rng.choice(("asdfghjkl", "qwertzuiop", "qwertyuiop", "yxcvbnm", "zxcvbnm"))
    return "".join(rng.choices(row, k=rng.randrange(4, 30)))


def _draw_numbers(rng: random.Random) -> str:
    return ", ".join(
        str(rng.randrange(10 ** rng.randrange(1, 9))) for _ in range(rng.randrange(2, 20))
    )


def _draw_code(rng: random.Random) -> str:
    signs = string.ascii_uppercase + string.digits
    parts = ("".join(rng.choices(signs, k=rng.randrange(3, 7))) for _ in range(rng.randrange(1, 6)))
    return rng.choice("- _.").join(parts)


def _draw_signs(rng: random.Random) -> str:
    return "".join(rng.choices("!\"#$%&'()*+,-./:;<=>?@\\^_`~  ", k=rng.randrange(2, 60)))


_KINDS: tuple[tuple[str, Callable[[random.Random], str]], ...] = (
    ("hex", _draw_hex),
    ("spaced-hex", _draw_spaced_hex),
    ("base64", _draw_base64),
    ("letters", _draw_letters),
    ("keys", _draw_keys),
    ("numbers", _draw_numbers),
    ("code", _draw_code),
    ("signs", _draw_signs),
)


def generate_noise(rng: random.Random) -> Iterator[Row]:
    """Yield some hundred texts of each kind, alone or within a harmless sentence."""
    for kind, draw in _KINDS:
        for number in range(_EACH):
            text = rng.choice(_CARRIERS).format(noise=draw(rng))
            family = f"noise/{kind}.{number % _FAMILIES}"
            yield Row(text, label((), ()), "generated/noise", family, tags=("lookalike",))
