"""Personas: those that come with Palaver, the operator's own, and what may be in them."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import InvalidRequest, NotFound
from chat.tokenizer import Tokenizer
from chat.types import GenerationConfig, Persona
from webapp.personas import BUILT_IN, FOLDER, Personas, configure, make_id, render_prompt

ROOT = Path(__file__).parent.parent
POLICIES = ("permissive", "standard", "strict")
TODAY = date(2026, 1, 31)
PIRATE = Persona(
    id="pirate",
    title="Pirate",
    description="Talks like one.",
    system_prompt="You are a pirate on {{ model }}. Today is {{ date }}. Speak {{ language }}.",
    settings={"temperature": 0.9, "max_new_tokens": 100},
    starters=("Ahoy!",),
    policy="strict",
)


class Shelf:
    """Keeps personas, as the store does."""

    def __init__(self, *personas: Persona):
        self.rows = {persona.id: persona for persona in personas}

    def list_personas(self):
        return list(self.rows.values())

    def save_persona(self, persona):
        self.rows[persona.id] = persona

    def delete_persona(self, persona_id):
        del self.rows[persona_id]


def made(*stored: Persona, folder: Path = FOLDER) -> Personas:
    return Personas(Shelf(*stored), POLICIES, folder)


def fill_in(persona: Persona) -> str:
    return render_prompt(persona, model="palaver", language="de", today=TODAY)


async def entry_of(personas: Personas, persona_id: str):
    return next(e for e in await personas.entries() if e.persona.id == persona_id)


async def test_five_come_with_palaver_and_all_can_be_used():
    personas = made()
    found = await personas.list()
    assert tuple(persona.id for persona in found) == BUILT_IN
    assert list(personas.built_in) == found
    for persona in found:
        personas.check(persona)
        assert persona.title and persona.description and persona.starters
        assert "{{" not in fill_in(persona)
        configure(persona, GenerationConfig())


async def test_their_prompts_leave_room_in_a_short_context():
    tokenizer = Tokenizer.load(ROOT / "exported_models" / "palaver" / "tokenizer.json")
    for persona in await made().list():
        assert len(tokenizer.encode(fill_in(persona))) <= 80, persona.id


def test_a_prompt_is_filled_in_with_the_date_the_language_and_the_model():
    assert fill_in(PIRATE) == "You are a pirate on palaver. Today is 2026-01-31. Speak German."


async def test_one_s_own_is_kept_found_and_deleted():
    personas = made()
    assert await personas.save(PIRATE) == PIRATE
    assert await personas.read("pirate") == PIRATE
    assert (await personas.list())[-1] == PIRATE
    await personas.delete("pirate")
    with pytest.raises(NotFound, match="pirate"):
        await personas.read("pirate")


async def test_a_changed_built_in_goes_back_to_what_it_was():
    personas = made()
    tutor = await personas.read("tutor")
    await personas.save(replace(tutor, title="Teacher"))
    assert (await personas.list())[0].title == "Teacher"
    assert (await entry_of(personas, "tutor")).is_changed
    await personas.delete("tutor")
    assert await personas.read("tutor") == tutor
    assert not (await entry_of(personas, "tutor")).is_changed


async def test_a_built_in_can_be_hidden_but_not_deleted():
    personas = made()
    with pytest.raises(InvalidRequest, match="hide it"):
        await personas.delete("coder")
    await personas.save(replace(await personas.read("coder"), is_hidden=True))
    assert "coder" not in [p.id for p in await personas.list()]
    assert "coder" in [p.id for p in await personas.list(include_hidden=True)]
    assert (await personas.read("coder")).is_hidden


async def test_deleting_what_is_not_there_says_so():
    with pytest.raises(NotFound, match="nobody"):
        await made().delete("nobody")


async def test_what_is_saved_is_cleaned():
    untidy = replace(PIRATE, title=" The\n Pirate ", system_prompt=" a\r\nb\x00\ud800 ")
    saved = await made().save(untidy)
    assert saved.title == "The Pirate"
    assert saved.system_prompt == "a\nb\ufffd\ufffd"


@pytest.mark.parametrize(
    "changes, param, allowed",
    [
        ({"id": ""}, "id", "a-z"),
        ({"id": "No Spaces"}, "id", "a-z"),
        ({"id": "x" * 41}, "id", "1 to 40"),
        ({"id": "new\n"}, "id", "a-z"),
        ({"title": ""}, "title", "1 to 60"),
        ({"title": "x" * 61}, "title", "1 to 60"),
        ({"description": "x" * 301}, "description", "0 to 300"),
        ({"system_prompt": "x" * 8_001}, "system_prompt", "8,000"),
        ({"system_prompt": "{{ nobody }}"}, "system_prompt", "date, language, model"),
        ({"system_prompt": "{% for i in range(9) %}x{% endfor %}"}, "system_prompt", "if"),
        ({"system_prompt": "{{"}, "system_prompt", "Jinja"),
        ({"settings": {"colour": 1}}, "settings", "temperature"),
        ({"settings": {"stop": 1}}, "settings", "temperature"),
        ({"settings": {"temperature": 3}}, "temperature", "0 to 2"),
        ({"settings": {"temperature": float("nan")}}, "temperature", "0 to 2"),
        ({"settings": {"temperature": "hot"}}, "temperature", "a number"),
        ({"settings": {"temperature": True}}, "temperature", "a number"),
        ({"settings": {"max_new_tokens": 1.5}}, "max_new_tokens", "whole"),
        ({"settings": {"seed": None}}, "seed", "whole"),
        ({"settings": [1]}, "settings", "table"),
        ({"starters": ("a",) * 7}, "starters", "at most 6"),
        ({"starters": ("",)}, "starters", "1 to 200"),
        ({"starters": ("x" * 201,)}, "starters", "1 to 200"),
        ({"starters": (5,)}, "starters", "text"),
        ({"policy": "none"}, "policy", "permissive, standard, strict"),
    ],
)
async def test_a_wrong_field_is_named_with_what_is_allowed(changes, param, allowed):
    personas = made()
    with pytest.raises(InvalidRequest, match=allowed) as caught:
        personas.check(replace(PIRATE, **changes))
    assert caught.value.param == param
    assert len(str(caught.value)) < 400


async def test_a_persona_that_was_broken_in_the_store_is_listed_for_its_operator_alone():
    broken = [
        replace(PIRATE, id="a", system_prompt="{{ nobody }}"),
        replace(PIRATE, id="b", settings={"temperature": "hot"}),
        replace(PIRATE, id="c", policy="gone"),
        replace(PIRATE, id="d", starters=(None,)),
    ]
    personas = made(*broken)
    assert [p.id for p in await personas.list()] == list(BUILT_IN)
    for persona in broken:
        assert (await entry_of(personas, persona.id)).fault


def test_using_a_broken_persona_says_one_clear_sentence():
    with pytest.raises(InvalidRequest, match="'Pirate' can't answer until") as caught:
        fill_in(replace(PIRATE, system_prompt="{{ nobody }}"))
    assert caught.value.param == "persona"
    with pytest.raises(InvalidRequest, match="'Pirate' can't answer until"):
        configure(replace(PIRATE, settings={"temperature": "hot"}), GenerationConfig())


def test_settings_of_a_persona_change_only_what_they_name():
    config = configure(PIRATE, GenerationConfig(top_k=7))
    assert (config.temperature, config.max_new_tokens, config.top_k) == (0.9, 100, 7)


@pytest.mark.parametrize(
    "text", ["title = ", "colour = 1", "starters = 5", "title = 5", "settings = 5", "\xff"]
)
async def test_a_broken_file_is_listed_as_broken_and_can_be_replaced(tmp_path, text):
    (tmp_path / "tutor.toml").write_bytes(text.encode("latin-1"))
    (tmp_path / "coder.toml").write_bytes((FOLDER / "coder.toml").read_bytes())
    personas = made(folder=tmp_path)
    assert [p.id for p in await personas.list()] == ["coder"]
    assert (await entry_of(personas, "tutor")).fault
    await personas.save(replace(PIRATE, id="tutor"))
    assert not (await entry_of(personas, "tutor")).fault


@given(st.text(max_size=80), st.sets(st.sampled_from(["persona", "a", "a-2", "pirate"])))
def test_a_new_id_is_allowed_and_free(title, taken):
    name = make_id(title, taken)
    assert name not in taken
    made().check(replace(PIRATE, id=name))


def test_a_new_id_reads_like_its_title():
    assert make_id("Café Société!", ()) == "cafe-societe"
    assert make_id("海盗", ()) == "persona"
    assert make_id("Pirate", {"pirate", "pirate-2"}) == "pirate-3"
