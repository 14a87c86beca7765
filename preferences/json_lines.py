"""JSON lines: a row a line in UTF-8, readable by whatever reads lines."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from chat.errors import InvalidRequest
from preferences.formats.format import Column, Row
from preferences.wellformed import mend_row

# A longer line is no row but a file of another kind.
_LONGEST_LINE = 64 * 2**20
# Ends of lines to some readers, though not to JSON's.
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


class JsonLinesWriter:
    """Writes rows to an open file."""

    def __init__(self, file: BinaryIO, columns: Sequence[Column]):
        self._file = file
        self._columns = columns

    def add(self, row: Row) -> None:
        """Write a row."""
        self._file.write(to_line(row, self._columns))

    def finish(self) -> None:
        """Nothing is left to do."""

    def abandon(self) -> None:
        """Nothing is left to do."""


def to_line(row: Row, columns: Sequence[Column]) -> bytes:
    """Return a row as a line in UTF-8; see `mend_row` for texts that UTF-8 can't hold."""
    try:
        return _encode(row)
    except UnicodeEncodeError:
        return _encode(mend_row(row, columns))


def _encode(row: Row) -> bytes:
    text = _ENCODER.encode(row)
    if "\u2028" in text or "\u2029" in text or "\x85" in text:
        text = text.translate(_LINE_ENDS)
    return (text + "\n").encode()


def read_json_lines(file: BinaryIO) -> Iterator[tuple[int, Row | str]]:
    """Yield each line's number, from 1, with its row, or with what is wrong with it.

    Empty lines are left out. Lines are read one at a time, however long the file is.
    """
    number = 0
    while line := file.readline(_LONGEST_LINE + 1):
        number += 1
        if len(line) > _LONGEST_LINE:
            yield number, f"it is longer than {_LONGEST_LINE // 2**20} MiB"
            while line and not line.endswith(b"\n"):
                line = file.readline(_LONGEST_LINE)
        elif number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff")):
            yield number, "it is UTF-16; save the file as UTF-8"
            return
        elif line.strip():
            yield number, _parse_line(line.removeprefix(b"\xef\xbb\xbf"))


def _parse_line(line: bytes) -> Row | str:
    try:
        row = json.loads(line.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        return f"byte {error.start + 1} isn't UTF-8; save the file as UTF-8"
    except json.JSONDecodeError as error:
        return f"it isn't JSON ({error.msg} at character {error.pos + 1})"
    except InvalidRequest as error:
        return str(error)
    except RecursionError:
        return "it is nested too deeply"
    except ValueError:
        return "it holds a number that is too long"
    return row if isinstance(row, dict) else "it is no JSON object"


def _refuse_constant(name: str) -> Any:
    raise InvalidRequest(f"{name} is no number in JSON")
