"""A backup brings everything back, or says why not and changes nothing."""

import io
import json
import os
import sqlite3
import stat
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from storage.store import Store
from tests.commands_kit import ROOT, desk_fixture
from tests.storage_kit import fill, limit_files_to, record_chain
from webapp.auth import read_key
from webapp.login import make_doorman
from webapp.settings import read_platform, read_settings

desk = desk_fixture()
is_root = hasattr(os, "geteuid") and os.geteuid() == 0


def chats(desk):
    with Store.open(desk.url) as store:
        return list(store.export_chats())


@pytest.fixture
def filled(desk):
    """A desk with two chats and a key."""
    with Store.open(desk.url) as store:
        fill(store, "ann", "c1")
        record_chain(store, 3, "c2")
    read_key(desk.data_dir)
    return desk


@pytest.fixture
def backup(filled):
    """The file of a backup."""
    filled.run("backup", filled.folder / "b.tar")
    return filled.folder / "b.tar"


def forget(desk):
    """Lose the machine."""
    for path in desk.data_dir.iterdir():
        path.unlink()


def visitors(desk):
    """Return what reads visitors' cookies, as the server would make it here."""
    settings = read_settings(["--data-dir", str(desk.data_dir)])
    return make_doorman(settings, read_platform()).visitors


def cookie_of(desk):
    return visitors(desk).header("ann", is_https=False).partition("=")[2].partition(";")[0]


def test_a_backup_brings_chats_and_cookies_back(filled, backup):
    before, cookie = chats(filled), cookie_of(filled)
    forget(filled)
    filled.run("restore", backup)
    assert chats(filled) == before
    assert visitors(filled).read(cookie) == "ann"
    assert not filled.leftovers()
    for name in ("palaver.db", "cookie.key"):
        assert stat.S_IMODE((filled.data_dir / name).stat().st_mode) == 0o600


def test_a_backup_is_made_and_consistent_while_others_write(filled):
    with Store.open(filled.url) as store:
        record_chain(store, 5, "late")
        filled.run("backup", filled.folder / "b.tar")
        record_chain(store, 1, "later")
    before = chats(filled)
    forget(filled)
    filled.run("restore", filled.folder / "b.tar")
    assert {chat["id"] for chat in before} - {chat["id"] for chat in chats(filled)} == {"later"}


def test_a_backup_names_itself_by_the_time_and_is_for_its_owner_alone(filled):
    path = filled.run("backup").strip()
    assert path.startswith(str(filled.data_dir / "backups" / "palaver-20"))
    assert path.endswith("Z.tar")
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    with tarfile.open(path) as tar:
        assert tar.getnames() == ["manifest.json", "palaver.db", "cookie.key"]


def test_a_backup_overwrites_nothing_unless_forced(filled, backup):
    content = backup.read_bytes()
    assert "exists already" in filled.refuse("backup", backup)
    assert backup.read_bytes() == content
    filled.run("backup", backup, "--force")
    assert not filled.leftovers()


def test_a_backup_without_a_key_says_so(desk):
    with Store.open(desk.url) as store:
        store.ensure_user("ann")
    desk.run("backup", desk.folder / "b.tar")
    assert "cookie.key" in desk.told
    desk.run("restore", desk.folder / "b.tar", "--force")
    assert "no key" in desk.told


def test_there_is_nothing_to_back_up_before_the_first_start(desk):
    assert "There is no database" in desk.refuse("backup", desk.folder / "b.tar")
    assert not desk.database.exists()
    assert not (desk.folder / "b.tar").exists()


@pytest.mark.parametrize("url", ["postgresql://secret@nowhere/x", "sqlite://"])
def test_another_kind_of_database_has_its_own_tools(desk, url):
    for words in (["backup"], ["restore", "x.tar"]):
        told = desk.refuse(*words, "--database-url", url)
        assert "SQLite file" in told and "secret" not in told


def test_a_backup_into_a_missing_folder_says_which(filled):
    assert "nowhere" in filled.refuse("backup", filled.folder / "nowhere" / "b.tar")


@pytest.mark.skipif(is_root, reason="root may write anywhere")
def test_a_backup_into_a_forbidden_folder_leaves_nothing(filled):
    folder = filled.folder / "locked"
    folder.mkdir(mode=0o500)
    assert "Permission denied" in filled.refuse("backup", folder / "b.tar")


def test_a_full_disk_leaves_no_half_backup(filled):
    with limit_files_to(20_000):
        filled.refuse("backup", filled.folder / "b.tar")
    assert not (filled.folder / "b.tar").exists()
    assert not filled.leftovers()


def test_chats_are_replaced_only_if_forced_and_then_kept_aside(filled, backup):
    with Store.open(filled.url) as store:
        record_chain(store, 1, "new")
    before = chats(filled)
    filled.refuse("restore", backup)
    assert chats(filled) == before
    key = filled.data_dir / "cookie.key"
    key.write_text("f" * 64)
    filled.run("restore", backup, "--force")
    assert {chat["id"] for chat in chats(filled)} == {"c1", "c2"}
    assert key.read_text() != "f" * 64
    kept = [path for path in filled.data_dir.iterdir() if "old" in path.name]
    assert any(path.read_bytes() == b"f" * 64 for path in kept)
    old = next(path for path in kept if path.name.startswith("palaver.db"))
    with sqlite3.connect(old) as connection:
        found = connection.execute("SELECT id FROM conversations").fetchall()
    connection.close()
    assert ("new",) in found


