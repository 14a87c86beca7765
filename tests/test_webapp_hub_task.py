"""What was acknowledged before a stop is there after it, on another disk, in real processes."""

import asyncio
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from chat.errors import SettingsError
from storage.store import Store
from tests.hub_stand_in import Hub, serve_hub
from tests.scripted import ScriptedBackend
from tests.serving import create_app, free_port, make_settings, wait_for
from tests.tiny_model import TinyModel
from webapp.hub.remote import FolderRemote, RemoteUnavailable
from webapp.hub.sync import Sync
from webapp.hub.task import NoSync, choose_remote, keeping_in_step, open_sync
from webapp.settings import Platform, read_settings

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return TinyModel.random().save(tmp_path_factory.mktemp("model") / "tiny")


@contextmanager
def running(folder, model, target, *, drain_s=2, **environment):
    """Run app.py with its data in `folder`; yields a client and the process."""
    flags = {
        "model": model,
        "port": 0,
        "data_dir": folder / "data",
        "database_url": f"sqlite:///{folder / 'data' / 'palaver.db'}",
        "sync": target,
        "drain_s": drain_s,
    }
    with httpx.Client(timeout=60) as http:
        flags["port"] = free_port()
        http.base_url = f"http://127.0.0.1:{flags['port']}"
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **environment}
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "app.py"), *arguments],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            wait_for(http, process)
            yield http, process
        finally:
            process.kill()
            process.communicate()


def ask(http, text):
    body = {"messages": [{"role": "user", "content": text}], "max_tokens": 5}
    assert http.post("/v1/chat/completions", json=body).status_code == 200


def stop(process):
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) in (0, -signal.SIGTERM)


def read_titles(folder):
    with Store.open(f"sqlite:///{folder / 'data' / 'palaver.db'}") as store:
        return {row.title for row in store.list_conversations("api")}


def wipe(folder):
    shutil.rmtree(folder / "data")


def test_chats_and_cookies_outlive_a_wipe_of_the_disk(tmp_path, model):
    volume = tmp_path / "volume"
    with running(tmp_path, model, volume) as (http, process):
        cookie = http.get("/login").headers["set-cookie"].split(";")[0]
        ask(http, "Remember me")
        stop(process)
    wipe(tmp_path)
    with running(tmp_path, model, volume) as (http, process):
        # A visitor who is known gets no new cookie.
        assert "set-cookie" not in http.get("/login", headers={"cookie": cookie}).headers
        ask(http, "And me")
        stop(process)
    assert read_titles(tmp_path) == {"Remember me", "And me"}


def test_a_space_keeps_its_chats_in_its_dataset(tmp_path, model):
    hub = Hub()
    with serve_hub(hub) as url:
        space = {"SPACE_ID": "ada/palaver", "SPACE_HOST": "x.hf.space", "SYSTEM": "spaces"}
        space |= {"HF_TOKEN": "hf_write", "HF_ENDPOINT": url, "PALAVER_API_KEY": "k"}
        for text in ("Remember me", "And me"):
            with running(tmp_path, model, "ada/chats", **space) as (http, process):
                http.headers["authorization"] = "Bearer k"
                ask(http, text)
                stop(process)
            titles = read_titles(tmp_path)
            wipe(tmp_path)
    assert titles == {"Remember me", "And me"}


def test_kill_9_loses_nothing_on_the_same_disk_and_the_copy_catches_up(tmp_path, model):
    volume = tmp_path / "volume"
    with running(tmp_path, model, volume) as (http, process):
        ask(http, "Before the blow")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not list(volume.glob("changes/*"))
    with running(tmp_path, model, volume) as (_, process):
        stop(process)
    wipe(tmp_path)
    with running(tmp_path, model, volume) as (_, process):
        stop(process)
    assert read_titles(tmp_path) == {"Before the blow"}


def test_kill_9_in_the_middle_of_writing_leaves_no_half_file(tmp_path):
    """A folder's file appears whole or not at all; drafts of the dead are no files of ours."""
    program = (
        "import sys; from pathlib import Path; from webapp.hub.remote import FolderRemote\n"
        "remote = FolderRemote(Path(sys.argv[1])); remote.open(); number = 0\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    number += 1; remote.write({f'changes/{number}': b'x' * 2_000_000})\n"
    )
    folder = tmp_path / "volume"
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(folder)], cwd=ROOT, stdout=subprocess.PIPE
        )
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.1)
        process.kill()
        process.communicate()
    remote = FolderRemote(folder)
    contents = remote.read(sorted(remote.list()))
    assert contents and {len(content) for content in contents.values()} == {2_000_000}


# Which place the settings mean


def settings(tmp_path, **changes):
    changes = {"data_dir": tmp_path / "data", **changes}
    return read_settings([f"--{k.replace('_', '-')}={v}" for k, v in changes.items()])


@pytest.mark.parametrize("target", ["x", "a/b/c", "a b/c", "ada/", "https://x/y/z"])
def test_a_place_that_is_neither_folder_nor_dataset_is_refused(target):
    with pytest.raises(SettingsError, match="NAME/REPO"):
        choose_remote(target, Platform(hub_token="hf_x"))


def test_a_path_is_a_folder_and_a_name_a_dataset(tmp_path):
    assert choose_remote(str(tmp_path), Platform()).kind == "folder"
    assert choose_remote("./copy", Platform()).kind == "folder"
    dataset = choose_remote("ada/chats", Platform(hub_token="hf_x"))
    assert (dataset.kind, dataset.target) == ("dataset", "ada/chats")


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="can't be written"):
        FolderRemote(tmp_path / "file" / "copy").open()


