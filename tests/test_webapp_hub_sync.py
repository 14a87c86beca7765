"""Chats outlive the disk they are on: what was pushed comes back, whatever breaks on the way."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from chat.errors import SettingsError, StorageError
from chat.review import OperatorRule, Review, VerdictFilter
from storage.backup import restore_backup
from storage.store import Store
from tests.storage_kit import fill, make_turn
from webapp.auth import read_key
from webapp.hub import sync as syncing
from webapp.hub.dataset import DatasetRemote
from webapp.hub.remote import FolderRemote
from webapp.hub.sync import Sync
from webapp.keys import Keys


class Clock:
    def __init__(self):
        self.now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

    def __call__(self):
        return self.now

    def pass_time(self, **amount):
        self.now += timedelta(**amount)


class Site:
    """One process of Palaver with a disk of its own; `wipe` gives it a new one."""

    def __init__(self, folder, make_remote, clock):
        self.folder, self.make_remote, self.clock = folder, make_remote, clock
        self.num_disks = 0
        self.wipe()

    def wipe(self):
        self.num_disks += 1
        self.disk = self.folder / f"disk-{self.num_disks}"
        self.disk.mkdir()
        return self.start()

    def start(self):
        self.store = Store.open(f"sqlite:///{self.disk / 'palaver.db'}")
        self.sync = Sync(self.store, self.make_remote(), data_dir=self.disk, clock=self.clock)
        self.sync.restore()
        return self

    def stop(self):
        self.store.close()
        return self

    def chat(self, owner="ada", conversation="c", **options):
        turn = make_turn(conversation, **options)
        self.store.record_turn(owner, turn, title=conversation)
        return turn

    def titles(self, owner="ada"):
        return {conversation.title for conversation in self.store.list_conversations(owner)}


@pytest.fixture(autouse=True)
def retry_at_once(monkeypatch):
    """The Hub's library waits up to 23 seconds before it believes that the Hub is down."""
    clock = SimpleNamespace(sleep=lambda seconds: None, time=time.time, monotonic=time.monotonic)
    monkeypatch.setattr("huggingface_hub.utils._http.time", clock)


@pytest.fixture(params=["folder", "dataset"])
def make_site(request, tmp_path, hub, hub_server):
    """Return a function that starts one more process on the same remote place."""
    clock = Clock()
    sites = []

    def make(name="site"):
        folder = tmp_path / f"{name}-{len(sites)}"
        folder.mkdir()
        site = Site(folder, make_remote, clock)
        sites.append(site)
        return site

    if request.param == "folder":

        def make_remote():
            return FolderRemote(tmp_path / "volume")

        make.names = lambda: FolderRemote(tmp_path / "volume").list()
        make.spoil = lambda name: (tmp_path / "volume" / name).write_bytes(b"{ damaged")
        yield make
    else:

        def make_remote():
            return dataset(hub_server[1])

        make.names = lambda: set(hub.dataset().files) - {".gitattributes", "README.md"}
        make.spoil = lambda name: hub.dataset().files.update({name: b"{ damaged"})
        yield make
    for site in sites:
        site.stop()


def files_of_changes(make_site):
    return sorted(name for name in make_site.names() if name.startswith("changes/"))


def test_what_was_pushed_is_there_after_a_wipe(make_site):
    site = make_site()
    turn = site.chat(conversation="c1")
    site.chat(conversation="c2")
    key = read_key(site.disk)
    assert site.sync.status()["state"] == "behind"
    assert site.sync.exchange()
    assert site.sync.status()["state"] == "ok" and site.sync.banner == ""
    site.stop().wipe()
    assert site.titles() == {"c1", "c2"}
    branch = site.store.read_branch("ada", "c1")
    assert [m.message.content for m in branch] == [turn.question.content, turn.answer.content]
    assert read_key(site.disk) == key


