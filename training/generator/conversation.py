"""Whole conversations: one topic or several in a row, with openings, closings and system texts."""

from typing import TypeAlias

from training.generator.catalog import Category, draw_category, draw_filler
from training.generator.follow_up import draw_follow_up
from training.generator.intent import play_table
from training.generator.scene import Exchange, Scene
from training.generator.system_text import add_plain_text, apply_wish

Row: TypeAlias = dict[str, object]
_SINGLE_CHANCE = 0.55
_SYSTEM_CHANCE = 0.15
_MAX_EXCHANGES = 9
# These stand alone: they open a chat, close it, or mean something else after other turns.
_CLOSED = ("greeting", "farewell", "memory", "vague")
_WISH_CHANCE = 0.3
_FOLLOW_UP_CHANCE = 0.08
# A wish about the form of answers is honoured only where the answer is one plain statement.
_PLAIN_ANSWERS = ("arithmetic", "geography", "fact", "word", "animal", "series", "definition",
                  "word_problem", "translation")  # fmt: skip


def _join_turns(scene: Scene, category: Category) -> list[Exchange]:
    """Return a chat of several topics around one of the category."""
    exchanges: list[Exchange] = []
    if scene.chance(0.35) and category.name != "greeting":
        exchanges += play_table(scene, "greeting")[:1]
    for _ in range(scene.rng.choices((0, 1, 2), (45, 35, 20))[0]):
        exchanges += draw_filler(scene)
    exchanges += category.play(scene)
    for _ in range(scene.rng.choices((0, 1, 2), (40, 40, 20))[0]):
        exchanges += draw_filler(scene)
    if scene.chance(0.2):
        exchanges += play_table(scene, "thanks")[:1]
    if scene.chance(0.15):
        exchanges += play_table(scene, "farewell")[:1]
    return exchanges[:_MAX_EXCHANGES]


def _to_messages(exchanges: list[Exchange], system: str) -> list[dict[str, str]]:
    messages = [{"role": "system", "content": system}] if system else []
    for exchange in exchanges:
        messages.append({"role": "user", "content": exchange.user})
        messages.append({"role": "assistant", "content": exchange.assistant})
    return messages


def draw_conversation(scene: Scene) -> Row:
    """Return one row: its messages and its source."""
    category = draw_category(scene)
    is_closed = category.name in _CLOSED
    if is_closed or scene.chance(_SINGLE_CHANCE):
        exchanges = category.play(scene)
    else:
        exchanges = _join_turns(scene, category)
    if exchanges[-1].short and scene.chance(_FOLLOW_UP_CHANCE):
        exchanges.append(draw_follow_up(scene, exchanges[-1]))
    system = ""
    if scene.chance(_SYSTEM_CHANCE):
        system = add_plain_text(scene)
        if category.name in _PLAIN_ANSWERS and scene.chance(_WISH_CHANCE):
            exchanges = [*category.play(scene), *category.play(scene)][: scene.rng.randint(1, 2)]
            system, exchanges = apply_wish(scene, exchanges)
    return {"messages": _to_messages(exchanges, system), "source": f"generator/{category.name}"}
