"""What pydantic finds wrong, in one plain sentence: the field, its value, and what is allowed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

# The longest piece of a value that a sentence repeats.
MOST_SHOWN = 60
# What is allowed instead, by pydantic's name of the complaint; the braces are its own numbers.
_ALLOWED: Mapping[str, str] = {
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "an object",
    "finite_number": "a number",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller number",
    "int_type": "a whole number",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "list_type": "a list",
    "literal_error": "{expected}",
    "model_attributes_type": "an object",
    "model_type": "an object",
    "path_type": "the path of a file or folder",
    "string_sub_type": "a text",
    "string_type": "a text",
    "string_unicode": "a text that is whole",
}
_KINDS = ("_type", "_parsing", "_from_float")


def complain(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what is wrong with `name`, about which pydantic has the complaints `rows`.

    A field of several forms has a complaint for each; where one of the forms was met, only what
    is wrong with that one counts.
    """
    met = [row for row in rows if not row["type"].endswith(_KINDS)] or rows
    first = met[0]
    if first["type"] == "missing":
        return f"{name} is missing."
    value = first.get("input")
    if first["type"] in ("too_long", "too_short", "string_too_long", "string_too_short"):
        return f"{name} {_measure(first, value)}."
    if first["type"] not in _ALLOWED:  # A rule of ours, which says it in words of its own.
        return f"{name} is {show(value)}: {_own_words(first)}."
    if isinstance(value, float) and not math.isfinite(value):
        return f"{name} is {show(value)}; allowed is a number."
    return f"{name} is {show(value)}; allowed is {_join(met)}."


def show(value: object) -> str:
    """Return a value as a sentence repeats it: short, and as JSON has it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "a list" if value else "an empty list"
    if isinstance(value, (str, int, float)):
        shown = repr(value)
        return shown if len(shown) <= MOST_SHOWN else f"{shown[:MOST_SHOWN]}..."
    return f"a {type(value).__name__}"


def _join(rows: Sequence[Mapping[str, Any]]) -> str:
    words = [_ALLOWED[row["type"]].format(**_plain(row.get("ctx", {}))) for row in rows]
    return " or ".join(dict.fromkeys(words))


def _plain(limits: Mapping[str, Any]) -> dict[str, Any]:
    # Only floats: :g would round the largest whole numbers.
    return {name: f"{x:g}" if isinstance(x, float) else x for name, x in limits.items()}


def _measure(row: Mapping[str, Any], value: object) -> str:
    """Say how long it is, and how long it may be."""
    is_text = row["type"].startswith("string")
    noun = "characters" if is_text else "entries"
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, str) for v in value):
        noun = "strings"
    count = len(value) if isinstance(value, (str, list, tuple, dict)) else 0
    limits = row.get("ctx", {})
    if count == 0:
        return "is empty"
    if "max_length" in limits:
        return f"has {count:,} {noun}; allowed are at most {limits['max_length']:,}"
    return f"has {count:,} {noun}; allowed are at least {limits['min_length']:,}"


def _own_words(row: Mapping[str, Any]) -> str:
    return str(row["msg"]).removeprefix("Value error, ").rstrip(".")