def test_nothing_is_pushed_twice_and_nothing_when_nothing_changed(make_site):
    site = make_site()
    site.chat()
    site.sync.exchange()
    before = files_of_changes(make_site)
    assert len(before) == 1
    site.sync.exchange()
    site.stop().start()
    site.sync.exchange()
    assert files_of_changes(make_site) == before


def test_a_deletion_reaches_the_copy_at_the_next_push(make_site):
    site = make_site()
    site.chat(conversation="kept")
    site.chat(conversation="gone")
    site.sync.exchange()
    site.store.delete_conversation("ada", "gone")
    site.sync.exchange()
    site.stop().wipe()
    assert site.titles() == {"kept"}


def test_a_person_who_leaves_is_gone_from_the_copy_too(make_site):
    site = make_site()
    site.chat()
    site.sync.exchange()
    site.store.delete_user("ada")
    site.sync.exchange()
    site.stop().wipe()
    assert site.store.is_empty()


def test_a_crash_between_pushing_and_forgetting_only_repeats_rows(make_site, monkeypatch):
    site = make_site()
    site.chat()
    monkeypatch.setattr(site.store, "forget_changes", lambda last, **files: 1 / 0)
    assert not site.sync.exchange()
    site.stop().start()
    site.chat(conversation="later")
    assert site.sync.exchange()
    site.stop().wipe()
    assert site.titles() == {"c", "later"}


def test_a_container_that_flushes_late_is_heard(make_site):
    old = make_site()
    old.chat(conversation="early")
    old.sync.exchange()
    new = make_site()
    assert new.titles() == {"early"}
    old.chat(conversation="late")
    old.sync.exchange()
    new.chat(conversation="new")
    assert new.sync.exchange()
    assert new.titles() == {"early", "late", "new"}


def test_what_came_late_does_not_undo_what_came_after_it(make_site):
    old = make_site()
    old.chat()
    old.sync.exchange()
    new = make_site()
    old.store.rename_conversation("ada", "c", "by the old one")
    old.sync.exchange()
    old.clock.pass_time(seconds=1)
    new.store.rename_conversation("ada", "c", "by the new one")
    new.sync.exchange()
    assert new.titles() == {"by the new one"}
    new.stop().wipe()
    assert new.titles() == {"by the new one"}


def test_many_files_become_few_and_what_was_deleted_is_really_gone(make_site, hub, monkeypatch):
    monkeypatch.setattr(syncing, "NUM_FILES", 5)
    site = make_site()
    site.chat(conversation="secret", question_id="q-secret")
    site.sync.exchange()
    for number in range(6):
        site.chat(conversation=f"c{number}")
        site.sync.exchange()
    site.store.delete_conversation("ada", "secret")
    site.clock.pass_time(minutes=1)
    site.sync.exchange()
    assert len(files_of_changes(make_site)) == 8  # not while another container may still write
    site.clock.pass_time(hours=1)
    site.sync.exchange()
    assert len(files_of_changes(make_site)) == 1
    if hub.repos:
        history = b"".join(b"".join(c.values()) for c in hub.dataset().commits)
        assert b"q-secret" not in history and b"secret" not in history
    site.stop().wipe()
    assert site.titles() == {f"c{number}" for number in range(6)}


def test_what_people_deleted_is_purged_within_a_day(make_site):
    site = make_site()
    site.chat(conversation="secret")
    site.sync.exchange()
    site.store.delete_conversation("ada", "secret")
    site.sync.exchange()
    site.clock.pass_time(hours=2)
    site.sync.exchange()
    assert len(files_of_changes(make_site)) == 2
    site.clock.pass_time(hours=23)
    site.sync.exchange()
    assert len(files_of_changes(make_site)) == 1
    assert site.stop().wipe().titles() == set()


