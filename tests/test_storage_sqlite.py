"""SQLite when things go wrong: every failure is told, and no turn is ever half there."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from storage.models import ModelRow
from storage.store import Store
from tests.storage_kit import limit_files_to, make_turn, record_chain, refusal, run_at_once

ROOT = Path(__file__).parent.parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{path}", busy_timeout_s=0.2) as opened:
        yield opened


def test_each_connection_has_its_settings(store: Store):
    expected = {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2, "secure_delete": 1}
    for name, value in expected.items():
        with store._database.write() as session:
            assert session.connection().exec_driver_sql(f"PRAGMA {name}").scalar() == value
    with store._database.read() as session:
        assert session.connection().exec_driver_sql("PRAGMA query_only").scalar() == 1


def test_file_is_for_its_owner_alone_and_folders_are_made(tmp_path: Path):
    path = tmp_path / "a" / "b c" / "chat.db"
    with Store.open(f"sqlite:///{path}") as store:
        store.record_turn("ann", make_turn())
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


def test_closing_leaves_one_file(path: Path):
    with Store.open(f"sqlite:///{path}") as store:
        record_chain(store, 3)
        store.stats()
    assert [file.name for file in path.parent.iterdir()] == ["chat.db"]


def test_locked_database_is_told_and_can_still_be_read(store: Store, path: Path):
    record_chain(store, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with refusal("locked by another program", path):
            store.record_turn("ann", make_turn("new"))
        assert "locked" in str(store.check()["reason"])
        assert len(store.read_branch("ann", "c")) == 2
    store.record_turn("ann", make_turn("new"))
    assert store.stats()["messages"] == 4


def test_waiting_for_another_write_of_our_own_ends(store: Store, path: Path):
    with store._database.write(), refusal("Other writes keep the database chat.db busy", path):
        store.ensure_user("ann")
    store.ensure_user("ann")


def test_read_only_database_is_told_and_can_still_be_read(store: Store, path: Path):
    (turn,) = record_chain(store, 1)
    with Store.open(f"sqlite:///file:{path}?mode=ro&uri=true") as reader:
        with refusal("read-only", path):
            reader.record_turn("ann", make_turn("c", turn.answer_id, question="secret"))
        assert reader.check()["ok"] is False
        assert len(reader.read_branch("ann", "c")) == 2
    assert store.stats()["messages"] == 2


def test_full_disk_is_told_and_leaves_no_half_turn(store: Store, path: Path):
    (turn,) = record_chain(store, 1)
    with store._database.write() as session:
        pages = session.connection().exec_driver_sql("PRAGMA page_count").scalar()
        session.connection().exec_driver_sql(f"PRAGMA max_page_count = {pages + 20}")
    big = make_turn("c", turn.answer_id, question="fits", answer="secret" * 100_000)
    with refusal("disk that holds the database chat.db is full", path):
        store.record_turn("ann", big)
    assert [m.id for m in store.read_tree("ann", "c")] == [turn.question_id, turn.answer_id]
    store.record_turn("ann", make_turn("c", turn.answer_id))
    with store._database.write() as session:
        session.connection().exec_driver_sql("PRAGMA max_page_count = 1000000")
    store.record_turn("ann", big)
    assert store.stats()["messages"] == 6


def test_file_that_is_no_database_is_told(path: Path):
    path.write_bytes(b"secret diary, not a database\n" * 100)
    with refusal("damaged or isn't a database", path):
        Store.open(f"sqlite:///{path}")


def test_tampered_header_is_told(path: Path):
    with Store.open(f"sqlite:///{path}") as store:
        record_chain(store, 1)
    with path.open("r+b") as file:
        file.write(b"tampered")
    with refusal("damaged or isn't a database", path):
        Store.open(f"sqlite:///{path}")


def test_tampered_pages_are_told(path: Path):
    with Store.open(f"sqlite:///{path}") as store:
        record_chain(store, 50)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))
    with refusal("damaged", path), Store.open(f"sqlite:///{path}") as store:
        store.read_tree("ann", "c")


def test_branch_in_a_tree_tampered_into_a_circle_ends(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
):
    (turn,) = record_chain(store, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        statement = "UPDATE messages SET parent_id = ? WHERE id = ?"
        other.execute(statement, (turn.answer_id, turn.question_id))
    monkeypatch.setattr("storage.tree._MAX_DEPTH", 10)
    assert len(store.read_branch("ann", "c")) == 11


def test_deleted_file_is_told_before_a_turn_is_lost(store: Store, path: Path):
    path.unlink()
    with refusal("moved, deleted or replaced", path):
        store.record_turn("ann", make_turn())
    assert store.check()["ok"] is False


def test_replaced_file_is_told_before_a_turn_is_lost(store: Store, path: Path):
    path.rename(path.with_name("old.db"))
    path.touch()
    with refusal("moved, deleted or replaced", path):
        store.record_turn("ann", make_turn())


def test_place_that_cannot_be_written_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with refusal("cannot be created", tmp_path / "file"):
        Store.open(f"sqlite:///{tmp_path}/file/chat.db")
    with refusal("cannot be", tmp_path):
        Store.open(f"sqlite:///{tmp_path}")


def test_deleted_text_is_in_no_file_any_more(store: Store, path: Path):
    record_chain(store, 1)
    secret = "my-secret-" * 2000
    store.record_turn("bob", make_turn("bobs", question=secret, answer=secret), title=secret)
    store.record_turn("ann", make_turn("anns", question=secret))
    assert _is_in_files(path.parent)
    store.delete_conversation("ann", "anns")
    store.delete_user("bob")
    assert not _is_in_files(path.parent)
    assert len(store.read_branch("ann", "c")) == 2


def _is_in_files(folder: Path) -> bool:
    return any(b"my-secret-" in file.read_bytes() for file in folder.iterdir())


def test_disk_that_takes_no_more_is_told_and_leaves_no_half_turn(store: Store, path: Path):
    (turn,) = record_chain(store, 1)
    size = path.with_name("chat.db-wal").stat().st_size
    with refusal("disk", path), limit_files_to(size + 10_000):
        store.record_turn("ann", make_turn("c", turn.answer_id, answer="secret" * 100_000))
    assert len(store.read_tree("ann", "c")) == 2
    store.record_turn("ann", make_turn("c", turn.answer_id))
    assert len(store.read_branch("ann", "c")) == 4


def test_no_increment_of_two_stores_is_lost(store: Store, path: Path):
    store.record_model("m", "sha", {"count": 0})
    url = f"sqlite:///{path}"
    with Store.open(url, busy_timeout_s=30) as one, Store.open(url, busy_timeout_s=30) as other:

        def count(number: int) -> None:
            for _ in range(15):
                with (one, other)[number % 2]._database.write() as session:
                    row = session.scalars(select(ModelRow)).one()
                    row.manifest = {"count": row.manifest["count"] + 1}

        assert run_at_once(count, 4) == []
    with store._database.read() as session:
        assert session.scalars(select(ModelRow)).one().manifest == {"count": 60}
