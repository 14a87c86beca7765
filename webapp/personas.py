"""Personas: prepared ways of answering, those that come with Palaver and the operator's own."""

import asyncio
import itertools
import re
import tomllib
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from chat.errors import InvalidRequest, NotFound
from chat.template import PromptTemplate
from chat.text import clean_text
from chat.types import GenerationConfig, Persona

# In the order in which they are offered.
BUILT_IN = ("tutor", "coder", "storyteller", "support", "translator")
FOLDER = Path(__file__).parent / "prepared"
VARIABLES = ("date", "language", "model")
LANGUAGES = {"en": "English", "de": "German", "fr": "French", "es": "Spanish", "zh": "Chinese"}
SETTINGS = tuple(field.name for field in fields(GenerationConfig) if field.name != "stop")

LONGEST_TITLE = 60
LONGEST_DESCRIPTION = 300
LONGEST_PROMPT = 8_000
MOST_STARTERS = 6
LONGEST_STARTER = 200

_ID = re.compile(r"[a-z0-9-]{1,40}")
_WHOLE = frozenset(("max_new_tokens", "top_k", "seed"))


class PersonaStore(Protocol):
    """Where the operator's own personas are kept, and changed ones of Palaver's."""

    def list_personas(self) -> Sequence[Persona]:
        """Return all of them."""

    def save_persona(self, persona: Persona) -> None:
        """Keep `persona` in place of any with its id."""

    def delete_persona(self, persona_id: str) -> None:
        """Forget a persona."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A persona as its administrator sees it; ``fault`` says why it can't be used, if it can't."""

    persona: Persona
    is_built_in: bool
    is_changed: bool
    fault: str = ""


class Personas:
    """The personas of this place; a stored one stands in for the built-in of the same id."""

    def __init__(self, store: PersonaStore, policies: Collection[str], folder: Path = FOLDER):
        self._store = store
        self._policies = tuple(policies)
        self._built_in, self._unreadable = _read_folder(folder)

    @property
    def built_in(self) -> Sequence[Persona]:
        """The personas that come with Palaver, unchanged."""
        return [p for key, p in self._built_in.items() if key not in self._unreadable]

    @property
    def policies(self) -> Sequence[str]:
        """The names of the policies that a persona may name."""
        return self._policies

    async def list(self, *, include_hidden: bool = False) -> list[Persona]:
        """Return the personas to choose from; hidden and broken ones only on demand."""
        return [
            entry.persona
            for entry in await self.entries()
            if include_hidden or not (entry.persona.is_hidden or entry.fault)
        ]

    async def entries(self) -> Sequence[Entry]:
        """Return all personas with what an administrator wants to know of each."""
        stored = await self._stored()
        own = sorted(stored.keys() - self._built_in.keys(), key=lambda i: (stored[i].title, i))
        return [
            self._entry(stored.get(key) or self._built_in[key], is_stored=key in stored)
            for key in (*self._built_in, *own)
        ]

    async def read(self, persona_id: str) -> Persona:
        """Return one persona, hidden or not.

        Raises:
            NotFound: there is no such persona.
        """
        persona = (await self._stored()).get(persona_id) or self._built_in.get(persona_id)
        if persona is None:
            raise NotFound(
                f"There is no persona {persona_id[:64]!r}; choose another.", param="persona"
            )
        return persona

    async def save(self, persona: Persona) -> Persona:
        """Keep a new or changed persona; return it as it was kept.

        Raises:
            InvalidRequest: it isn't as it should be; see `check`.
            StorageError: it can't be written.
        """
        persona = _clean(persona)
        self.check(persona)
        await asyncio.to_thread(self._store.save_persona, persona)
        return persona

    async def delete(self, persona_id: str) -> None:
        """Delete a persona of the operator's own, or put a changed built-in back as it was.

        Raises:
            InvalidRequest: it is a built-in that nobody changed.
            NotFound: there is no such persona.
        """
        if persona_id in await self._stored():
            await asyncio.to_thread(self._store.delete_persona, persona_id)
        elif persona_id in self._built_in:
            raise InvalidRequest(
                f"The persona {persona_id!r} comes with Palaver and can't be deleted; hide it.",
                param="id",
            )
        else:
            await self.read(persona_id)

    def check(self, persona: Persona) -> None:
        """Make sure that a persona is complete and can be used.

        Raises:
            InvalidRequest: it isn't; the message and ``param`` name the field at fault.
        """
        if not _ID.fullmatch(persona.id):
            raise _wrong("id", persona.id, "1 to 40 small letters a-z, digits and hyphens")
        _check_length("title", persona.title, 1, LONGEST_TITLE)
        _check_length("description", persona.description, 0, LONGEST_DESCRIPTION)
        _check_length("system_prompt", persona.system_prompt, 0, LONGEST_PROMPT)
        _fill_in(persona.system_prompt, model="palaver", language="English", today="2026-01-31")
        _check_settings(persona.settings)
        if len(persona.starters) > MOST_STARTERS:
            raise _wrong("starters", len(persona.starters), f"at most {MOST_STARTERS}")
        for starter in persona.starters:
            _check_length("starters", starter, 1, LONGEST_STARTER)
        if persona.policy and persona.policy not in self._policies:
            raise _wrong("policy", persona.policy, ", ".join((*self._policies, "or none")))

    def _entry(self, persona: Persona, *, is_stored: bool) -> Entry:
        fault = "" if is_stored else self._unreadable.get(persona.id, "")
        try:
            self.check(persona)
        except InvalidRequest as error:
            fault = fault or str(error)
        is_built_in = persona.id in self._built_in
        return Entry(persona, is_built_in, is_built_in and is_stored, fault)

    async def _stored(self) -> Mapping[str, Persona]:
        found = await asyncio.to_thread(self._store.list_personas)
        return {persona.id: persona for persona in found}