@pytest.mark.parametrize("step", range(1, 4))
def test_a_stop_in_the_middle_of_making_files_one_loses_nothing(make_site, monkeypatch, step):
    monkeypatch.setattr(syncing, "NUM_FILES", 2)
    site = make_site()
    for number in range(5):
        site.chat(conversation=f"c{number}")
        site.sync.exchange()
    site.store.delete_conversation("ada", "c0")
    site.clock.pass_time(hours=1)
    write, calls = site.sync._remote.write, []

    def stop_in_the_middle(files, *, delete=()):
        calls.append(files)
        if len(calls) < step:
            return write(files, delete=delete)
        if step < 3:
            raise SystemExit
        write(files, delete=delete[:2])
        raise SystemExit

    monkeypatch.setattr(site.sync._remote, "write", stop_in_the_middle)
    with pytest.raises(SystemExit):
        site.sync.exchange()
    site.stop().wipe()
    # Before its first write nothing has left this disk, the deletion neither.
    expected = {f"c{number}" for number in range(5)} - ({"c0"} if step > 1 else set())
    assert site.titles() == expected


def test_a_damaged_file_is_named_left_out_and_left_alone(make_site, monkeypatch, caplog):
    monkeypatch.setattr(syncing, "NUM_FILES", 1)
    site = make_site()
    for number in range(3):
        site.chat(owner=f"user-{number}", conversation=f"c{number}")
        site.sync.exchange()
    damaged = files_of_changes(make_site)[1]
    make_site.spoil(damaged)
    site.stop().wipe()
    assert site.titles("user-0") == {"c0"} and site.titles("user-2") == {"c2"}
    assert damaged in caplog.text
    assert "couldn't be read" in site.sync.banner
    assert site.sync.status()["state"] == "failing"
    assert "damaged" in site.sync.status()["note"] and damaged not in site.sync.status()["note"]
    site.clock.pass_time(days=2)
    site.chat(conversation="afterwards")
    assert site.sync.exchange()
    assert damaged in files_of_changes(make_site)


def test_a_damaged_file_on_which_others_rest_stops_the_restore_and_nothing_else(make_site, caplog):
    site = make_site()
    first = site.chat()
    site.sync.exchange()
    site.chat(parent_id=first.answer_id, question_id="q2", answer_id="a2")
    site.sync.exchange()
    make_site.spoil(files_of_changes(make_site)[0])
    site.stop().wipe()
    assert "couldn't be fetched yet" in site.sync.banner
    site.chat(owner="bob", conversation="meanwhile")
    assert site.titles("bob") == {"meanwhile"}
    caplog.clear()
    assert not site.sync.exchange()
    assert "Damaged" in caplog.text


def test_a_database_that_was_there_before_is_copied_whole(make_site):
    site = make_site()
    site.stop()
    path = site.disk / "palaver.db"
    path.unlink()
    with Store.open(f"sqlite:///{path}") as store:
        store.record_turn("ada", make_turn("untracked"), title="untracked")
    site.start()
    site.stop().wipe()
    assert site.titles() == {"untracked"}


def lose_database(site):
    """Lose the database and nothing beside it."""
    site.stop()
    for path in site.disk.glob("palaver.db*"):
        path.unlink()
    return site.start()


def test_a_database_that_was_lost_alone_comes_back_and_empties_nothing(make_site, monkeypatch):
    monkeypatch.setattr(syncing, "NUM_FILES", 2)
    site = make_site()
    for number in range(4):
        site.chat(conversation=f"c{number}")
        site.sync.exchange()
    titles = {f"c{number}" for number in range(4)}
    assert lose_database(site).titles() == titles
    site.clock.pass_time(minutes=11)
    assert site.sync.exchange()
    assert site.stop().wipe().titles() == titles


