"""Changes from elsewhere, worked into this database in steps that leave room for others."""

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, bindparam, delete, func, select, text, tuple_
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.orm import Session

from chat.errors import StorageError
from storage import copied
from storage.changes import Key, name_parents, walk_down
from storage.codec import decode_key, decode_row, find_table, list_tables, name_key
from storage.connection import Database
from storage.failures import describe_orphan
from storage.models import ApiKeyRow, ChangeRow, CountRow, MessageRow

# Some 50 ms of writing, between which a turn can be stored.
STEP = 1000
_CHUNK = 500
# A lock isn't fair: without a pause, whoever waits for it may never get it.
_PAUSE_S = 0.005

_Values = dict[str, Any]
_MESSAGES = MessageRow.__tablename__
# What is said here and elsewhere counts both: the larger number, and that a key is void.
_JOINED = (CountRow.__tablename__, ApiKeyRow.__tablename__)


class Replay:
    """One run. Rows that were changed here and not copied yet stay what they are here."""

    def __init__(self, database: Database, records: Iterable[Mapping[str, Any]]) -> None:
        """Read all of the records before anything is locked; raises SetupError for a wrong one."""
        self._database = database
        rows, self._gone = _read_records(records)
        self._rows = _order(rows)
        # Of rows that were changed here: whether they are gone since.
        self._changed_here: dict[Key, bool] = {}
        self._last_change = 0
        self._lost: set[Key] = set()

    def run(self, place: str, files: Mapping[str, bool]) -> None:
        """Write it, noting none of it as a change, and then that `files` are in here.

        Raises:
            StorageError: a row would belong to one that isn't there (then nothing is written), or
                the database fails (then a part may be, and doing it again does no harm).
        """
        with self._database.read() as session:
            self._read_changes(session)
            self._check_parents(session)
        # What is gone takes along what comes below it, unless it came back here meanwhile.
        self._lost = {key for key in self._gone if self._changed_here.get(key, True)}
        for keys in _split(self._rows, STEP):
            with self._step() as session:
                _write_rows(session, {key: self._rows[key] for key in keys if self._keeps(key)})
        # Last, because a row may have moved from a parent that is gone to another one.
        for keys in _split(self._gone, STEP):
            with self._step() as session:
                left = [key for key in keys if key not in self._changed_here]
                _delete_rows(session, {key: self._gone[key] for key in left})
        with self._database.write() as session:
            copied.add_files(session, place, files)

    @contextmanager
    def _step(self) -> Iterator[Session]:
        with self._database.write() as session:
            session.execute(text("PRAGMA defer_foreign_keys = ON"))
            self._read_changes(session)
            last = session.scalar(select(func.coalesce(func.max(ChangeRow.seq), 0)))
            yield session
            session.execute(delete(ChangeRow).where(ChangeRow.seq > last))
        time.sleep(_PAUSE_S)

    def _read_changes(self, session: Session) -> None:
        query = select(ChangeRow).where(ChangeRow.seq > self._last_change)
        for note in session.scalars(query.order_by(ChangeRow.seq)):
            self._changed_here[note.table_name, tuple(note.row_key.values())] = note.is_deleted
            self._last_change = note.seq

    def _keeps(self, key: Key) -> bool:
        """Say whether a row is to be written; if not for good, what belongs to it isn't either."""
        if key in self._changed_here and key[0] not in _JOINED:
            return False
        parents = name_parents(key[0], self._rows[key])
        if any(parent in self._lost or self._changed_here.get(parent) for parent in parents):
            self._lost.add(key)
            return False
        return True

    def _check_parents(self, session: Session) -> None:
        known = self._rows.keys() | self._gone.keys() | self._changed_here.keys()
        wanted: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
        for key in self._rows.keys() - self._changed_here.keys():
            for name, values in name_parents(key[0], self._rows[key]):
                if (name, values) not in known:
                    wanted[name].add(values)
        for name, missing in wanted.items():
            for keys in _split(sorted(missing), _CHUNK):
                if len(_find(session, find_table(name), keys)) < len(keys):
                    raise StorageError(describe_orphan(self._database.name))


def _read_records(
    records: Iterable[Mapping[str, Any]],
) -> tuple[dict[Key, _Values], dict[Key, _Values]]:
    """Return the last word on each row: what it is, or its key if it is gone."""
    rows: dict[Key, _Values] = {}
    gone: dict[Key, _Values] = {}
    for record in records:
        table = find_table(record.get("table"))
        if record.get("deleted") is True:
            values = decode_key(table, record.get("key"))
            key = _key_of(table, record["key"])
            rows.pop(key, None)
            gone[key] = values
        else:
            values = decode_row(table, record.get("row"))
            key = _key_of(table, record["row"])
            gone.pop(key, None)
            rows[key] = _join(table, rows.get(key, values), values)
    return rows, gone


def _key_of(table: Table, values: Mapping[str, Any]) -> Key:
    return table.name, tuple(values[name] for name in name_key(table))


def _join(table: Table, old: _Values, new: _Values) -> _Values:
    if table is CountRow.__table__:
        return new | {"amount": max(old["amount"], new["amount"])}
    if table is ApiKeyRow.__table__:
        return new | {"revoked_at": old.get("revoked_at") or new.get("revoked_at")}
    return new


def _order(rows: Mapping[Key, _Values]) -> dict[Key, _Values]:
    """Return the rows, each after those that it refers to."""
    places = {table.name: place for place, table in enumerate(list_tables())}
    ordered: dict[Key, _Values] = {}
    visited: set[Key] = set()
    for key in sorted(rows, key=lambda key: places[key[0]]):
        chain: list[Key] = []
        while key in rows and key not in visited:
            visited.add(key)
            chain.append(key)
            if key[0] == _MESSAGES:
                key = (_MESSAGES, (rows[key].get("parent_id"),))
        ordered.update((above, rows[above]) for above in reversed(chain))
    return ordered


def _split(keys: Iterable[Any], size: int) -> Iterator[list[Any]]:
    left = list(keys)
    for start in range(0, len(left), size):
        yield left[start : start + size]


def _find(
    session: Session, table: Table, keys: Sequence[tuple[Any, ...]]
) -> Sequence[tuple[Any, ...]]:
    columns = [table.columns[name] for name in name_key(table)]
    query = select(*columns).where(tuple_(*columns).in_(keys))
    return [tuple(row) for row in session.execute(query)]


def _write_rows(session: Session, rows: Mapping[Key, _Values]) -> None:
    alike: dict[tuple[str, ...], list[_Values]] = defaultdict(list)
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
        changes["amount"] = func.max(table.c.amount, statement.excluded.amount)
    if table is ApiKeyRow.__table__:
        # What was revoked once never counts again.
        excluded = statement.excluded.revoked_at
        changes["revoked_at"] = func.coalesce(table.c.revoked_at, excluded)
    return statement.on_conflict_do_update(index_elements=name_key(table), set_=changes)


def _delete_rows(session: Session, gone: Mapping[Key, _Values]) -> None:
    alike: dict[str, list[_Values]] = defaultdict(list)
    for (name, _), key in gone.items():
        alike[name].append({f"old_{part}": value for part, value in key.items()})
    for name, batch in alike.items():
        table = find_table(name)
        is_it = and_(*(table.c[part] == bindparam(f"old_{part}") for part in name_key(table)))
        if table is MessageRow.__table__:
            # No foreign key does this: see `models`.
            is_it = MessageRow.id.in_(select(walk_down(is_it).c.id))
        session.connection().execute(delete(table).where(is_it), batch)
