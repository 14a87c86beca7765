"""Personas: prepared ways of answering."""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from chat.errors import NotFound
from chat.types import Persona
from storage.models import PersonaRow
from storage.upsert import insert_or_update


def save_persona(session: Session, persona: Persona, now: datetime) -> None:
    values = asdict(persona) | {
        "settings": dict(persona.settings),
        "starters": list(persona.starters),
        "created_at": now,
        "updated_at": now,
    }
    insert_or_update(session, PersonaRow, values)


def list_personas(session: Session) -> list[Persona]:
    query = select(PersonaRow).order_by(PersonaRow.created_at, PersonaRow.id)
    return [
        Persona(
            row.id,
            row.title,
            row.description,
            row.system_prompt,
            dict(row.settings),
            tuple(row.starters),
            row.policy,
            row.is_hidden,
        )
        for row in session.scalars(query)
    ]


def delete_persona(session: Session, persona_id: str) -> None:
    if session.scalar(select(PersonaRow.id).where(PersonaRow.id == persona_id)) is None:
        raise NotFound(f"There is no persona {persona_id[:64]!r}; choose one of the list.")
    session.execute(delete(PersonaRow).where(PersonaRow.id == persona_id))
