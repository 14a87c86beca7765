"""The table of categories: what is generated, and how often."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TypeAlias

from training.generator.animal import play_animal
from training.generator.arithmetic import play_arithmetic
from training.generator.fact import play_fact
from training.generator.geography import play_geography, play_location
from training.generator.howto import play_howto
from training.generator.instruction import play_instruction
from training.generator.intent import play_table
from training.generator.joke import play_joke
from training.generator.listing import play_listing
from training.generator.memory import play_memory
from training.generator.nonsense import play_nonsense
from training.generator.poem import play_poem
from training.generator.quiz import play_quiz
from training.generator.scene import Exchange, Scene
from training.generator.series import play_series
from training.generator.story import play_story
from training.generator.translation import play_translation
from training.generator.word_game import play_definition, play_word_game
from training.generator.word_problem import play_word_problem

Play: TypeAlias = Callable[[Scene], list[Exchange]]


@dataclass(frozen=True, slots=True)
class Category:
    """A kind of conversation: `weight` is its share of conversations.

    `flow` is its share among the turns of mixed conversations and of fillers.
    """

    name: str
    weight: float
    flow: float
    play: Play


def _table(name: str) -> Play:
    return partial(play_table, table=name)


def play_recall(scene: Scene) -> list[Exchange]:
    """Return a memory conversation with fillers from the other categories."""
    return play_memory(scene, draw_filler)


@cache
def read_categories() -> tuple[Category, ...]:
    """Return all categories with their weights."""
    return (
        Category("greeting", 4, 0, _table("greeting")),
        Category("farewell", 2.5, 0, _table("farewell")),
        Category("thanks", 2, 0, _table("thanks")),
        Category("smalltalk", 5, 3, _table("smalltalk")),
        Category("identity", 9, 4, _table("identity")),
        Category("memory", 11, 0, play_recall),
        Category("arithmetic", 15, 6, play_arithmetic),
        Category("geography", 13, 6, play_geography),
        Category("location", 0.7, 0.3, play_location),
        Category("fact", 10, 5, play_fact),
        Category("definition", 3, 1, play_definition),
        Category("word", 5, 2, play_word_game),
        Category("series", 2.5, 1, play_series),
        Category("animal", 2.5, 1.3, play_animal),
        Category("listing", 4.5, 1.5, play_listing),
        Category("word_problem", 2.5, 0.7, play_word_problem),
        Category("translation", 1.5, 0.7, play_translation),
        Category("instruction", 4, 1.2, play_instruction),
        Category("poem", 1.5, 0.3, play_poem),
        Category("diversion", 3, 1, _table("diversions")),
        Category("quiz", 1.5, 0, play_quiz),
        Category("howto", 2, 1, play_howto),
        Category("story", 4, 0.7, play_story),
        Category("joke", 2.5, 1.5, play_joke),
        Category("advice", 3.5, 0.3, _table("advice")),
        Category("refusal", 5, 0.3, _table("refusal")),
        Category("harmless", 2.5, 0.5, _table("harmless")),
        Category("unknown", 7, 2, _table("unknown")),
        Category("nonsense", 1.2, 0.3, play_nonsense),
        Category("vague", 1.5, 0, _table("vague")),
    )


@cache
def _flow() -> tuple[tuple[Category, ...], tuple[float, ...]]:
    chosen = tuple(category for category in read_categories() if category.flow)
    return chosen, tuple(category.flow for category in chosen)


def draw_category(scene: Scene) -> Category:
    """Return a category by the weights of the table."""
    categories = read_categories()
    return scene.rng.choices(categories, [category.weight for category in categories])[0]


def draw_filler(scene: Scene) -> list[Exchange]:
    """Return an exchange or two from a category that may stand anywhere in a chat."""
    categories, weights = _flow()
    return scene.rng.choices(categories, weights)[0].play(scene)
