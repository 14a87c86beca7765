"""Command lines made from dataclasses."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest

from chat.errors import SetupError
from training.arguments import parse_args, run_stage


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


def test_an_error_that_a_person_can_mend_ends_the_stage_with_its_sentence():
    def fail() -> int:
        raise SetupError("The folder nowhere isn't there; name another.")

    with pytest.raises(SystemExit, match="The folder nowhere isn't there"):
        run_stage(fail)


def test_a_stage_ends_with_the_status_that_it_returns():
    with pytest.raises(SystemExit) as ended:
        run_stage(lambda: 75)
    assert ended.value.code == 75
