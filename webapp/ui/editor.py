"""What happens on the administrator's page, where personas are made and changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import parse_qs, quote

import gradio as gr

from chat.errors import InvalidRequest, PalaverError
from chat.text import clean_text
from chat.types import Persona
from webapp.personas import Entry, Personas, make_id, render_prompt
from webapp.ui.admission import alert, is_admin, refusal, words_of
from webapp.ui.language import Words

# The address says which persona the form shows, as with chats: "?id=tutor", or nothing for a new
# one. A radio button would remember its choices per session, and refuse them after a restart.
NEW = "?"
Updates = dict[Any, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """The components of the page."""

    # Everything that only an administrator sees.
    desk: gr.Row
    refusal: gr.HTML
    entries: gr.HTML
    address: gr.Textbox
    heading: gr.HTML
    title: gr.Textbox
    description: gr.Textbox
    system_prompt: gr.Textbox
    preview: gr.HTML
    temperature: gr.Number
    top_p: gr.Number
    max_new_tokens: gr.Number
    starters: gr.Textbox
    policy: gr.Radio
    is_hidden: gr.Checkbox
    note: gr.HTML
    save: gr.Button
    remove: gr.Button
    asking: gr.Column
    question: gr.HTML
    agree: gr.Button
    keep: gr.Button

    @property
    def fields(self) -> list[Any]:
        """What is written, in the order that `Editor.save` takes it."""
        return [
            self.title,
            self.description,
            self.system_prompt,
            self.temperature,
            self.top_p,
            self.max_new_tokens,
            self.starters,
            self.policy,
            self.is_hidden,
        ]

    @property
    def shown(self) -> list[Any]:
        """What changes when another persona is shown."""
        return [
            self.desk,
            self.refusal,
            self.entries,
            self.address,
            self.heading,
            self.preview,
            self.note,
            self.remove,
            self.asking,
            self.question,
            *self.fields,
        ]


class Editor:
    """The handlers. Each checks for itself who is asking: a client can call any of them."""

    def __init__(self, personas: Personas, form: Form):
        self._personas = personas
        self._form = form

    async def open(self, query: str, request: gr.Request) -> Updates:
        """Show the list, and the persona that the address names."""
        words = words_of(request)
        if not is_admin(request):
            return self._refuse(words)
        try:
            return await self._show(_read_id(query), words)
        except PalaverError as error:
            return {self._form.desk: gr.Row(visible=False), self._form.refusal: alert(str(error))}

    async def preview(self, system_prompt: str, request: gr.Request) -> Any:
        """Show the prompt as the model would get it."""
        words = words_of(request)
        if not is_admin(request):
            return refusal(words)
        return _preview(Persona(id="", title="", system_prompt=system_prompt or ""), words)

    async def save(self, query: str, request: gr.Request, *fields: Any) -> Updates:
        """Keep what was written; a new persona gets an id made of its title."""
        words = words_of(request)
        if not is_admin(request):
            return self._refuse(words)
        try:
            entries = {entry.persona.id: entry for entry in await self._personas.entries()}
            persona_id = _read_id(query)
            persona = _persona_of(persona_id, fields, entries)
            await self._personas.save(persona)
            updates = await self._show(persona.id, words)
        except PalaverError as error:
            return {self._form.note: alert(_named(error, words))}
        note = f'<p role="status">{escape(words("admin_saved"))}</p>'
        return {**updates, self._form.note: note}

    async def ask_to_remove(self, query: str, request: gr.Request) -> Updates:
        """Ask whether the persona should really go."""
        words = words_of(request)
        if not is_admin(request):
            return {self._form.note: refusal(words)}
        try:
            entry = await self._entry(_read_id(query))
        except PalaverError as error:
            return {self._form.note: alert(str(error))}
        key = "admin_ask_reset" if entry.is_built_in else "admin_ask_delete"
        question = escape(words(key, title=entry.persona.title))
        return {
            self._form.asking: gr.Column(visible=True),
            self._form.question: f'<p role="alert" dir="auto">{question}</p>',
            self._form.note: "",
        }

    async def remove(self, query: str, request: gr.Request) -> Updates:
        """Delete a persona, or put a built-in one back as it was."""
        words = words_of(request)
        if not is_admin(request):
            return self._refuse(words)
        try:
            persona_id = _read_id(query)
            entry = await self._entry(persona_id)
            await self._personas.delete(persona_id)
            updates = await self._show(persona_id if entry.is_built_in else "", words)
        except PalaverError as error:
            return {self._form.note: alert(_named(error, words))}
        key = "admin_reset_done" if entry.is_built_in else "admin_deleted"
        return {**updates, self._form.note: f'<p role="status">{escape(words(key))}</p>'}

    async def _entry(self, persona_id: str) -> Entry:
        await self._personas.read(persona_id)
        return next(e for e in await self._personas.entries() if e.persona.id == persona_id)

    def _refuse(self, words: Words) -> Updates:
        return {self._form.desk: gr.Row(visible=False), self._form.refusal: refusal(words)}

    async def _show(self, persona_id: str, words: Words) -> Updates:
        """Return the whole page as it is when this persona is in the form."""
        entries = await self._personas.entries()
        entry = next((e for e in entries if e.persona.id == persona_id), None)
        persona = entry.persona if entry else Persona(id="", title="")
        form = self._form
        return {
            form.desk: gr.Row(visible=True),
            form.refusal: "",
            form.entries: _list(entries, persona.id, words),
            form.address: f"?id={quote(persona.id, safe='')}" if entry else NEW,
            form.heading: _heading(entry, words),
            form.preview: _preview(persona, words),
            form.note: alert(entry.fault) if entry and entry.fault else "",
            form.remove: _remove_button(entry, words),
            form.asking: gr.Column(visible=False),
            form.question: "",
            **self._filled(persona),
        }

    def _filled(self, persona: Persona) -> Updates:
        form = self._form
        known = ("", *self._personas.policies)
        return {
            form.title: persona.title,
            form.description: persona.description,
            form.system_prompt: persona.system_prompt,
            form.temperature: persona.settings.get("temperature"),
            form.top_p: persona.settings.get("top_p"),
            form.max_new_tokens: persona.settings.get("max_new_tokens"),
            form.starters: "\n".join(map(str, persona.starters)),
            form.policy: persona.policy if persona.policy in known else "",
            form.is_hidden: persona.is_hidden,
        }


def _persona_of(persona_id: str, fields: Sequence[Any], entries: Mapping[str, Entry]) -> Persona:
    """Return the persona as the form has it; settings that the form doesn't show stay."""
    title, description, prompt, temperature, top_p, max_new_tokens, starters, policy, hidden = (
        fields
    )
    earlier = entries.get(persona_id)
    numbers = {"temperature": temperature, "top_p": top_p, "max_new_tokens": max_new_tokens}
    others = earlier.persona.settings if earlier else {}
    settings = {name: value for name, value in others.items() if name not in numbers}
    settings |= {name: _whole(value) for name, value in numbers.items() if value is not None}
    return Persona(
        id=persona_id if earlier else make_id(title or "", entries),
        title=title or "",
        description=description or "",
        system_prompt=prompt or "",
        settings=settings,
        starters=tuple(line for line in (starters or "").splitlines() if line.strip()),
        policy=policy or "",
        is_hidden=bool(hidden),
    )


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value


