"""Writes that don't mind whether the row is there already."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.models import Base

# Both databases know ON CONFLICT; SQLAlchemy spells it once for each.
_Insert = postgresql.Insert | sqlite.Insert


def insert_if_missing(session: Session, table: type[Base], values: Mapping[str, Any]) -> None:
    """Insert a row unless its key is taken; waits for another who is inserting the same."""
    session.execute(_insert(session, table).values(**values).on_conflict_do_nothing())


def insert_or_update(
    session: Session,
    table: type[Base],
    values: Mapping[str, Any],
    *,
    keep: Collection[str] = ("created_at",),
) -> None:
    """Insert a row, or replace all of the one with its key but the columns in `keep`."""
    key = [column.name for column in table.__table__.primary_key]
    changes = {name: value for name, value in values.items() if name not in {*key, *keep}}
    statement = _insert(session, table).values(**values)
    session.execute(statement.on_conflict_do_update(index_elements=key, set_=changes))


def insert_or_add(
    session: Session, table: type[Base], values: Mapping[str, Any], *, column: str
) -> None:
    """Insert a row, or add to the number in `column` of the one with its key, in one step."""
    key = [part.name for part in table.__table__.primary_key]
    statement = _insert(session, table).values(**values)
    total = table.__table__.c[column] + statement.excluded[column]
    session.execute(statement.on_conflict_do_update(index_elements=key, set_={column: total}))


def _insert(session: Session, table: type[Base]) -> _Insert:
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    return postgresql.insert(table) if is_postgresql else sqlite.insert(table)
