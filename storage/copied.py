"""Which files of a copy elsewhere are in this database: noted in it, and so lost only with it."""

from collections.abc import Mapping

from sqlalchemy import delete, exists, insert, select
from sqlalchemy.orm import Session

from storage import tracking
from storage.models import ChangeRow, CopiedFileRow
from storage.upsert import insert_if_missing

# The row that says that the copy is known here at all.
_PLACE = ""


def join_place(session: Session, place: str) -> dict[str, bool]:
    """Note changes from now on, for the copy in `place`; return its files that are in here.

    When this database is new to the copy, all that is in it is noted as changed.
    """
    tracking.begin(session.connection())
    # What goes to one place alone is missing in another.
    session.execute(delete(CopiedFileRow).where(CopiedFileRow.place != place))
    files = list_files(session, place)
    if _PLACE not in files:
        tracking.note_every_row(session.connection())
        add_files(session, place, {_PLACE: False})
    files.pop(_PLACE, None)
    return files


def leave_places(session: Session) -> None:
    """Note nothing more, and forget what was noted for any copy."""
    tracking.end(session.connection())
    session.execute(delete(CopiedFileRow))
    session.execute(delete(ChangeRow))


def is_followed(session: Session) -> bool:
    """Say whether anything is noted for a copy, or would be."""
    has_notes = exists().where(ChangeRow.seq > 0) | exists().where(CopiedFileRow.place != "")
    return tracking.is_on(session.connection()) or bool(session.scalar(select(has_notes)))


def list_files(session: Session, place: str) -> dict[str, bool]:
    """Return the files of `place` that are in here, and whether each holds deletions."""
    query = select(CopiedFileRow.name, CopiedFileRow.has_deletions)
    found = session.execute(query.where(CopiedFileRow.place == place))
    return {row.name: row.has_deletions for row in found}


def add_files(session: Session, place: str, files: Mapping[str, bool]) -> None:
    """Note that these files of `place` are in here."""
    for name, has_deletions in files.items():
        values = {"place": place, "name": name, "has_deletions": has_deletions}
        insert_if_missing(session, CopiedFileRow, values)


def replace_files(session: Session, place: str, files: Mapping[str, bool]) -> None:
    """Note that these files of `place` are in here, and no others."""
    session.execute(delete(CopiedFileRow))
    rows = [(_PLACE, False), *files.items()]
    values = [{"place": place, "name": name, "has_deletions": has} for name, has in rows]
    session.execute(insert(CopiedFileRow), values)
