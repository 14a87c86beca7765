"""What goes wrong in a database, said so that somebody can act on it."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from chat.errors import PalaverError, StorageError

logger = logging.getLogger(__name__)

_LOCKED = "{name} is locked by another program; nothing was written, close it or try again."
_READ_ONLY = "{name} is read-only; nothing was written, give this account the right to write to it."
_FULL = "The disk that holds {name} is full; nothing was written, free some space and try again."
_DAMAGED = "{name} is damaged or isn't a database; put a backup in its place."
_UNOPENABLE = (
    "{name} cannot be opened; check that its folder exists and that this account may write there."
)
_DISK = "Reading or writing {name} failed; check the disk and its folder's permissions."
_UNREACHABLE = "{name} cannot be reached; check that the server runs and that the URL is right."
_DENIED = "{name} refused the account or its rights; check user, password and grants."
_OTHER = "{name} refused the operation ({code}); nothing was written, try again or report the code."
_ORPHAN = (
    "{name} refused a row that belongs to one which isn't there; nothing was written, "
    "restore what it belongs to first."
)
_BUSY = "Too many readers are waiting for {name}; try again in a moment."

# A file isn't what SQLite once wrote.
DAMAGES = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)

_SQLITE_SENTENCES = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_CANTOPEN: _UNOPENABLE,
    sqlite3.SQLITE_PERM: _UNOPENABLE,
    sqlite3.SQLITE_IOERR: _DISK,
    sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: _ORPHAN,
}

# By SQLSTATE or its class of two letters: postgresql.org/docs/current/errcodes-appendix.html
_POSTGRES_SENTENCES = {
    "23503": _ORPHAN,
    "53100": _FULL,
    "25006": _READ_ONLY,
    "55P03": _LOCKED,
    "40P01": _LOCKED,
    "40001": _LOCKED,
    "42501": _DENIED,
    "28": _DENIED,
    "08": _UNREACHABLE,
    "53": _UNREACHABLE,
    "57": _UNREACHABLE,
}


@contextmanager
def translate_errors(name: str) -> Iterator[None]:
    """Turn what the database raises into errors of `chat.errors`; `name` is what to call it.

    The original is logged by its code alone and not chained: drivers quote rows, and rows are
    what people said.
    """
    try:
        yield
    except exc.StatementError as error:
        raise _translate(error.orig, name, isinstance(error, exc.OperationalError)) from None
    except sqlite3.Error as error:  # From where SQLAlchemy isn't in between.
        raise _translate(error, name, False) from None
    except exc.TimeoutError:
        raise StorageError(_BUSY.format(name=name)) from None


def _translate(cause: BaseException | None, name: str, is_operational: bool) -> PalaverError:
    if isinstance(cause, PalaverError):
        return cause
    code, sentence = _look_up(cause, is_operational)
    logger.error("%s: %s %s", name, type(cause).__name__, code)
    return StorageError(_capitalise(sentence.format(name=name, code=code)))


def _look_up(cause: BaseException | None, is_operational: bool) -> tuple[str, str]:
    if isinstance(cause, sqlite3.Error):
        number = getattr(cause, "sqlite_errorcode", -1)
        code = getattr(cause, "sqlite_errorname", type(cause).__name__)
        # The code in full says more than its last byte; few of them matter here.
        sentence = _SQLITE_SENTENCES.get(number) or _SQLITE_SENTENCES.get(number & 0xFF, _OTHER)
        return code, sentence
    code = getattr(cause, "sqlstate", None) or ""
    if not code and is_operational:
        return "no connection", _UNREACHABLE
    sentence = _POSTGRES_SENTENCES.get(code) or _POSTGRES_SENTENCES.get(code[:2]) or _OTHER
    return code or type(cause).__name__, sentence


def describe_orphan(name: str) -> str:
    """Return the sentence about a row that belongs to one which isn't there."""
    return _capitalise(_ORPHAN.format(name=name))


def _capitalise(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
