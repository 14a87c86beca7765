"""A backup is put back whole or not at all, and overwrites nothing by accident."""

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chat.errors import PalaverError, SettingsError, SetupError, StorageError
from chat.review import OperatorRule
from chat.types import Persona
from storage.backup import restore_backup
from storage.records import ApiKey
from storage.store import Store
from tests.storage_kit import fill, limit_files_to, make_turn, record_chain

ROOT = Path(__file__).parent.parent
ASSETS = Path(__file__).parent / "assets" / "databases"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "data" / "chat.db"


@pytest.fixture
def url(target: Path) -> str:
    return f"sqlite:///{target}"


@pytest.fixture
def backup(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "backup of 100%, ?#.db"
    with Store.open("sqlite://") as store:
        fill(store, "ann", "restored")
        store.backup(path)
    yield path


def list_chats(url: str) -> list[str]:
    with Store.open(url) as store:
        assert store.check()["ok"] is True
        return sorted(chat["id"] for chat in store.export_chats())


def fill_target(url: str) -> None:
    with Store.open(url) as store:
        record_chain(store, 2, "old")


def test_backup_comes_back_where_there_was_nothing(url: str, target: Path, backup: Path):
    assert restore_backup(url, backup) is None
    assert list_chats(url) == ["restored"]
    assert [file.name for file in target.parent.iterdir()] == ["chat.db"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with Store.open(url) as store:
        store.record_turn("ann", make_turn("after"))
    assert backup.exists()


def test_backup_takes_the_place_of_an_empty_database(url: str, target: Path, backup: Path):
    Store.open(url).close()
    assert restore_backup(url, backup) is None
    assert list_chats(url) == ["restored"]


def test_database_with_content_is_overwritten_only_by_force(url: str, target: Path, backup: Path):
    fill_target(url)
    with pytest.raises(SetupError, match=r"chat\.db has content already; .* --force"):
        restore_backup(url, backup)
    assert list_chats(url) == ["old"]
    for name in ("chat.db.old", "chat.db.old2"):
        kept = restore_backup(url, backup, is_forced=True)
        assert kept == target.with_name(name)
        assert list_chats(url) == ["restored"]
    assert list_chats(f"{url}.old") == ["old"]
    names = {file.name for file in target.parent.iterdir()}
    assert names == {"chat.db", "chat.db.old", "chat.db.old2"}


@pytest.mark.parametrize(
    "make",
    [
        lambda store: store.record_api_key(ApiKey("k", "school", "0" * 64)),
        lambda store: store.save_persona(Persona("tutor", "Tutor")),
        lambda store: store.save_rule(OperatorRule("r", "Rivals", "rivals", patterns=("acme",))),
    ],
    ids=["key", "persona", "rule"],
)
def test_what_an_operator_made_before_the_first_chat_is_overwritten_only_by_force(
    url: str, target: Path, backup: Path, make
):
    with Store.open(url) as store:
        make(store)
    with pytest.raises(SetupError, match="has content already"):
        restore_backup(url, backup)
    assert restore_backup(url, backup, is_forced=True) == target.with_name("chat.db.old")


def test_database_of_an_earlier_version_is_overwritten_only_by_force(
    url: str, target: Path, backup: Path
):
    target.parent.mkdir()
    shutil.copy(ASSETS / "v1.db", target)  # it has no table of keys, personas or rules
    with pytest.raises(SetupError, match="has content already"):
        restore_backup(url, backup)
    with closing(sqlite3.connect(target)) as connection, connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("DELETE FROM users")
    assert restore_backup(url, backup) is None


def test_backup_of_every_version_is_upgraded(url: str):
    for number, asset in enumerate(sorted(ASSETS.glob("*.db"))):
        restore_backup(f"{url}{number}", asset)
        assert list_chats(f"{url}{number}") == ["tea"]


def test_log_left_by_a_killed_process_is_not_taken_for_the_backups(
    url: str, target: Path, backup: Path
):
    fill_target(url)
    script = "import os, sys; from storage.store import Store; s = Store.open(sys.argv[1]); "
    kill = script + "s.rename_conversation('ann', 'old', 'new'); os._exit(1)"
    subprocess.run([sys.executable, "-c", kill, url], cwd=ROOT, check=False)
    assert target.with_name("chat.db-wal").stat().st_size
    kept = restore_backup(url, backup, is_forced=True)
    assert list_chats(url) == ["restored"]
    with Store.open(f"sqlite:///{kept}") as old:
        assert old.read_conversation("ann", "old").title == "new"


def test_log_without_its_database_is_not_taken_for_the_backups(
    url: str, target: Path, backup: Path
):
    fill_target(url)
    with Store.open(url) as store:
        store.rename_conversation("ann", "old", "new")
        log = target.with_name("chat.db-wal").read_bytes()
    target.unlink()
    target.with_name("chat.db-wal").write_bytes(log)
    restore_backup(url, backup)
    assert list_chats(url) == ["restored"]


def test_database_in_use_is_left_alone(url: str, backup: Path):
    with Store.open(url) as store:
        record_chain(store, 1, "old")
        for is_forced in (False, True):
            with pytest.raises(StorageError, match="in use; stop Palaver"):
                restore_backup(url, backup, is_forced=is_forced)
        record_chain(store, 1, "goes-on")
    assert list_chats(url) == ["goes-on", "old"]


def test_damaged_database_is_replaced_only_by_force(url: str, target: Path, backup: Path):
    target.parent.mkdir()
    target.write_bytes(b"not a database\n" * 100)
    with pytest.raises(StorageError, match="damaged or isn't a database"):
        restore_backup(url, backup)
    kept = restore_backup(url, backup, is_forced=True)
    assert kept and kept.read_bytes() == b"not a database\n" * 100
    assert list_chats(url) == ["restored"]


def write_garbage(path: Path) -> None:
    path.write_bytes(b"secret diary, not a database\n" * 100)


def write_torn(path: Path) -> None:
    with Store.open("sqlite://") as store:
        record_chain(store, 50)
        store.backup(path)
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(path.stat().st_size - 8192))


def write_foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE cookies (id)")


def write_newer(path: Path) -> None:
    with Store.open("sqlite://") as store:
        store.backup(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")


def write_orphans(path: Path) -> None:
    with Store.open("sqlite://") as store:
        record_chain(store, 1)
        store.backup(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("DELETE FROM users")


@pytest.mark.parametrize(
    ("write", "match"),
    [
        (lambda path: None, r"There is no backup bad\.db"),
        (lambda path: path.mkdir(), r"There is no backup bad\.db"),
        (lambda path: path.touch(), "isn't a backup of Palaver"),
        (write_foreign, "isn't a backup of Palaver"),
        (write_garbage, r"backup bad\.db is damaged"),
        (write_torn, r"backup bad\.db is damaged"),
        (write_orphans, r"backup bad\.db is damaged"),
        (write_newer, r"The backup bad\.db was written by a newer Palaver"),
    ],
)
def test_file_that_is_no_sound_backup_is_refused(url, target, tmp_path, write, match):
    fill_target(url)
    bad = tmp_path / "bad.db"
    write(bad)
    with pytest.raises(SetupError, match=match) as caught:
        restore_backup(url, bad, is_forced=True)
    assert str(tmp_path) not in str(caught.value)
    assert list_chats(url) == ["old"]
    assert [file.name for file in target.parent.iterdir()] == ["chat.db"]


def test_database_is_no_backup_of_itself(url: str, target: Path):
    fill_target(url)
    with pytest.raises(SetupError, match="is the database itself"):
        restore_backup(url, target, is_forced=True)
    assert list_chats(url) == ["old"]


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///:memory:", "postgresql://u:secret@h/d", "sqlite:///file:x?uri=true"],
)
def test_target_that_is_no_sqlite_file_is_refused(backup: Path, url: str):
    with pytest.raises(SettingsError, match="SQLite file alone") as caught:
        restore_backup(url, backup)
    assert "secret" not in str(caught.value)


def test_disk_that_takes_no_more_is_told(url: str, target: Path, backup: Path):
    fill_target(url)
    with pytest.raises(StorageError), limit_files_to(20_000):
        restore_backup(url, backup, is_forced=True)
    assert list_chats(url) == ["old"]
    assert [file.name for file in target.parent.iterdir()] == ["chat.db"]


def test_folder_that_cannot_be_made_is_told(tmp_path: Path, backup: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PalaverError, match="cannot be put in place"):
        restore_backup(f"sqlite:///{tmp_path}/file/chat.db", backup)


# Kills itself at the call that is named, before it is made.
_KILL_AT = """
import os, signal, sys
from pathlib import Path
import storage.backup
from storage.backup import restore_backup

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

place, url, path = sys.argv[1:]
module, name = (os, "replace") if place == "replace" else (storage.backup, place)
setattr(module, name, die)
restore_backup(url, Path(path), is_forced=True)
"""


@pytest.mark.parametrize(
    "place", ["_check_content", "prepare_schema", "_keep", "_remove_side_files", "replace"]
)
def test_kill_in_the_middle_leaves_the_old_database(
    url: str, target: Path, backup: Path, place: str
):
    fill_target(url)
    command = [sys.executable, "-c", _KILL_AT, place, url, str(backup)]
    child = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
    assert child.returncode == -signal.SIGKILL
    assert list_chats(url) == ["old"]
    restore_backup(url, backup, is_forced=True)
    assert list_chats(url) == ["restored"]
    assert not list(target.parent.glob("*.restored*"))
