"""Triggers that note which rows change, whichever program writes them (SQLite alone)."""

from sqlalchemy import Connection, Table, text

from storage.codec import list_tables, name_key

# They fire for cascades as well. An update that changes a key is a deletion and a new row.
_TRIGGERS = (
    "CREATE TRIGGER note_insert_{table} AFTER INSERT ON {table} BEGIN "
    "INSERT INTO changes (table_name, row_key, is_deleted) VALUES ('{table}', {new}, 0); END",
    "CREATE TRIGGER note_update_{table} AFTER UPDATE ON {table} BEGIN "
    "INSERT INTO changes (table_name, row_key, is_deleted) "
    "SELECT '{table}', {old}, 1 WHERE {old} <> {new}; "
    "INSERT INTO changes (table_name, row_key, is_deleted) VALUES ('{table}', {new}, 0); END",
    "CREATE TRIGGER note_delete_{table} AFTER DELETE ON {table} BEGIN "
    "INSERT INTO changes (table_name, row_key, is_deleted) VALUES ('{table}', {old}, 1); END",
)
_OURS = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name GLOB 'note_*_*'"


def begin(connection: Connection) -> None:
    """Note from now on what anybody writes to the tables that travel."""
    # Made anew, because an earlier version may have left others.
    end(connection)
    for table in list_tables():
        new, old = (_write_key(table, f"{side}.") for side in ("NEW", "OLD"))
        for trigger in _TRIGGERS:
            connection.execute(text(trigger.format(table=table.name, new=new, old=old)))


def end(connection: Connection) -> bool:
    """Note nothing more; return whether anything was noted until now."""
    if connection.dialect.name != "sqlite":
        return False
    names = connection.execute(text(_OURS)).scalars().all()
    for name in names:
        connection.execute(text(f'DROP TRIGGER "{name}"'))
    return bool(names)


def is_on(connection: Connection) -> bool:
    """Say whether changes are noted."""
    return connection.execute(text(_OURS)).first() is not None


def note_every_row(connection: Connection) -> None:
    """Note every row as changed, each after those that it refers to as far as tables tell."""
    for table in list_tables():
        connection.execute(
            text(
                "INSERT INTO changes (table_name, row_key, is_deleted) "
                f"SELECT '{table.name}', {_write_key(table)}, 0 FROM {table.name} ORDER BY rowid"
            )
        )


def _write_key(table: Table, side: str = "") -> str:
    pairs = (f"'{name}', {side}\"{name}\"" for name in name_key(table))
    return f"json_object({', '.join(pairs)})"