def test_a_database_that_knows_of_files_and_has_nobody_empties_no_copy(
    make_site, monkeypatch, caplog
):
    monkeypatch.setattr(syncing, "NUM_FILES", 2)
    site = make_site()
    for number in range(4):
        site.chat(conversation=f"c{number}")
        site.sync.exchange()
    before = files_of_changes(make_site)
    lose_database(site).store.leave_places()
    with site.store._database.write() as session:
        session.connection().exec_driver_sql("DELETE FROM users")
    site.store.replace_files(site.sync._remote.target, dict.fromkeys(before, False))
    site.stop().start()
    site.clock.pass_time(minutes=11)
    assert site.sync.exchange()
    assert files_of_changes(make_site) == before
    assert "nothing is removed" in caplog.text


def test_when_everybody_has_left_the_copy_is_emptied_for_good(make_site):
    site = make_site()
    site.chat()
    site.sync.exchange()
    site.store.delete_user("ada")
    site.sync.exchange()
    site.stop().start()
    site.clock.pass_time(days=2)
    assert site.sync.exchange()  # connected long ago by now
    assert len(files_of_changes(make_site)) <= 1
    assert site.stop().wipe().store.is_empty()


def test_what_is_restored_from_a_backup_goes_to_the_copy(make_site, tmp_path):
    site = make_site()
    site.chat(conversation="precious")
    site.chat(conversation="renamed")
    site.sync.exchange()
    site.store.backup(tmp_path / "backup.db")
    site.store.delete_conversation("ada", "precious")
    site.store.rename_conversation("ada", "renamed", "otherwise")
    site.chat(conversation="later")
    site.sync.exchange()
    site.stop()
    url = f"sqlite:///{site.disk / 'palaver.db'}"
    restore_backup(url, tmp_path / "backup.db", is_forced=True)
    titles = {"precious", "renamed", "later"}
    assert site.start().titles() == titles
    assert len(site.store.read_branch("ada", "precious")) == 2
    assert site.sync.exchange() and site.titles() == titles
    assert site.stop().wipe().titles() == titles


def test_a_key_revoked_by_a_command_stays_revoked_and_one_made_so_is_kept(make_site):
    site = make_site()
    key, secret = Keys(site.store).create("program")
    site.sync.exchange()
    with Store.open(f"sqlite:///{site.disk / 'palaver.db'}") as command:
        Keys(command).revoke(key.id)
        other, _ = Keys(command).create("made by command")
    assert site.sync.exchange()
    site.stop().wipe()
    assert Keys(site.store).find(secret) is None
    assert {row.id for row in site.store.list_api_keys()} == {key.id, other.id}


def act_while_pulling(site, monkeypatch, act):
    """Let somebody do something while changes are on their way from the other place."""
    read, is_done = site.sync._remote.read, []

    def slow_read(names):
        contents = read(names)
        if not is_done:
            is_done.append(True)
            act()
        return contents

    monkeypatch.setattr(site.sync._remote, "read", slow_read)


def test_what_people_do_during_a_pull_is_not_undone(make_site, monkeypatch):
    old = make_site()
    late = old.chat(conversation="late")
    site = make_site()
    old.chat(conversation="gone")
    old.chat(conversation="kept")
    old.sync.exchange()
    site.sync.exchange()
    # A second file from the old one, which touches the same chats again.
    old.store.rename_conversation("ada", "gone", "by the old one")
    old.store.rename_conversation("ada", "kept", "by the old one")
    old.store.record_turn("ada", make_turn("gone", old.store.read_branch("ada", "gone")[-1].id))
    old.sync.exchange()

    def act():
        site.store.delete_conversation("ada", "gone")
        site.store.rename_conversation("ada", "kept", "mine")

    act_while_pulling(site, monkeypatch, act)
    assert site.sync.exchange()
    assert site.titles() == {"late", "mine"} and late
    assert site.sync.exchange()
    assert site.stop().wipe().titles() == {"late", "mine"}


