"""Command lines made from dataclasses."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest

from training.arguments import parse_args


@dataclass(frozen=True, slots=True)
class _Flags:
    """For the test below."""

    files: Annotated[tuple[Path, ...], "files, 100% of them"]
    speed: Annotated[Literal["slow", "fast"], "how fast"] = "slow"
    limit: Annotated[float | None, "minutes"] = None
    loud: Annotated[bool, "noise"] = False


def test_command_line_is_made_of_the_fields():
    flags = parse_args(_Flags, "x", None, ["--files", "a", "b", "--limit", "2", "--loud"])
    assert flags == _Flags((Path("a"), Path("b")), "slow", 2.0, True)


def test_command_line_refuses_what_is_not_a_choice(capsys):
    with pytest.raises(SystemExit):
        parse_args(_Flags, "x", None, ["--files", "a", "--speed", "warp"])
    assert "warp" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parse_args(_Flags, "x", None, ["--help"])
    assert "100% of them" in capsys.readouterr().out
