"""Changes of rows, noted by triggers, so that a copy elsewhere can follow (SQLite alone).

A note says which row changed, not what is in it: what is read is the row as it is by then. So
reading or applying something twice does no harm.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Table,
    and_,
    bindparam,
    delete,
    func,
    literal,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.orm import Session, aliased

from chat.errors import InvalidRequest
from storage.codec import decode_key, decode_row, encode, find_table, list_tables, name_key
from storage.columns import dump_json
from storage.models import ChangeRow, CountRow, MessageRow
from storage.records import Changes, Record

# The name of a table and the values of its primary key, as JSON has them.
_Key = tuple[str, tuple[Any, ...]]
_CHUNK = 500

# Temporary triggers are seen by the connection that made them alone, which is the writer's. They
# fire for cascades as well. An update that changes a key is a deletion and a new row.
_TRIGGERS = (
    "CREATE TEMP TRIGGER IF NOT EXISTS note_insert_{table} AFTER INSERT ON main.{table} BEGIN "
    "INSERT INTO changes (table_name, row_key, is_deleted) VALUES ('{table}', {new}, 0); END",
    "CREATE TEMP TRIGGER IF NOT EXISTS note_update_{table} AFTER UPDATE ON main.{table} BEGIN "
    "INSERT INTO changes (table_name, row_key, is_deleted) "
    "SELECT '{table}', {old}, 1 WHERE {old} <> {new}; "
    "INSERT INTO changes (table_name, row_key, is_deleted) VALUES ('{table}', {new}, 0); END",
    "CREATE TEMP TRIGGER IF NOT EXISTS note_delete_{table} AFTER DELETE ON main.{table} BEGIN "
    "INSERT INTO changes (table_name, row_key, is_deleted) VALUES ('{table}', {old}, 1); END",
)


def track_changes(session: Session) -> None:
    """Note what is written from now on through the connection of this session."""
    for table in list_tables():
        new, old = (_write_key(table, side) for side in ("NEW", "OLD"))
        for trigger in _TRIGGERS:
            session.execute(text(trigger.format(table=table.name, new=new, old=old)))


def _write_key(table: Table, side: str) -> str:
    pairs = (f"'{name}', {side}.\"{name}\"" for name in name_key(table))
    return f"json_object({', '.join(pairs)})"


def read_changes(session: Session, limit: int) -> Changes:
    if limit < 1:
        raise InvalidRequest(f"limit is {limit}; allowed is 1 or more.", param="limit")
    notes = session.scalars(select(ChangeRow).order_by(ChangeRow.seq).limit(limit)).all()
    if not notes:
        return Changes(0, ())
    last = notes[-1].seq
    latest = {_key_of(note): note.is_deleted for note in notes}
    found = _read_rows(session, latest)
    # A row that is gone, but whose deletion is a later note, is told of then: until then, what
    # moved away from it may not have been told.
    later = _find_later(session, last, {key for key in latest if key not in found})
    gone = [key for key in latest if key not in found and (latest[key] or key not in later)]
    _add_parents(session, found, last)
    if not found and not gone:
        return read_changes(session, 2 * limit)
    return Changes(last, (*_in_order(found), *(_deletion(key) for key in gone)))


def _find_later(session: Session, last: int, keys: Collection[_Key]) -> set[_Key]:
    """Return those of the keys that are noted after `last`, by one look at each table's notes."""
    found: set[_Key] = set()
    for name in {name for name, _ in keys}:
        values = dump_json([key[0] for table, key in keys if table == name])
        is_wanted = func.json_extract(ChangeRow.row_key, f"$.{name_key(find_table(name))[0]}").in_(
            select(func.json_each(values).table_valued("value").c.value)
        )
        query = select(ChangeRow.table_name, ChangeRow.row_key).where(
            ChangeRow.seq > last, ChangeRow.table_name == name, is_wanted
        )
        found |= {(table, tuple(key.values())) for table, key in session.execute(query)}
    return found & set(keys)


def forget_changes(session: Session, last: int) -> None:
    session.execute(delete(ChangeRow).where(ChangeRow.seq <= last))


def _key_of(note: ChangeRow) -> _Key:
    return note.table_name, tuple(note.row_key.values())


def _read_rows(session: Session, keys: Collection[_Key]) -> dict[_Key, Record]:
    """Return the rows as they are now, in the order of `keys`; those that are gone left out."""
    wanted: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for name, key in keys:
        wanted[name].append(key)
    found: dict[_Key, Record] = {}
    for name, values in wanted.items():
        table = find_table(name)
        columns = [table.columns[part] for part in name_key(table)]
        for start in range(0, len(values), _CHUNK):
            decoded = [_decode_values(table, key) for key in values[start : start + _CHUNK]]
            rows = session.execute(select(table).where(tuple_(*columns).in_(decoded)))
            for row in rows.mappings():
                values_now = encode(row)
                key = tuple(values_now[part] for part in name_key(table))
                found[name, key] = {"table": name, "row": values_now}
    return {key: found[key] for key in keys if key in found}


