"""The files of a pack, plain or packed with zstd, read with errors that name file and line."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import zstandard

from chat.errors import SetupError
from training.documents import read_lines

_LONGEST_FIELD = 1_000_000


def find_file(folder: Path, name: str) -> Path:
    """Return the path of a file, or of its packed form ``name.zst``.

    Raises:
        SetupError: neither is there.
    """
    for path in (folder / name, folder / f"{name}.zst"):
        if path.is_file():
            return path
    raise SetupError(
        f"{folder / name} (or {name}.zst) is not there; name the folder that the packs lie in."
    )


def read_text(folder: Path, name: str) -> str:
    """Return all of a text file.

    Raises:
        SetupError: it isn't there, or isn't UTF-8 text.
    """
    path = find_file(folder, name)
    try:
        content = path.read_bytes()
        if path.suffix == ".zst":
            content = zstandard.ZstdDecompressor().stream_reader(content).read()
        return content.decode("utf-8")
    except (UnicodeDecodeError, zstandard.ZstdError) as error:
        raise SetupError(f"{path} can't be read: {error}; fetch the pack anew.") from error


def read_table(folder: Path, name: str, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield the records of a CSV file whose header has at least these columns.

    Raises:
        SetupError: it isn't there, lacks a column, or has a broken record; names file and line.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    table = csv.DictReader(io.StringIO(read_text(folder, name), newline=""))
    missing = [column for column in columns if column not in (table.fieldnames or ())]
    if missing:
        raise SetupError(f"Line 1 of {name} names no column '{missing[0]}'; it is another file.")
    try:
        for record in table:
            if any(record[column] is None for column in columns):
                raise csv.Error("too few columns")
            yield record
    except csv.Error as error:
        raise SetupError(f"Line {table.line_num} of {name} is not a record: {error}.") from error


def read_tree(folder: Path, name: str) -> Any:
    """Return what a JSON file holds.

    Raises:
        SetupError: it isn't there, or isn't JSON; names file and line.
    """
    try:
        return json.loads(read_text(folder, name))
    except json.JSONDecodeError as error:
        raise SetupError(f"Line {error.lineno} of {name} is not JSON: {error.msg}.") from error


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSONL file, decompressed if its name ends in .zst.

    Raises:
        SetupError: a line isn't a JSON object; names file and line.
    """
    with closing(read_lines(path)) as lines:
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise SetupError(
                    f"Line {number} of {path.name} is not JSON: {error.msg}."
                ) from error
            if not isinstance(record, dict):
                raise SetupError(f"Line {number} of {path.name} is not a JSON object.")
            yield record
