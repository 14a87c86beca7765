"""Command lines made from frozen dataclasses: one field is one flag."""

import argparse
import types
import typing
from collections.abc import Sequence
from dataclasses import MISSING, Field, field, fields
from typing import Annotated, Any, Literal, TypeVar

ArgsT = TypeVar("ArgsT")


def option(help_text: str, default: Any = MISSING) -> Any:
    """Return a dataclass field with the words that ``--help`` shows; required if no default."""
    return field(default=default, metadata={"help": help_text})


def parse_args(
    cls: type[ArgsT], prog: str, description: str | None, argv: Sequence[str] | None = None
) -> ArgsT:
    """Return `cls` filled from the command line (or from `argv`).

    A field ``steps: Annotated[int, "how many steps"] = 10`` makes the flag ``--steps`` with that
    help; without a default it is required.
    A tuple takes several values, a bool has a ``--no-`` twin.
    """
    hints = typing.get_type_hints(cls, include_extras=True)
    parser = argparse.ArgumentParser(
        prog=f"python -m {prog}",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    for each in fields(cls):  # type: ignore[arg-type]
        _add_flag(parser, each, hints[each.name])
    given = vars(parser.parse_args(argv))
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})


def _add_flag(parser: argparse.ArgumentParser, each: "Field[Any]", hint: Any) -> None:
    flag = "--" + each.name.replace("_", "-")
    help_text = each.metadata.get("help", " ")
    if typing.get_origin(hint) is Annotated:
        hint, help_text = typing.get_args(hint)
    options: dict[str, Any] = {"help": help_text.replace("%", "%%")}
    if each.default is MISSING:
        options["required"] = True
    else:
        options["default"] = each.default
    hint = _without_none(hint)
    if hint is bool:
        options["action"] = argparse.BooleanOptionalAction
    elif typing.get_origin(hint) is Literal:
        options["choices"] = typing.get_args(hint)
    elif typing.get_origin(hint) is tuple:
        options |= {"nargs": "+", "type": typing.get_args(hint)[0]}
    else:
        options["type"] = hint
    parser.add_argument(flag, **options)


def _without_none(hint: Any) -> Any:
    """``float | None`` is read as ``float``: leaving the flag out means None."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return next(each for each in typing.get_args(hint) if each is not type(None))
    return hint