def test_nothing_is_restored_under_a_running_server(filled, backup):
    with Store.open(filled.url) as store:
        key = (filled.data_dir / "cookie.key").read_bytes()
        assert "in use" in filled.refuse("restore", backup, "--force")
        assert (filled.data_dir / "cookie.key").read_bytes() == key
        record_chain(store, 1, "goes-on")
    assert "goes-on" in {chat["id"] for chat in chats(filled)}
    assert not filled.leftovers()


def test_what_is_restored_is_news_to_every_copy_of_the_chats(filled):
    with Store.open(filled.url) as store:
        store.join_place("there")
        store.forget_changes(store.read_changes().last, place="there", files={"one": False})
        filled.run("backup", filled.folder / "b.tar")
        store.delete_conversation("ann", "c1")
    filled.run("restore", filled.folder / "b.tar", "--force")
    with Store.open(filled.url) as store:
        assert not store.has_changes()
        assert store.join_place("there") == {}
        noted = store.read_changes(10_000).records
        assert len(noted) == len(list(store.snapshot()))
    assert "PALAVER_SYNC" in filled.told


def test_a_missing_backup_is_named(desk):
    assert "b.tar" in desk.refuse("restore", desk.folder / "b.tar")
    assert not desk.database.exists()


def damage(path, how):
    content = path.read_bytes()
    if how == "cut off":
        path.write_bytes(content[: len(content) // 2])
    elif how == "changed":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes(64) + b"x" * 64 + content[middle + 128 :])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "something else":
        path.write_bytes(b"hello " * 1000)
    else:
        rewrite(path, how)


def rewrite(path, how):
    """Write the backup's tar again, with something in it that doesn't belong there."""
    with tarfile.open(path) as tar:
        files = {name: tar.extractfile(name).read() for name in tar.getnames()}
    manifest = json.loads(files["manifest.json"])
    if how == "newer format":
        manifest["format"] = 99
    elif how == "another file":
        manifest["files"]["../../evil"] = manifest["files"]["cookie.key"]
        files["../../evil"] = files["cookie.key"]
    elif how == "no database":
        del manifest["files"]["palaver.db"]
    elif how == "odd manifest":
        manifest = []
    files["manifest.json"] = json.dumps(manifest).encode()
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            if how == "a link" and name == "cookie.key":
                entry.type, entry.linkname, entry.size = tarfile.SYMTYPE, "/etc/passwd", 0
            tar.addfile(entry, io.BytesIO(content))


@pytest.mark.parametrize(
    "how",
    [
        "cut off",
        "changed",
        "empty",
        "something else",
        "newer format",
        "another file",
        "no database",
        "odd manifest",
        "a link",
    ],
)
def test_a_damaged_backup_changes_nothing(filled, backup, how):
    before, key = chats(filled), (filled.data_dir / "cookie.key").read_bytes()
    damage(backup, how)
    filled.refuse("restore", backup, "--force")
    assert chats(filled) == before
    assert (filled.data_dir / "cookie.key").read_bytes() == key
    assert not filled.leftovers()
    assert not (filled.folder.parent / "evil").exists()


def test_a_plain_database_is_restored_and_stays_where_it_is(filled):
    copy = filled.folder / "copy.db"
    with Store.open(filled.url) as store:
        store.backup(copy)
    before, key = chats(filled), (filled.data_dir / "cookie.key").read_bytes()
    filled.run("restore", copy, "--force")
    assert chats(filled) == before
    assert copy.exists()
    assert (filled.data_dir / "cookie.key").read_bytes() == key


@pytest.mark.parametrize("path", sorted((ROOT / "tests/assets/databases").glob("*.db")), ids=str)
def test_a_database_of_an_earlier_version_is_restored_and_upgraded(desk, path):
    desk.run("restore", path)
    assert chats(desk)


def test_a_database_of_an_earlier_version_can_be_backed_up_before_it_is_upgraded(desk):
    desk.data_dir.mkdir()
    old = (ROOT / "tests/assets/databases/v1.db").read_bytes()
    desk.database.write_bytes(old)
    desk.run("backup", desk.folder / "b.tar")
    assert desk.database.read_bytes() == old
    desk.run("restore", desk.folder / "b.tar", "--force")
    assert chats(desk)


def tear(path):
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (path.stat().st_size - 8192))


def orphan(path):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM users")


@pytest.mark.parametrize("damage", [tear, orphan])
def test_of_a_damaged_database_it_is_said_that_this_is_what_is_damaged(filled, damage):
    damage(filled.database)
    told = filled.refuse("backup", filled.folder / "b.tar")
    assert f"The database {filled.database.name} is damaged" in told
    assert "put a backup in its place" in told
    assert not (filled.folder / "b.tar").exists()


@pytest.mark.parametrize("kind", ["empty", "foreign", "damaged"])
def test_what_could_not_be_restored_is_not_backed_up(desk, kind):
    desk.data_dir.mkdir()
    if kind == "foreign":
        with closing(sqlite3.connect(desk.database)) as connection:
            connection.execute("CREATE TABLE songs (title TEXT)")
    else:
        desk.database.write_bytes(b"no database at all. " * 99 if kind == "damaged" else b"")
    desk.run("backup", desk.folder / "b.tar", status=2)
    assert desk.database.name in desk.told
    expected = {"empty": "is empty", "foreign": "another program's", "damaged": "damaged"}
    assert expected[kind] in desk.told
    assert not (desk.folder / "b.tar").exists()
