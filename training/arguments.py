"""Command lines made from frozen dataclasses: one field is one flag."""

import argparse
import sys
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any, Literal, NoReturn, TypeVar

from chat.errors import PalaverError

ArgsT = TypeVar("ArgsT")


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


def run_stage(main: Callable[[], int | None]) -> NoReturn:
    """Run a stage's `main` as a program: what the person at the terminal can mend is one sentence.

    The exit status is what `main` returns (None is 0), and 1 for such an error.
    """
    try:
        sys.exit(main())
    except PalaverError as error:
        sys.exit(f"{error}")


def _add_flag(parser: argparse.ArgumentParser, each: "Field[Any]", hint: Any) -> None:
    flag = "--" + each.name.replace("_", "-")
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
