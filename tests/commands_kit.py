"""The command line as tests call it: in this process, or as a program of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from webapp.__main__ import main

ROOT = Path(__file__).parent.parent
PROGRAM = [sys.executable, "-m", "webapp"]


class Desk:
    """A folder of its own, with commands that keep to it."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]):
        self.folder = folder
        self.data_dir = folder / "data"
        self.database = self.data_dir / "palaver.db"
        self.url = f"sqlite:///{self.database}"
        self._capture = capture

    def run(self, *arguments: object, status: int = 0) -> str:
        """Run a command; its exit status must be `status`. Returns what it printed."""
        found = main([str(argument) for argument in arguments])
        said = self._capture.readouterr()
        self.told = said.err
        assert found == status, said
        assert "Traceback" not in said.err
        return said.out

    def refuse(self, *arguments: object) -> str:
        """Run a command that can't be carried out; returns the one sentence that says why."""
        assert not self.run(*arguments, status=2)
        assert self.told.count("\n") == 1, self.told
        return self.told

    def leftovers(self) -> list[str]:
        """Return the names of everything half done in the folder."""
        words = (".part", ".palaver-", ".restored")
        names = [path.name for path in self.folder.rglob("*")]
        return [name for name in names if any(word in name for word in words)]


def desk_fixture() -> object:
    """Return a fixture `desk`; the environment says where its data lie."""

    @pytest.fixture
    def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
        made = Desk(tmp_path, capsys)
        monkeypatch.setenv("PALAVER_DATA_DIR", str(made.data_dir))
        monkeypatch.setenv("PALAVER_DATABASE_URL", made.url)
        return made

    return desk


def start(*arguments: object, **options: object) -> "subprocess.Popen[str]":
    """Start a command as a program of its own, with pipes at its output."""
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )
