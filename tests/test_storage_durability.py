"""What is there after a kill, and what a backup holds."""

import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chat.errors import InvalidRequest
from storage.store import Store
from tests.storage_kit import fill, limit_files_to, make_turn, record_chain, refusal

ROOT = Path(__file__).parent.parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{path}", busy_timeout_s=0.2) as opened:
        yield opened


def test_backup_is_whole_while_turns_are_written(store: Store, path: Path):
    fill(store, "ann", "filled")
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            store.record_turn("ann", make_turn(make_turn().question_id))

    writer = threading.Thread(target=write)
    writer.start()
    copy = path.with_name("copy.db")
    try:
        store.backup(copy)
    finally:
        stop.set()
        writer.join()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert not copy.with_name("copy.db.part").exists()
    with Store.open(f"sqlite:///{copy}") as restored:
        assert restored.read_tree("ann", "filled") == store.read_tree("ann", "filled")
        counts = restored.stats()
        assert counts["messages"] == 3 + 2 * (counts["conversations"] - 1)
        restored.record_turn("ann", make_turn("after"))


def test_backup_of_memory_can_be_opened(tmp_path: Path):
    with Store.open("sqlite://") as store:
        record_chain(store, 1)
        store.backup(tmp_path / "copy.db")
        store.record_turn("ann", make_turn("after"))
    with Store.open(f"sqlite:///{tmp_path}/copy.db") as restored:
        assert restored.stats()["conversations"] == 1


def test_backup_overwrites_nothing(store: Store, path: Path):
    with pytest.raises(InvalidRequest, match=r"chat\.db exists already"):
        store.backup(path)
    with refusal("cannot be written", path):
        store.backup(path / "copy.db")


def test_backup_that_does_not_fit_is_told_and_leaves_nothing(store: Store, path: Path):
    record_chain(store, 5)
    with refusal(r"backup copy\.db", path), limit_files_to(20_000):
        store.backup(path.with_name("copy.db"))
    assert not list(path.parent.glob("copy.db*"))
    store.backup(path.with_name("copy.db"))


# Writes turns for ever, and says of each that it is there once the store has said so.
_WRITE_FOR_EVER = """
import sys
from storage.models import ModelRow
from storage.store import Store
from tests.storage_kit import make_turn

store = Store.open(sys.argv[1])
leaf = None
while True:
    turn = make_turn(sys.argv[2], leaf, question="q" * 3000, answer="a" * 3000)
    store.record_turn("ann", turn)
    leaf = turn.answer_id
    print(leaf, flush=True)
"""


def test_kill_during_writes_loses_no_acknowledged_turn(path: Path):
    acknowledged: dict[str, list[str]] = {}
    for round_number in range(3):
        chat = f"c{round_number}"
        command = [sys.executable, "-c", _WRITE_FOR_EVER, f"sqlite:///{path}", chat]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout
            lines = [child.stdout.readline() for _ in range(7 + 6 * round_number)]
            child.send_signal(signal.SIGKILL)
            lines += child.stdout.readlines()
        # The kill may cut the last line short.
        acknowledged[chat] = [line.strip() for line in lines if line.endswith("\n")]
        assert child.returncode == -signal.SIGKILL
    with closing(sqlite3.connect(path)) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert plain.execute("PRAGMA foreign_key_check").fetchall() == []
    with Store.open(f"sqlite:///{path}") as store:
        for chat, answer_ids in acknowledged.items():
            branch = store.read_branch("ann", chat)
            kept = [step.id for step in branch if step.message.role == "assistant"]
            assert kept[: len(answer_ids)] == answer_ids
            # At most the turn that was under way came on top, and it is whole.
            assert len(kept) <= len(answer_ids) + 1
            assert len(branch) == 2 * len(kept) == len(store.read_tree("ann", chat))
            assert set(store.read_generations("ann", chat)) == set(kept)