def test_a_late_turn_in_a_chat_that_is_gone_stops_nothing(make_site):
    old = make_site()
    first = old.chat(conversation="gone")
    old.sync.exchange()
    new = make_site()
    old.chat(conversation="gone", parent_id=first.answer_id)
    new.store.delete_conversation("ada", "gone")
    new.sync.exchange()
    old.sync.exchange()
    new.chat(conversation="new")
    assert new.sync.exchange()
    assert new.store.stats()["messages"] == 2
    new.stop().wipe()
    assert new.sync.banner == "" and "new" in new.titles()
    assert new.store.stats()["messages"] == 2


def test_a_clock_that_was_ahead_brings_nothing_back(make_site):
    site = make_site()
    site.clock.pass_time(minutes=5)
    site.chat(conversation="private")
    site.sync.exchange()
    site.stop()
    site.clock.pass_time(minutes=-5)
    site.wipe()
    site.store.delete_conversation("ada", "private")
    site.sync.exchange()
    assert site.titles() == set()
    assert site.stop().wipe().titles() == set()


def test_a_damaged_key_in_the_other_place_harms_none_here(make_site):
    site = make_site()
    key = read_key(site.disk)
    site.sync._remote.write({"cookie.key": b"cut off"})
    site.stop()
    with pytest.raises(SettingsError, match="damaged in the copy"):
        site.start()
    assert read_key(site.disk) == key
    site.sync._remote.write({"cookie.key": b" "})
    site.stop().start()
    assert site.sync._remote.read(["cookie.key"])["cookie.key"] == key


@pytest.mark.parametrize("has_news", [False, True])
def test_a_place_that_was_emptied_gets_everything_again(make_site, has_news):
    site = make_site()
    site.chat()
    site.sync.exchange()
    if has_news:
        site.store.count("turns")
    site.sync._remote.write({}, delete=sorted(site.sync._remote.list() - {".gitattributes"}))
    site.clock.pass_time(minutes=16)
    assert site.sync.exchange()
    site.stop().start()
    assert site.stop().wipe().titles() == {"c"}
    assert bool(site.store.read_counts()) == has_news


def test_a_full_disk_here_does_not_fill_the_other_place(make_site, monkeypatch):
    site = make_site()
    forget = site.store.forget_changes

    def fail(last, **files):
        raise StorageError("The disk is full.")

    monkeypatch.setattr(site.store, "forget_changes", fail)
    site.chat()
    for _ in range(3):
        assert not site.sync.exchange()
    assert len(files_of_changes(make_site)) == 1
    site.chat(conversation="more")
    assert not site.sync.exchange()
    assert len(files_of_changes(make_site)) == 2
    assert not site.sync.status()["pending"]
    monkeypatch.setattr(site.store, "forget_changes", forget)
    assert site.sync.exchange()
    assert not site.store.has_changes()
    before = files_of_changes(make_site)
    site.stop().start()
    assert files_of_changes(make_site) == before
    assert site.stop().wipe().titles() == {"c", "more"}


def test_a_stop_pushes_and_leaves_the_rest_for_the_next_start(make_site, monkeypatch):
    monkeypatch.setattr(syncing, "NUM_FILES", 2)
    site = make_site()
    for number in range(4):
        site.chat(conversation=f"c{number}")
        site.sync.exchange()
    site.chat(conversation="last")
    site.clock.pass_time(hours=1)
    assert site.sync.exchange(is_stopping=True)
    assert len(files_of_changes(make_site)) == 5


def test_chats_of_a_newer_palaver_are_refused_and_older_ones_taken(make_site, monkeypatch):
    site = make_site()
    site.chat()
    site.sync.exchange()
    ours = site.store.schema_revision()
    site.stop()
    monkeypatch.setattr(Store, "schema_revision", lambda store: "0000")
    with pytest.raises(SettingsError, match=f"newer Palaver.*{ours}"):
        site.wipe()
    site.stop()
    monkeypatch.setattr(Store, "schema_revision", lambda store: "9999")
    assert site.wipe().titles() == {"c"}


