"""Rows whose texts UTF-8 can hold: half a surrogate pair can't be written, and stops readers."""

import json
import re
from collections.abc import Sequence
from typing import Any

from preferences.formats.format import Column, Row

_SURROGATE = re.compile("[\ud800-\udfff]")


def mend_row(row: Row, columns: Sequence[Column]) -> Row:
    """Return `row` with lone surrogates as U+FFFD; what it was is in "original", if there is one.

    JSON could escape them, but strict readers (pyarrow's, and so `datasets`) refuse the file then.
    """
    mended: Row = _replace_surrogates(row)
    if mended != row and any(column.name == "original" for column in columns):
        mended["original"] = json.dumps(row, allow_nan=False)
    return mended


def _replace_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {name: _replace_surrogates(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_replace_surrogates(inner) for inner in value]
    return value