def _read_id(query: str) -> str:
    return clean_text(parse_qs((query or "").lstrip("?")).get("id", [""])[0])


def _named(error: PalaverError, words: Words) -> str:
    """Return what is wrong, led by the name that the field has on the page."""
    param = getattr(error, "param", None) if isinstance(error, InvalidRequest) else None
    keys = {
        "id": "title",
        "description": "admin_description",
        "system_prompt": "admin_prompt",
        "starters": "admin_starters",
        "policy": "admin_policy",
    }
    key = keys.get(param or "", param or "")
    return f"{words(key)}: {error}" if key in words.texts else str(error)


def _heading(entry: Entry | None, words: Words) -> str:
    name = entry.persona.title if entry else words("admin_new")
    return f'<h2 dir="auto">{escape(name)}</h2>'


def _remove_button(entry: Entry | None, words: Words) -> Any:
    is_shown = entry is not None and (entry.is_changed or not entry.is_built_in)
    key = "admin_reset" if entry and entry.is_built_in else "delete"
    return gr.Button(words(key), visible=is_shown)


def _preview(persona: Persona, words: Words) -> str:
    today = datetime.now(UTC).date()
    try:
        prompt = render_prompt(persona, model="palaver", language=words.code, today=today)
    except InvalidRequest as error:
        return alert(str(error.__cause__ or error))
    count = words("admin_preview", count=f"{len(prompt):,}")
    return (
        f'<div class="preview" role="status"><span>{escape(count)}</span>'
        f'<p dir="auto">{escape(prompt)}</p></div>'
    )


def _list(entries: Sequence[Entry], current: str, words: Words) -> str:
    """Return the personas as links, and one for a new persona."""
    rows = "".join(_row(entry, words, is_current=entry.persona.id == current) for entry in entries)
    mark = "" if current else ' aria-current="page"'
    return (
        f"<h1>{escape(words('personas'))}</h1>"
        f'<a class="back" href="./">{escape(words("admin_back"))}</a>'
        f'<nav aria-label="{escape(words("personas"), quote=True)}"><ul class="chats">{rows}'
        f'<li><a href="personas"{mark}>+ {escape(words("admin_new"))}</a></li></ul></nav>'
    )


def _row(entry: Entry, words: Words, *, is_current: bool) -> str:
    signs = [
        words(key)
        for key, holds in (
            ("admin_is_broken", bool(entry.fault)),
            ("admin_is_changed", entry.is_changed),
            ("admin_is_hidden", entry.persona.is_hidden),
        )
        if holds
    ]
    sign = f" <small>({escape(', '.join(signs))})</small>" if signs else ""
    mark = ' aria-current="page"' if is_current else ""
    target = quote(entry.persona.id, safe="")
    title = escape(entry.persona.title)
    return f'<li><a href="personas?id={target}" dir="auto"{mark}>{title}{sign}</a></li>'