def render_prompt(persona: Persona, *, model: str, language: str, today: date) -> str:
    """Return the persona's system prompt, filled in.

    `language` is a code such as "de" or a name; the prompt gets its English name.

    Raises:
        InvalidRequest: the prompt is broken, as one can be that wasn't saved through `Personas`.
    """
    name = LANGUAGES.get(language, language)
    try:
        return _fill_in(persona.system_prompt, model=model, language=name, today=today.isoformat())
    except InvalidRequest as error:
        raise _unusable(persona, error) from error


def configure(persona: Persona, config: GenerationConfig) -> GenerationConfig:
    """Return `config` with the persona's settings in it.

    Raises:
        InvalidRequest: a setting is broken, as one can be that wasn't saved through `Personas`.
    """
    try:
        _check_settings(persona.settings)
        changes: dict[str, Any] = dict(persona.settings)
        return replace(config, **changes)
    except InvalidRequest as error:
        raise _unusable(persona, error) from error


def _fill_in(source: str, *, model: str, language: str, today: str) -> str:
    if not source:
        return ""
    template = PromptTemplate(source, VARIABLES)
    return template.render(model=model, language=language, date=today)


def _unusable(persona: Persona, error: InvalidRequest) -> InvalidRequest:
    return InvalidRequest(
        f"The persona {persona.title[:60]!r} can't answer until its operator mends it; choose "
        f"another. {error}",
        param="persona",
    )


def _check_settings(settings: Mapping[str, float]) -> None:
    if not isinstance(settings, Mapping):
        raise _wrong("settings", settings, "a table")
    for name, value in settings.items():
        if name not in SETTINGS:
            raise _wrong("settings", name, ", ".join(SETTINGS))
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or (name in _WHOLE and not isinstance(value, int)):
            kind = "a whole number" if name in _WHOLE else "a number"
            raise _wrong(name, value, kind)
    values: dict[str, Any] = dict(settings)
    GenerationConfig(**values)


def _check_length(name: str, text: object, low: int, high: int) -> None:
    if not isinstance(text, str):
        raise _wrong(name, text, "text")
    if not low <= len(text) <= high:
        raise _wrong(name, f"{len(text):,} characters", f"{low} to {high:,}")


def make_id(title: str, taken: Collection[str]) -> str:
    """Return an id for a new persona: its title in small letters, with a number if need be."""
    ascii_title = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    stem = re.sub(r"[^a-z0-9]+", "-", ascii_title.lower()).strip("-")[:32] or "persona"
    numbers = itertools.count(2)
    name = stem
    while name in taken:
        name = f"{stem}-{next(numbers)}"
    return name


def _wrong(name: str, value: object, allowed: str) -> InvalidRequest:
    shown = value if isinstance(value, float) else str(value)[:60]
    return InvalidRequest(f"{name} is {shown!r}; allowed is {allowed}.", param=name)


def _clean(persona: Persona) -> Persona:
    return replace(
        persona,
        title=" ".join(clean_text(persona.title).split()),
        description=clean_text(persona.description).strip(),
        system_prompt=clean_text(persona.system_prompt).strip(),
        starters=tuple(clean_text(starter).strip() for starter in persona.starters),
    )


def _read_folder(folder: Path) -> tuple[dict[str, Persona], dict[str, str]]:
    """Return the personas of TOML files, one each, and what is wrong with those that are broken."""
    paths = {path.stem: path for path in sorted(folder.glob("*.toml"))}
    order = (*(name for name in BUILT_IN if name in paths), *(paths.keys() - set(BUILT_IN)))
    personas: dict[str, Persona] = {}
    faults: dict[str, str] = {}
    for name in order:
        personas[name] = Persona(id=name, title=name.title())
        try:
            personas[name] = _read_file(paths[name])
        except (OSError, ValueError, TypeError, AttributeError) as error:
            faults[name] = f"The file {paths[name].name} can't be read: {error}."
    return personas, faults


def _read_file(path: Path) -> Persona:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    table["starters"] = tuple(table.get("starters", ()))
    return _clean(Persona(id=path.stem, **table))
