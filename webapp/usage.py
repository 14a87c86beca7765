"""How a command line is read and explained: errors in a line, examples below, defaults as typed."""

import argparse
import difflib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, get_args

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

PROGRAM = "python -m webapp"
# What a value of these settings is, where its type alone doesn't say so.
_METAVARS = {
    "host": "ADDRESS",
    "model": "NAME",
    "database_url": "URL",
    "data_dir": "FOLDER",
    "moderators": "NAMES",
    "compare_models": "NAMES",
    "moderator_config": "FILE",
    "policy": "NAME",
    "admins": "NAMES",
    "sync": "PLACE",
    "allowed_origins": "SITES",
    "forwarded_allow_ips": "ADDRESSES",
}


class Parser(argparse.ArgumentParser):
    """A parser whose errors take a line, and whose help ends with those `examples` that it reads.

    Examples are command lines without the program's name; parsers below this one get them too.
    """

    def __init__(
        self, *args: Any, examples: Sequence[str] = (), is_action: bool = False, **kwargs: Any
    ):
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)
        self._examples = examples
        if is_action:  # Whoever reads the arguments wants to know whose they are.
            self.set_defaults(parser=self)
        lines = [f"{PROGRAM} {line}" for line in examples]
        own = [line for line in lines if f"{line} ".startswith(f"{self.prog} ")]
        if own:
            self.epilog = "examples:\n" + "\n".join(f"  {line}" for line in own)
            self.formatter_class = argparse.RawDescriptionHelpFormatter

    def add_subparsers(self, **kwargs: Any) -> Any:
        """Add actions, which have examples of their own."""
        child = partial(Parser, examples=self._examples, is_action=True)
        kwargs.setdefault("parser_class", child)
        return super().add_subparsers(**kwargs)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, instead of repeating the usage."""
        mark = "" if message.endswith("?") else ";"
        self.exit(2, f"{self.prog}: {message}{mark} {self.prog} --help says what there is.\n")

    def refuse(self, words: Sequence[str]) -> NoReturn:
        """End because of words that this parser doesn't understand."""
        unknown = words[0].partition("=")[0]
        near = difflib.get_close_matches(unknown, self._option_string_actions, n=1)
        if not unknown.startswith("-"):
            self.error(f"there is nothing to do with {unknown!r}")
        if near:
            self.error(f"there is no flag {unknown}, did you mean {near[0]}?")
        self.error(f"there is no flag {unknown}")


def make_parser(program: str, purpose: str, fields: Mapping[str, "FieldInfo"]) -> Parser:
    """Return a parser with a flag for each setting, which `program` shows as its own."""
    parser = Parser(prog=program, description=purpose, argument_default=argparse.SUPPRESS)
    for name, field in fields.items():
        default = _as_typed(field.default)
        ending = f" (default: {default})" if default else ""
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            dest=name,
            metavar=_metavar(name, field),
            help=f"{field.description}{ending}".replace("%", "%%"),
        )
    return parser


def _metavar(name: str, field: "FieldInfo") -> str:
    choices = [word for word in get_args(field.annotation) if isinstance(word, str)]
    if choices:
        return "|".join(choices)
    is_number = isinstance(field.default, (int, float))
    return "NUMBER" if is_number else _METAVARS.get(name, "TEXT")


def _as_typed(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(value) if isinstance(value, tuple) else str(value)
