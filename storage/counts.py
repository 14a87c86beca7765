"""Counts per day, which tell an operator how much is going on, and nothing of who."""

from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.models import CountRow
from storage.records import Count
from storage.upsert import insert_or_add


def add_count(session: Session, day: date, kind: str, amount: int) -> None:
    values = {"day": day, "kind": kind, "amount": amount}
    insert_or_add(session, CountRow, values, column="amount")


def read_counts(session: Session) -> list[Count]:
    query = select(CountRow).order_by(CountRow.day, CountRow.kind)
    return [Count(row.day, row.kind, row.amount) for row in session.scalars(query)]
