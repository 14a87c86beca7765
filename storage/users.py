"""Who is there, and what they have agreed to."""

from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from storage.models import ConsentRow, UserRow
from storage.records import Consent
from storage.upsert import insert_if_missing


def ensure_user(session: Session, user_id: str, now: datetime) -> None:
    insert_if_missing(session, UserRow, {"id": user_id, "created_at": now})


def set_consent(
    session: Session, user_id: str, purpose: str, granted: bool, version: str, now: datetime
) -> None:
    ensure_user(session, user_id, now)
    row = {"user_id": user_id, "purpose": purpose, "granted": granted, "version": version}
    session.execute(insert(ConsentRow).values(**row, created_at=now))


def read_consents(session: Session, user_id: str) -> list[Consent]:
    """Return every yes and no of a user, the oldest first."""
    query = select(ConsentRow).where(ConsentRow.user_id == user_id).order_by(ConsentRow.id)
    return [
        Consent(row.purpose, row.granted, row.version, row.created_at)
        for row in session.scalars(query)
    ]
