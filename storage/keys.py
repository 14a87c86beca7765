"""API keys, known by their digests alone."""

from datetime import datetime

from sqlalchemy import insert, or_, select
from sqlalchemy.orm import Session

from chat.errors import InvalidRequest, NotFound
from storage.models import ApiKeyRow
from storage.records import ApiKey


def record_api_key(session: Session, key: ApiKey, now: datetime) -> None:
    is_taken = or_(ApiKeyRow.id == key.id, ApiKeyRow.sha256 == key.sha256)
    if session.scalar(select(ApiKeyRow.id).where(is_taken)) is not None:
        raise InvalidRequest(
            f"The API key {key.id[:64]!r}, or another one with its digest, is there already; "
            "make a new one.",
            param="id",
        )
    values = {
        "id": key.id,
        "name": key.name,
        "sha256": key.sha256,
        "created_at": key.created_at or now,
        "revoked_at": key.revoked_at,
    }
    session.execute(insert(ApiKeyRow).values(**values))


def find_api_key(session: Session, sha256: str) -> ApiKey | None:
    query = select(ApiKeyRow).where(ApiKeyRow.sha256 == sha256, ApiKeyRow.revoked_at.is_(None))
    row = session.scalar(query)
    return None if row is None else _to_api_key(row)


def list_api_keys(session: Session) -> list[ApiKey]:
    query = select(ApiKeyRow).order_by(ApiKeyRow.created_at, ApiKeyRow.id)
    return [_to_api_key(row) for row in session.scalars(query)]


def revoke_api_key(session: Session, key_id: str, now: datetime) -> None:
    row = session.scalar(select(ApiKeyRow).where(ApiKeyRow.id == key_id).with_for_update())
    if row is None:
        raise NotFound(f"There is no API key {key_id[:64]!r}; choose one of the list.")
    row.revoked_at = row.revoked_at or now


def _to_api_key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(row.id, row.name, row.sha256, row.created_at, row.revoked_at)