def test_what_reviewers_said_goes_with_its_chat_and_rules_stay(make_site):
    site = make_site()
    fill(site.store, "ada", "c")
    site.store.save_rule(OperatorRule("r", "Rivals", "rivals", patterns=("acme",)), "ada")
    (verdict,) = site.store.list_verdicts(VerdictFilter(stage="output")).verdicts
    site.store.record_review(Review(verdict.id, "boss", "correct", ("spam",), "a note"))
    site.sync.exchange()
    store = site.stop().wipe().store
    assert store.list_verdicts(VerdictFilter(ids=(verdict.id,))).verdicts[0].text == verdict.text
    assert "a note" in [review.note for review in store.read_reviews(verdict.id)]
    store.delete_user("ada")
    site.sync.exchange()
    site.clock.pass_time(days=1, minutes=11)
    site.sync.exchange()
    remote = site.make_remote()
    left = b"".join(dict(remote.read(sorted(remote.list()))).values())
    assert b"acme" in left and verdict.text.encode() not in left and b"a note" not in left
    store = site.stop().wipe().store
    (rule,) = store.list_rules()
    assert (rule.patterns, rule.created_by) == (("acme",), "")
    assert store.stats()["verdicts"] == store.stats()["reviews"] == 0


def test_a_place_full_of_other_files_is_refused_and_left_alone(make_site, tmp_path, hub):
    remote = make_site().stop().make_remote()
    names = list(remote.list())
    remote.write({"holiday.jpg": b"sun"}, delete=[n for n in names if n != ".gitattributes"])
    before = remote.list()
    with pytest.raises(SettingsError, match=r"other files.*holiday\.jpg"):
        make_site()
    assert remote.list() == before


@pytest.mark.parametrize("manifest", [b"", b"{", b"[]", b'{"format": "another"}'])
def test_a_place_of_another_program_is_refused(make_site, manifest):
    remote = make_site().stop().make_remote()
    remote.write({"palaver.json": manifest})
    with pytest.raises(SettingsError, match=r"palaver\.json"):
        make_site()


# The Hub itself


@pytest.fixture
def hub_site(tmp_path, hub, hub_server):
    site = Site(tmp_path, lambda: dataset(hub_server[1]), Clock())
    site.url = hub_server[1]
    yield site
    site.stop()


def dataset(url, token="hf_write", name="ada/chats"):
    return DatasetRemote(name, token=token, endpoint=url)


def test_the_dataset_is_made_private_and_says_what_it_is(hub_site, hub):
    repo = hub.dataset()
    assert repo.is_private
    assert b"private" in repo.files["README.md"]
    assert json.loads(repo.files["palaver.json"])["format"] == "palaver-chats"
    assert repo.files["cookie.key"] == read_key(hub_site.disk)


def test_without_a_token_the_secret_to_add_is_named():
    with pytest.raises(SettingsError, match="HF_TOKEN"):
        dataset("http://localhost:1", token="")


@pytest.mark.parametrize("token", ["hf_read", "hf_fine", "hf_other", "hf_unknown"])
def test_a_token_that_may_not_write_is_refused_at_the_start(hub_site, token):
    hub_site.stop()
    hub_site.make_remote = lambda: dataset(hub_site.url, token, "ada/another")
    with pytest.raises(SettingsError, match="HF_TOKEN"):
        hub_site.wipe()


def test_a_public_dataset_is_refused_before_anything_is_written(hub_site, hub):
    hub_site.stop()
    repo = hub.add("dataset", "ada/open", is_private=False)
    hub_site.make_remote = lambda: dataset(hub_site.url, name="ada/open")
    with pytest.raises(SettingsError, match="public"):
        hub_site.wipe()
    assert repo.commits == [{}]


