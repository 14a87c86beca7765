"""One server to a SQLite file: the second is refused, and a killed one leaves nothing behind."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chat.errors import SetupError, StorageError
from storage import lock
from storage.lock import FileLock
from storage.store import Store

ROOT = Path(__file__).parent.parent
SERVER = (
    "import sys; from storage.store import Store\n"
    "store = Store.open(sys.argv[1], is_exclusive=True)\n"
    "print('open', flush=True); sys.stdin.read(); store.close()"
)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'chats.db'}"


def start(url):
    command = [sys.executable, "-c", SERVER, url]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "open\n"
    return process


def end(process):
    process.kill()
    process.communicate()


def test_a_second_server_is_refused_with_the_way_out(url):
    process = start(url)
    try:
        with pytest.raises(SetupError) as caught:
            Store.open(url, is_exclusive=True)
    finally:
        end(process)
    said = str(caught.value)
    assert "chats.db" in said and "--database-url" in said and "PostgreSQL" in said
    assert "\n" not in said


def test_a_killed_server_leaves_the_file_free(url):
    end(start(url))
    with Store.open(url, is_exclusive=True) as store:
        assert store.check()["ok"]


def test_a_child_of_a_server_does_not_hold_the_file(url):
    with Store.open(url, is_exclusive=True):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        Store.open(url, is_exclusive=True).close()
    finally:
        end(child)


def test_commands_work_beside_a_server(url):
    with Store.open(url, is_exclusive=True) as server, Store.open(url) as command:
        server.ensure_user("ann")
        assert command.stats()["users"] == 1


def test_two_servers_in_one_process_exclude_each_other_until_one_closes(url):
    first = Store.open(url, is_exclusive=True)
    with pytest.raises(SetupError):
        Store.open(url, is_exclusive=True)
    first.close()
    first.close()
    Store.open(url, is_exclusive=True).close()


def test_a_file_that_cannot_be_opened_is_not_held(tmp_path, url):
    (tmp_path / "chats.db").write_text("dear diary, " * 1000)
    with pytest.raises(StorageError):
        Store.open(url, is_exclusive=True)
    (tmp_path / "chats.db").unlink()
    Store.open(url, is_exclusive=True).close()


def test_servers_on_different_files_and_in_memory_know_nothing_of_each_other(tmp_path):
    urls = [f"sqlite:///{tmp_path / name}" for name in ("a.db", "b.db")] + ["sqlite://"] * 2
    stores = [Store.open(url, is_exclusive=True) for url in urls]
    for store in stores:
        store.close()


def test_a_disk_without_locks_is_used_all_the_same(tmp_path, monkeypatch, caplog):
    def refuse(descriptor):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock, "_lock", refuse)
    FileLock.take(tmp_path / "x.lock", "the database x").release()
    assert "No locks available" in caplog.text


def test_a_lock_that_cannot_be_made_is_one_sentence(tmp_path):
    with pytest.raises(StorageError, match="the database x"):
        FileLock.take(tmp_path / "nowhere" / "x.lock", "the database x")


def test_a_lock_is_for_its_owners_eyes(tmp_path):
    FileLock.take(tmp_path / "x.lock", "x").release()
    assert os.name != "posix" or (tmp_path / "x.lock").stat().st_mode & 0o777 == 0o600
