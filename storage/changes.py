"""Changes of rows, noted by `storage.tracking`, for a copy elsewhere to follow (SQLite alone).

A note says which row changed, not what is in it: what is read is the row as it is by then. So
reading or applying something twice does no harm.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Table,
    delete,
    exists,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.orm import Session, aliased

from chat.errors import InvalidRequest
from storage.codec import decode_key, encode, find_table, list_tables, name_key
from storage.columns import dump_json
from storage.models import ChangeRow, MessageRow
from storage.records import Changes, Record

# The name of a table and the values of its primary key, as JSON has them.
Key = tuple[str, tuple[Any, ...]]
_CHUNK = 500


def has_changes(session: Session, after: int = 0) -> bool:
    return bool(session.scalar(select(exists().where(ChangeRow.seq > after))))


def read_changes(session: Session, limit: int, after: int = 0) -> Changes:
    if limit < 1:
        raise InvalidRequest(f"limit is {limit}; allowed is 1 or more.", param="limit")
    query = select(ChangeRow).where(ChangeRow.seq > after).order_by(ChangeRow.seq).limit(limit)
    notes = session.scalars(query).all()
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
        return read_changes(session, 2 * limit, after)
    return Changes(last, (*_in_order(found), *(_deletion(key) for key in gone)))


def _find_later(session: Session, last: int, keys: Collection[Key]) -> set[Key]:
    """Return those of the keys that are noted after `last`, by one look at each table's notes."""
    found: set[Key] = set()
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


def _key_of(note: ChangeRow) -> Key:
    return note.table_name, tuple(note.row_key.values())


def _read_rows(session: Session, keys: Collection[Key]) -> dict[Key, Record]:
    """Return the rows as they are now, in the order of `keys`; those that are gone left out."""
    wanted: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for name, key in keys:
        wanted[name].append(key)
    found: dict[Key, Record] = {}
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


def _add_parents(session: Session, found: dict[Key, Record], last: int) -> None:
    """Add what the rows refer to where its own note is a later one.

    Otherwise the foreign keys would not hold until that one is applied too.
    """
    missing = found
    while missing:
        named = {
            key
            for record in missing.values()
            for key in name_parents(record["table"], record["row"])
        }
        missing = _read_rows(session, _find_later(session, last, named - set(found)))
        found.update(missing)


def name_parents(name: str, row: Mapping[str, Any]) -> Iterator[Key]:
    """Yield the keys of the rows that a row of the table `name` refers to."""
    for constraint in find_table(name).foreign_key_constraints:
        parent = constraint.referred_table
        values = {link.column.name: row.get(link.parent.name) for link in constraint.elements}
        if None not in values.values():
            yield parent.name, tuple(values[part] for part in name_key(parent))


def _in_order(found: dict[Key, Record]) -> list[Record]:
    places = {table.name: place for place, table in enumerate(list_tables())}
    return sorted(found.values(), key=lambda record: places[record["table"]])


def _deletion(key: Key) -> Record:
    name, values = key
    names = name_key(find_table(name))
    return {"table": name, "key": dict(zip(names, values, strict=True)), "deleted": True}


def walk_down(is_top: ColumnElement[bool]) -> CTE:
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
    tree = walk_down(MessageRow.parent_id.is_(None))
    table = MessageRow.__table__
    return select(table).join(tree, tree.c.id == table.c.id).order_by(tree.c.depth)