def test_a_hub_that_is_down_at_boot_is_tried_again_and_nothing_is_lost(hub_site, hub):
    hub_site.chat(conversation="before")
    hub_site.sync.exchange()
    old_key = read_key(hub_site.disk)
    hub_site.stop()
    hub.is_down = True
    hub_site.wipe()
    told = []
    hub_site.sync.on_key = told.append
    new_key = read_key(hub_site.disk)
    assert new_key != old_key
    assert "couldn't be fetched yet" in hub_site.sync.banner
    assert hub_site.sync.status()["state"] == "failing"
    hub_site.chat(conversation="meanwhile")
    assert not hub_site.sync.exchange()
    hub.is_down = False
    assert hub_site.sync.exchange()
    assert hub_site.titles() == {"before", "meanwhile"}
    assert hub_site.sync.banner == ""
    # Cookies of both times are believed, here and after the next wipe.
    assert told[-1].split() == [old_key, new_key]
    assert hub.dataset().files["cookie.key"].split() == [old_key, new_key]
    hub_site.stop().wipe()
    assert hub_site.titles() == {"before", "meanwhile"}
    assert read_key(hub_site.disk).split() == [old_key, new_key]


def test_a_hub_that_goes_down_in_the_middle_loses_nothing(hub_site, hub):
    hub_site.chat(conversation="c0")
    hub_site.sync.exchange()
    hub.is_down = True
    for number in range(1, 4):
        hub_site.chat(conversation=f"c{number}")
        assert not hub_site.sync.exchange()
    assert hub_site.sync.num_failures == 3
    assert "can't be kept safe" in hub_site.sync.banner
    hub.is_down = False
    assert hub_site.sync.exchange()
    assert hub_site.sync.banner == "" and hub_site.sync.num_failures == 0
    hub_site.stop().wipe()
    assert hub_site.titles() == {"c0", "c1", "c2", "c3"}


def test_an_answer_lost_on_the_way_only_repeats_rows(hub_site, hub):
    hub_site.chat()
    hub.num_lost_answers = 1
    assert not hub_site.sync.exchange()
    assert hub_site.sync.exchange()
    hub_site.stop().wipe()
    assert hub_site.titles() == {"c"}


def test_nothing_goes_to_a_dataset_that_was_made_public_meanwhile(hub_site, hub, caplog):
    hub.dataset().is_private = False
    hub_site.clock.pass_time(minutes=16)
    before = hub.dataset().commits[-1]
    hub_site.chat()
    assert not hub_site.sync.exchange()
    assert "public" in caplog.text
    assert hub.dataset().commits[-1] == before
    hub.dataset().is_private = True
    assert hub_site.sync.exchange()
    assert hub.dataset().commits[-1] != before


def test_a_token_taken_away_in_the_middle_is_said(hub_site, hub, caplog):
    hub.tokens.clear()
    hub_site.chat()
    assert not hub_site.sync.exchange()
    assert "HF_TOKEN" in caplog.text


def test_a_database_that_is_locked_is_a_failure_like_others(make_site, monkeypatch, caplog):
    site = make_site()

    def locked(*limit, **after):
        raise StorageError("The database is locked.")

    monkeypatch.setattr(site.store, "read_changes", locked)
    monkeypatch.setattr(site.store, "has_changes", locked)
    assert not site.sync.exchange()
    assert site.sync.status()["pending"] and "locked" in caplog.text


def test_nothing_of_the_chats_stays_in_the_hubs_cache(hub_site, tmp_path, monkeypatch):
    from huggingface_hub import constants

    hub_site.chat()
    hub_site.sync.exchange()
    hub_site.stop().wipe()
    cache = Path(constants.HF_HUB_CACHE)
    assert not list(cache.rglob("*ada--chats*")) if cache.exists() else True


def test_what_everybody_may_see_names_no_place(hub_site, hub, caplog):
    hub.dataset().is_private = False
    hub_site.clock.pass_time(minutes=16)
    for _ in range(2):
        assert not hub_site.sync.exchange()
    assert "ada/chats" in caplog.text
    assert "chats" not in json.dumps(hub_site.sync.status()).replace("the chats", "")
    assert "ada" not in hub_site.sync.banner and hub_site.sync.banner