def _decode_values(table: Table, key: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(decode_key(table, dict(zip(name_key(table), key, strict=True))).values())


def _add_parents(session: Session, found: dict[_Key, Record], last: int) -> None:
    """Add what the rows refer to where its own note is a later one.

    Otherwise the foreign keys would not hold until that one is applied too.
    """
    missing = found
    while missing:
        named = {key for record in missing.values() for key in _name_parents(record)}
        missing = _read_rows(session, _find_later(session, last, named - set(found)))
        found.update(missing)


def _name_parents(record: Record) -> Iterator[_Key]:
    table, row = find_table(record["table"]), record["row"]
    for constraint in table.foreign_key_constraints:
        parent = constraint.referred_table
        values = {link.column.name: row[link.parent.name] for link in constraint.elements}
        yield parent.name, tuple(values.get(name) for name in name_key(parent))


def _in_order(found: dict[_Key, Record]) -> list[Record]:
    places = {table.name: place for place, table in enumerate(list_tables())}
    return sorted(found.values(), key=lambda record: places[record["table"]])


def _deletion(key: _Key) -> Record:
    name, values = key
    names = name_key(find_table(name))
    return {"table": name, "key": dict(zip(names, values, strict=True)), "deleted": True}


def apply_changes(session: Session, records: Iterable[Mapping[str, Any]]) -> None:
    """Write rows and deletions, in whatever order they come, and note none of it."""
    session.execute(text("PRAGMA defer_foreign_keys = ON"))
    last = session.scalar(select(func.coalesce(func.max(ChangeRow.seq), 0)))
    rows: dict[_Key, dict[str, Any]] = {}
    gone: dict[_Key, dict[str, Any]] = {}
    for record in records:
        table, key, row = _read_record(record)
        rows.pop((table.name, tuple(key.values())), None)
        gone.pop((table.name, tuple(key.values())), None)
        (gone if row is None else rows)[table.name, tuple(key.values())] = row or key
    _write_rows(session, rows)
    # Last, because a row may have moved from a parent that is gone to another one.
    _delete_rows(session, gone)
    session.execute(delete(ChangeRow).where(ChangeRow.seq > last))


def _read_record(record: Mapping[str, Any]) -> tuple[Table, dict[str, Any], dict[str, Any] | None]:
    table = find_table(record.get("table"))
    if record.get("deleted") is True:
        return table, decode_key(table, record.get("key")), None
    row = decode_row(table, record.get("row"))
    return table, {name: row[name] for name in name_key(table)}, row


def _write_rows(session: Session, rows: dict[_Key, dict[str, Any]]) -> None:
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for (name, _), row in rows.items():
        alike[name, *sorted(row)].append(row)
    for (name, *columns), batch in alike.items():
        session.connection().execute(_upsert(find_table(name), columns), batch)


def _upsert(table: Table, columns: Collection[str]) -> Insert:
    statement = insert(table)
    changes: dict[str, ColumnElement[Any]] = {
        name: statement.excluded[name] for name in columns if name not in name_key(table)
    }
    if table is CountRow.__table__:
        # Somebody else may have counted on the same day.
        changes = {"amount": func.max(table.c.amount, statement.excluded.amount)}
    return statement.on_conflict_do_update(index_elements=name_key(table), set_=changes)


def _delete_rows(session: Session, gone: dict[_Key, dict[str, Any]]) -> None:
    alike: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for (name, _), key in gone.items():
        alike[name].append({f"old_{part}": value for part, value in key.items()})
    for name, batch in alike.items():
        table = find_table(name)
        is_it = and_(*(table.c[part] == bindparam(f"old_{part}") for part in name_key(table)))
        if table is MessageRow.__table__:
            # No foreign key does this: see `models`.
            is_it = MessageRow.id.in_(select(_walk_down(is_it).c.id))
        session.connection().execute(delete(table).where(is_it), batch)


def _walk_down(is_top: ColumnElement[bool]) -> CTE:
    top = select(MessageRow.id, MessageRow.conversation_id, literal(0).label("depth"))
    above = top.where(is_top).cte("above", recursive=True)
    child = aliased(MessageRow)
    step = select(child.id, child.conversation_id, above.c.depth + 1).join(
        above,
        (child.conversation_id == above.c.conversation_id) & (child.parent_id == above.c.id),
    )
    return above.union_all(step)


def list_rows(session: Session) -> Iterator[Record]:
    """Yield every row as a record, each after those that it refers to."""
    for table in list_tables():
        query = select(table)
        if table is MessageRow.__table__:
            query = _select_messages()
        for row in session.execute(query, execution_options={"yield_per": _CHUNK}).mappings():
            yield {"table": table.name, "row": encode(row)}


def _select_messages() -> Any:
    """Select messages by their depth in the tree, so that each comes after its parent."""
    tree = _walk_down(MessageRow.parent_id.is_(None))
    table = MessageRow.__table__
    return select(table).join(tree, tree.c.id == table.c.id).order_by(tree.c.depth)
