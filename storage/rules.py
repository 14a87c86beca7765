"""The operator's rules for the moderator `rules`."""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from chat.errors import NotFound
from chat.review import OperatorRule
from storage.models import RuleRow
from storage.upsert import insert_or_update


def save_rule(session: Session, rule: OperatorRule, author_id: str, now: datetime) -> None:
    values = asdict(rule) | {
        "stages": list(rule.stages),
        "patterns": list(rule.patterns),
        "unless": list(rule.unless),
        "created_at": now,
        "updated_at": now,
        "created_by": author_id,
        "updated_by": author_id,
    }
    insert_or_update(session, RuleRow, values, keep=("created_at", "created_by"))


def list_rules(session: Session) -> list[OperatorRule]:
    query = select(RuleRow).order_by(RuleRow.created_at, RuleRow.id)
    return [_to_rule(row) for row in session.scalars(query)]


def delete_rule(session: Session, rule_id: str) -> None:
    if session.scalar(select(RuleRow.id).where(RuleRow.id == rule_id)) is None:
        raise NotFound(f"There is no rule {rule_id[:64]!r}; choose one of the list.")
    session.execute(delete(RuleRow).where(RuleRow.id == rule_id))


def _to_rule(row: RuleRow) -> OperatorRule:
    return OperatorRule(
        row.id,
        row.name,
        row.category,
        row.score,
        tuple(row.stages),
        tuple(row.patterns),
        tuple(row.unless),
        row.language,
        row.is_active,
        row.created_at,
        row.updated_at,
        row.created_by,
        row.updated_by,
    )
