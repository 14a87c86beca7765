"""Rows as records for JSON, and back, checked against the tables of this version."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import JSON, BigInteger, Boolean, Column, Date, Double, Integer, Table

from chat.errors import SetupError
from storage.columns import CleanText, Identifier, UtcDateTime
from storage.models import Base, ChangeRow, CopiedFileRow

# Notes of changes and of what was copied are about this very file.
_LOCAL = {ChangeRow.__tablename__, CopiedFileRow.__tablename__}

_KINDS: tuple[tuple[tuple[type, ...], tuple[type, ...]], ...] = (
    ((Identifier, CleanText, UtcDateTime, Date), (str,)),
    ((Boolean,), (bool,)),
    ((Integer, BigInteger), (int,)),
    ((Double,), (int, float)),
    ((JSON,), (dict, list)),
)


def list_tables() -> list[Table]:
    """Return the tables that travel, each after those that it refers to."""
    return [table for table in Base.metadata.sorted_tables if table.name not in _LOCAL]


def find_table(name: object) -> Table:
    """Return a table that travels, or raise SetupError."""
    table = Base.metadata.tables.get(str(name))
    if table is None or table.name in _LOCAL:
        raise SetupError(
            f"A change is to a table {str(name)[:64]!r}, which this Palaver doesn't have; "
            "update the program."
        )
    return table


def name_key(table: Table) -> list[str]:
    """Return the names of the columns of the primary key."""
    return [column.name for column in table.primary_key]


def encode(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the values as JSON can have them: times as ISO 8601."""
    return {
        name: value.isoformat() if isinstance(value, dt.date) else value
        for name, value in values.items()
    }


def decode_row(table: Table, values: object) -> dict[str, Any]:
    """Return the values for an insert; columns with a default may be left out.

    Raises:
        SetupError: a column is unknown or missing, or a value isn't of its kind.
    """
    found = _decode(table, values)
    for column in table.columns:
        is_optional = column.nullable or column.server_default is not None
        if column.name not in found and not is_optional:
            raise SetupError(
                f"A change to {table.name} lacks the column {column.name!r}; "
                "the record is damaged, use another backup."
            )
    return found


def decode_key(table: Table, values: object) -> dict[str, Any]:
    """Return the values of the whole primary key, or raise SetupError."""
    found = _decode(table, values)
    if set(found) != set(name_key(table)):
        raise SetupError(
            f"A change to {table.name} names {', '.join(sorted(found))[:200] or 'nothing'}; "
            f"its key is {', '.join(name_key(table))}."
        )
    return found


def _decode(table: Table, values: object) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise SetupError(f"A change to {table.name} has no columns; the record is damaged.")
    unknown = [str(name) for name in values if name not in table.columns]
    if unknown:
        raise SetupError(
            f"A change to {table.name} has a column {unknown[0][:64]!r}, which this Palaver "
            "doesn't have; update the program."
        )
    return {name: _decode_value(table.columns[name], value) for name, value in values.items()}


def _decode_value(column: Column[Any], value: object) -> object:
    if value is None and column.nullable:
        return None
    allowed = next(kinds for types, kinds in _KINDS if isinstance(column.type, types))
    # A bool is an int to Python, but not to the database.
    is_allowed = isinstance(value, allowed) and (bool in allowed or not isinstance(value, bool))
    try:
        if not is_allowed:
            raise ValueError
        if isinstance(column.type, UtcDateTime):
            return _read_time(cast(str, value))
        return dt.date.fromisoformat(cast(str, value)) if isinstance(column.type, Date) else value
    except ValueError:
        raise SetupError(
            f"A change to {column.table.name} has a {column.name!r} of another kind; "
            "the record is damaged, use another backup."
        ) from None


def _read_time(value: str) -> dt.datetime:
    at = dt.datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError
    return at
