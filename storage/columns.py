"""Column types that keep what is stored the same on every database."""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, String, Text
from sqlalchemy.types import TypeDecorator

from chat.errors import InvalidRequest
from chat.text import clean_text

# PostgreSQL cannot index much longer strings, and no id of ours is.
MAX_ID_LENGTH = 200


class Identifier(TypeDecorator[str]):
    """An id made elsewhere: short, and never with characters that cannot be stored."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if not 0 < len(value) <= MAX_ID_LENGTH:
            raise InvalidRequest(
                f"An id has {len(value)} characters; allowed are 1 to {MAX_ID_LENGTH}."
            )
        return clean_text(value)


class CleanText(TypeDecorator[str]):
    """Text of people and models. The edge has cleaned it already; here nothing dirty passes."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else clean_text(value)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, kept and given back in UTC (SQLite itself knows no time zones)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise InvalidRequest(f"The time {value} has no time zone; send one, such as +00:00.")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def dump_json(value: Any) -> str:
    """Return `value` as JSON without lone surrogates; NaN is refused, as PostgreSQL does."""
    try:
        return clean_text(json.dumps(value, ensure_ascii=False, allow_nan=False))
    except ValueError:
        raise InvalidRequest(
            "A number that isn't finite cannot be stored; send finite numbers."
        ) from None
