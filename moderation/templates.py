"""The answers that people read in place of the model's."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "templates"


def answer_for(category: str, language: str = "en") -> str:
    """Return the template answer for a refusal.

    A category without an answer of its own gets that of the one before its slash, or else a
    general one; a language that isn't there ("de-CH", "nl") gets the nearest, or English.
    """
    answers = _answers(language.lower().replace("_", "-").partition("-")[0])
    for name in (category, category.partition("/")[0], "default"):
        if name in answers:
            return answers[name]
    raise AssertionError("every language has a default answer")


@cache
def _answers(language: str) -> Mapping[str, str]:
    path = _FOLDER / f"{language}.toml"
    if not language.isalpha() or not path.is_file():
        path = _FOLDER / "en.toml"
    return {name: answer.strip() for name, answer in tomllib.loads(path.read_text("utf-8")).items()}