def test_a_folder_that_goes_away_is_tried_again(tmp_path):
    with pytest.raises(RemoteUnavailable):
        FolderRemote(tmp_path).read(["gone"])


def test_a_database_that_is_not_sqlite_is_refused_with_sync(tmp_path):
    given = settings(tmp_path, sync=tmp_path / "x", database_url="postgresql://h/d")
    with pytest.raises(SettingsError, match="SQLite"):
        open_sync(given, Platform(), None)


def test_a_space_that_keeps_nothing_says_so_on_the_page(tmp_path):
    elsewhere = settings(tmp_path, database_url="postgresql://h/d")
    with Store.open("sqlite://") as store:
        on_space = open_sync(settings(tmp_path), Platform(space_id="a/b"), store)
        assert "wiped when this Space restarts" in on_space.banner
        assert open_sync(settings(tmp_path), Platform(), store).banner == ""
        assert open_sync(elsewhere, Platform(space_id="a/b"), store).banner == ""
    assert on_space.status()["state"] == "off"


def test_what_is_written_while_there_is_no_copy_reaches_the_next_one(tmp_path):
    given = settings(tmp_path, sync=tmp_path / "volume")
    with Store.open(f"sqlite:///{tmp_path / 'x.db'}") as store:
        open_sync(given, Platform(), store)
        open_sync(settings(tmp_path), Platform(), store)
        store.ensure_user("ada")
        assert not store.has_changes()
        open_sync(given, Platform(), store)
    with Store.open(f"sqlite:///{tmp_path / 'y.db'}") as fresh:
        open_sync(given, Platform(), fresh)
        assert not fresh.is_empty()


def test_a_given_key_does_not_travel(tmp_path):
    given = settings(tmp_path, sync=tmp_path / "volume", cookie_key="k" * 64)
    with Store.open(f"sqlite:///{tmp_path / 'x.db'}") as store:
        assert isinstance(open_sync(given, Platform(), store), Sync)
    assert not (tmp_path / "volume" / "cookie.key").exists()


async def test_changes_are_pushed_while_serving_and_at_the_end(tmp_path):
    given = settings(tmp_path, sync=tmp_path / "volume")
    with Store.open(f"sqlite:///{tmp_path / 'x.db'}") as store:
        sync = open_sync(given, Platform(), store)
        async with keeping_in_step(sync, every_s=3600, stopping=asyncio.Event()):
            store.ensure_user("ada")
            assert not list((tmp_path / "volume").glob("changes/*"))
        assert len(list((tmp_path / "volume").glob("changes/*"))) == 1


async def test_at_a_stop_it_pushes_before_answers_under_way_have_ended(tmp_path):
    given = settings(tmp_path, sync=tmp_path / "volume")
    stopping = asyncio.Event()
    with Store.open(f"sqlite:///{tmp_path / 'x.db'}") as store:
        sync = open_sync(given, Platform(), store)
        async with keeping_in_step(sync, every_s=3600, stopping=stopping):
            store.ensure_user("ada")
            stopping.set()
            async with asyncio.timeout(30):
                while not list((tmp_path / "volume").glob("changes/*")):
                    await asyncio.sleep(0.01)
            store.ensure_user("bob")  # what ends later comes with the last push
        assert len(list((tmp_path / "volume").glob("changes/*"))) == 2


def test_an_open_page_does_not_hold_up_the_push_at_a_stop(tmp_path, model):
    volume = tmp_path / "volume"
    with running(tmp_path, model, volume, drain_s=60) as (http, process):
        ask(http, "Remember me")
        with http.stream("GET", "/gradio_api/heartbeat/abc") as beat:
            assert beat.status_code == 200
            process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + 30
            while not list(volume.glob("changes/*")) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert process.poll() is None
        assert list(volume.glob("changes/*"))


async def test_where_nothing_is_kept_serving_is_as_it_was():
    async with keeping_in_step(NoSync(), every_s=1, stopping=asyncio.Event()):
        pass


def test_the_copy_can_be_read_by_its_owner_alone(tmp_path):
    given = settings(tmp_path, sync=tmp_path / "volume")
    with Store.open(f"sqlite:///{tmp_path / 'x.db'}") as store:
        open_sync(given, Platform(), store)
    assert (tmp_path / "volume" / "cookie.key").stat().st_mode & 0o777 == 0o600


def test_health_asks_for_the_state_outside_of_the_event_loop_and_names_no_place(
    tmp_path, monkeypatch
):
    status, was_in_loop = Sync.status, []

    def note_where(sync):
        try:
            asyncio.get_running_loop()
            was_in_loop.append(True)
        except RuntimeError:
            was_in_loop.append(False)
        return status(sync)

    monkeypatch.setattr(Sync, "status", note_where)
    place = tmp_path / "private-place"
    app = create_app(make_settings(tmp_path / "data", sync=place), backend=ScriptedBackend({}))
    with TestClient(app) as http:
        shutil.rmtree(place)
        place.write_text("in the way")
        with Store.open(f"sqlite:///{tmp_path / 'data' / 'palaver.db'}") as store:
            store.ensure_user("ada")
        app.state.stopping.set()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            report = http.get("/health")
            if report.json()["sync"]["state"] == "failing":
                break
            time.sleep(0.05)
        assert "private-place" not in report.text
        assert set(report.json()["sync"]) == {"kind", "state", "last_push", "pending", "note"}
        assert report.json()["sync"]["note"] and report.json()["sync"]["pending"]
    assert was_in_loop and not any(was_in_loop)
