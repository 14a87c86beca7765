"""Settings as flags of a command: the same names as everywhere, read by the same reader."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_PREFIX = "setting_"
# Not taken from the settings themselves: to load them takes longer than to answer --help.
_FLAGS = {
    "host": ("ADDRESS", "address that the chat listens on"),
    "port": ("NUMBER", "port that the chat listens on"),
    "model": ("NAME", "the model that answers: a folder in exported_models/, or a path to one"),
    "device": ("DEVICE", "auto, cuda or cpu"),
    "threads": ("NUMBER", "CPU threads of the model; 0 is automatic"),
    "database_url": ("URL", "the database: sqlite:///FILE or postgresql://..."),
    "data_dir": ("FOLDER", "where the key that signs the visitors' cookies is kept"),
    "moderators": ("NAMES", "the moderators that run, separated by commas"),
    "moderator_config": ("FILE", "TOML file with the moderators' own settings"),
    "policy": ("NAME", "strict, standard, permissive, or a TOML file"),
}


def add_action(
    actions: "_SubParsersAction[ArgumentParser]", name: str, meaning: str
) -> ArgumentParser:
    """Add an action such as the `list` of `keys list`, which `meaning` describes."""
    sentence = f"{meaning[0].upper()}{meaning[1:]}."
    return actions.add_parser(name, help=meaning, description=sentence)


def add_consent(parser: ArgumentParser) -> None:
    """Add the flags of what people have agreed to."""
    parser.add_argument(
        "--purpose",
        metavar="NAME",
        default="training",
        help="export what people agreed to for this (default: %(default)s)",
    )
    parser.add_argument(
        "--everything", action="store_true", help="export also what nobody agreed to"
    )


def add_settings(parser: ArgumentParser, *names: str) -> None:
    """Add the settings of these names to `parser`, in a group of their own."""
    example = f"{_flag(names[0])} is PALAVER_{names[0].upper()}"
    every = "It" if len(names) == 1 else "Each"
    group = parser.add_argument_group(
        "settings", f"{every} is also an environment variable: {example}."
    )
    for name in names:
        metavar, meaning = _FLAGS[name]
        group.add_argument(_flag(name), dest=_PREFIX + name, metavar=metavar, help=meaning)


def use_settings(parser: ArgumentParser, *names: str) -> None:
    """Say that a command uses these settings of the environment too, without flags for them."""
    parser.set_defaults(**{_PREFIX + name: None for name in names})


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def given_settings(arguments: Namespace) -> list[str]:
    """Return the settings among `arguments` as flags that `read_settings` understands."""
    given = {name: value for name, value in _settings(arguments).items() if value is not None}
    return [f"{_flag(name)}={value}" for name, value in given.items()]


def needed_settings(arguments: Namespace) -> list[str]:
    """Return the names of the settings that a command uses: a wrong one stops it, others don't."""
    return list(_settings(arguments))


def _settings(arguments: Namespace) -> dict[str, str | None]:
    return {
        name.removeprefix(_PREFIX): value
        for name, value in vars(arguments).items()
        if name.startswith(_PREFIX)
    }
