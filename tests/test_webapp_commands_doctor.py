"""The doctor finds what is wrong, says what to do, and harms nobody."""

import json
import os
import shutil
import socket
import sqlite3
import tempfile
from pathlib import Path

import pytest

from chat.review import OperatorRule
from storage.store import Store
from tests.commands_kit import ROOT, desk_fixture
from tests.guard_stand_in import Reply, stand_in
from tests.serving import create_app, make_settings, serve
from tests.storage_kit import record_chain
from webapp.auth import read_key
from webapp.commands.checks import machine, packages, storage
from webapp.commands.checks import round as rounds
from webapp.commands.database import open_for_reading
from webapp.settings import read_settings

desk = desk_fixture()


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def examine(desk, *flags, status=0):
    """Run the doctor; return the worst level and the texts of each check."""
    report = json.loads(desk.run("doctor", "--json", *flags, status=status))
    assert report["ok"] == (status == 0)
    order = ["ok", "warning", "problem"]
    found = {}
    for finding in report["findings"]:
        level, texts = found.get(finding["check"], ("ok", ""))
        worst = max(level, finding["level"], key=order.index)
        found[finding["check"]] = (worst, f"{texts} {finding['message']} {finding['advice']}")
        assert finding["level"] == "ok" or finding["advice"] or finding["level"] == "problem"
    return found


def test_a_sound_installation_has_no_problem(desk, port):
    with Store.open(desk.url) as store:
        record_chain(store, 2)
    read_key(desk.data_dir)
    found = examine(desk, "--port", port)
    assert {check: level for check, (level, _) in found.items() if level == "problem"} == {}
    assert "1 conversation with 4 messages" in found["database"][1]
    assert "CPUExecutionProvider" in found["provider"][1]
    said = desk.run("doctor", "--port", port)
    assert all(line.split()[0] in ("ok", "warning", "->") for line in said.splitlines()[:-2])


def test_nothing_is_made_before_the_first_start(desk, port):
    found = examine(desk, "--port", port)
    for check in ("database", "cookie key", "data folder"):
        assert found[check][0] == "ok" and "first start" in found[check][1]
    assert not desk.data_dir.exists()


def test_what_is_missing_is_a_problem_that_names_it(desk, port, tmp_path):
    found = examine(
        desk, "--port", port, "--model", "nope", "--moderators", "rules,nobody", status=1
    )
    assert found["model"][0] == "problem" and "nope" in found["model"][1]
    assert found["moderators"][0] == "problem" and "nobody" in found["moderators"][1]
    found = examine(desk, "--port", port, "--policy", tmp_path / "no.toml", status=1)
    assert "no.toml" in found["moderators"][1]


def test_a_moderator_that_fails_is_found_before_it_refuses_everybody(
    desk, port, tmp_path, monkeypatch
):
    (tmp_path / "commands_raising.py").write_text(
        "class Raising:\n"
        "    manifest = {'name': 'raising', 'categories': ['spam']}\n"
        "    def check(self, context):\n"
        "        raise ValueError\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = examine(
        desk, "--port", port, "--moderators", "rules,commands_raising:Raising", status=1
    )
    assert "raising fails (ValueError), so every message" in found["moderators"][1]
    policy = tmp_path / "open.toml"
    policy.write_text("[on_error]\ninput = 'open'\noutput = 'open'\n")
    found = examine(
        desk, "--port", port, "--moderators", "rules,commands_raising:Raising", "--policy", policy
    )
    assert found["moderators"][0] == "warning"
    assert "raising fails (ValueError), and the policy lets that be" in found["moderators"][1]


def test_a_policy_may_name_what_the_rules_of_the_database_look_for(desk, port, tmp_path):
    policy = tmp_path / "house.toml"
    policy.write_text('[both]\nhouse = { threshold = 0.5, action = "block" }\n')
    flags = ("--port", port, "--moderators", "rules", "--policy", policy)
    assert "'house'" in examine(desk, *flags, status=1)["moderators"][1]
    with Store.open(desk.url) as store:
        store.save_rule(OperatorRule("a", "Ours", "house", patterns=("acme",), is_active=False))
    found = examine(desk, *flags)
    assert (found["moderators"][0], found["policy"][0]) == ("ok", "ok")


def test_a_key_that_is_refused_is_found_where_the_others_judge_on(desk, port, tmp_path):
    policy = tmp_path / "ours.toml"
    policy.write_text("[on_error]\ninput = 'degraded'\noutput = 'degraded'\n")
    config = tmp_path / "moderators.toml"
    with stand_in() as service:
        service.answer(Reply({}, 401))
        config.write_text(
            f'[webhook]\nurl = "{service.url}"\nallow_private = true\ncategories = ["hate"]\n'
        )
        found = examine(
            *(desk, "--port", port, "--moderators", "rules,webhook"),
            *("--policy", policy, "--moderator-config", config),
        )
    assert found["moderators"][0] == "warning"
    said = "webhook fails (unauthorised), and the others judge without it"
    assert said in found["moderators"][1]


def test_a_damaged_database_is_found(desk, port):
    with Store.open(desk.url) as store:
        for number in range(100):
            record_chain(store, 1, f"c{number}")
    content = desk.database.read_bytes()
    middle = len(content) // 2
    desk.database.write_bytes(content[:middle] + b"\xff" * 8192 + content[middle + 8192 :])
    found = examine(desk, "--port", port, status=1)
    assert found["database"][0] == "problem" and "restore" in found["database"][1]


@pytest.fixture
def nobodys_folder():
    """A folder that everybody may enter, and this account may not write."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    is_root = os.geteuid() == 0
    with Store.open(f"sqlite:///{folder / 'palaver.db'}") as store:
        record_chain(store, 1)
    (folder / "palaver.db").chmod(0o644)
    folder.chmod(0o555)
    if is_root:
        os.seteuid(65534)
    can_read_us = os.access(ROOT / "storage" / "migrations", os.R_OK | os.X_OK, effective_ids=True)
    if can_read_us:
        yield folder
    if is_root:
        os.seteuid(0)
    folder.chmod(0o755)
    shutil.rmtree(folder)
    if not can_read_us:
        pytest.skip("the account that owns nothing can't read this checkout either")


@pytest.mark.skipif(os.name != "posix", reason="other systems have other rights")
def test_a_database_in_a_folder_of_others_is_read_and_not_called_damaged(nobodys_folder):
    path = nobodys_folder / "palaver.db"
    settings = make_settings(nobodys_folder)
    assert storage.find_damage(path) == ""
    with open_for_reading(settings.database_url) as store:
        assert store.stats()["conversations"] == 1
    found = {finding.level: finding.message for finding in storage.check_database(settings)}
    assert "damaged" not in str(found)


@pytest.mark.skipif(os.name != "posix", reason="other systems have other rights")
def test_a_database_that_this_account_may_not_read_is_told_as_that(nobodys_folder):
    path = nobodys_folder / "palaver.db"
    euid = os.geteuid()
    if euid == 65534:
        os.seteuid(0)
    path.chmod(0o600 if euid == 65534 else 0)
    os.seteuid(euid)
    (finding,) = storage.check_database(make_settings(nobodys_folder))
    assert finding.level == "problem"
    assert "can't read" in finding.message and "damaged" not in finding.message


def test_the_way_back_is_a_command_that_can_be_copied(desk, port):
    desk.data_dir.mkdir()
    desk.database.write_bytes(b"x" * 8192)
    found = examine(desk, "--port", port, status=1)
    assert "python -m webapp restore FILE" in found["database"][1]


def test_a_wrong_or_unknown_setting_is_a_finding(desk, port, monkeypatch):
    monkeypatch.setenv("PALAVER_DRAIN_S", "long")
    monkeypatch.setenv("PALAVER_MODERATOR", "rules")
    found = examine(desk, "--port", port, status=1)
    assert found["settings"][0] == "problem"
    assert "PALAVER_DRAIN_S" in found["settings"][1]
    assert "did you mean PALAVER_MODERATORS?" in found["settings"][1]
    assert found["database"][0] == "ok"


def test_what_nobody_looks_for_is_told(desk, port):
    assert (
        "nobody looks for sexual/minors"
        in examine(desk, "--port", port, "--moderators", "pii")["moderators"][1]
    )
    said = examine(desk, "--port", port)["moderators"][1].partition("nobody looks for")[2]
    assert "pii" not in said and "secrets" not in said


def test_a_host_that_is_none_is_told_as_that(desk, port):
    found = examine(desk, "--port", port, "--host", "not.a.host.invalid", status=1)
    assert "'not.a.host.invalid'" in found["port"][1] and "--host" in found["port"][1]


def test_a_foreign_database_is_found(desk, port):
    desk.data_dir.mkdir()
    with sqlite3.connect(desk.database) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()
    found = examine(desk, "--port", port, status=1)
    assert found["database"][0] == "problem" and "another program" in found["database"][1]
    with sqlite3.connect(desk.database) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("songs",)]
    connection.close()


def test_a_database_that_will_be_upgraded_is_told(desk, port):
    desk.data_dir.mkdir()
    desk.database.write_bytes((ROOT / "tests/assets/databases/v1.db").read_bytes())
    found = examine(desk, "--port", port)
    assert found["database"][0] == "warning" and "earlier" in found["database"][1]


def test_a_damaged_or_open_key_is_found(desk, port):
    read_key(desk.data_dir)
    key = desk.data_dir / "cookie.key"
    key.chmod(0o644)
    assert examine(desk, "--port", port)["cookie key"][0] == "warning"
    key.write_text("short")
    assert examine(desk, "--port", port, status=1)["cookie key"][0] == "problem"


def test_a_taken_port_is_a_problem_unless_it_is_palaver(desk, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        assert examine(desk, "--port", taken, status=1)["port"][0] == "problem"
    settings = make_settings(tmp_path / "other")
    with serve(create_app(settings)) as url:
        found = examine(desk, "--port", url.rpartition(":")[2])
    assert "Palaver is running" in found["port"][1]


@pytest.mark.parametrize(
    ("settings", "check", "level", "words"),
    [
        ({}, "api", "ok", "this machine alone"),
        ({"HOST": "0.0.0.0"}, "api", "warning", "/v1 is closed"),
        ({"HOST": "0.0.0.0"}, "administrator", "warning", "PALAVER_ADMIN_PASSWORD"),
        ({"HOST": "0.0.0.0", "API_KEY": "k" * 40}, "api", "ok", "PALAVER_API_KEY"),
        ({"API_KEY": "s3cret"}, "api", "warning", "6 characters"),
        ({"ADMIN_PASSWORD": "s3cret"}, "administrator", "warning", "6 characters"),
        ({"ADMINS": "ann"}, "administrator", "ok", "the settings name"),
        ({"ALLOWED_ORIGINS": "*"}, "api", "warning", "every site"),
        ({"FORWARDED_ALLOW_IPS": "*"}, "proxy", "warning", "any address"),
        ({"THREADS": "250"}, "processors", "warning", "250"),
    ],
)
def test_risky_combinations_are_told(desk, port, monkeypatch, settings, check, level, words):
    for name, value in settings.items():
        monkeypatch.setenv(f"PALAVER_{name}", value)
    found = examine(desk, "--port", port)
    assert found[check][0] == level
    assert words in found[check][1]
    assert "s3cret" not in str(found)


def test_keys_in_the_database_open_the_api(desk, port):
    desk.run("keys", "create", "x")
    found = examine(desk, "--port", port, "--host", "0.0.0.0")
    assert found["api"][0] == "ok" and "1 key " in found["api"][1]
    with Store.open(desk.url) as store:
        store.revoke_api_key(store.list_api_keys()[0].id)
    assert "revoked" in examine(desk, "--port", port)["api"][1]


def test_a_space_that_forgets_is_told(desk, port, monkeypatch):
    monkeypatch.setenv("SPACE_ID", "ann/palaver")
    assert examine(desk, "--port", port)["space"][0] == "warning"
    for name in ("SPACE_AUTHOR_NAME", "OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET"):
        monkeypatch.setenv(name, "ann")
    assert "author" in examine(desk, "--port", port)["administrator"][1]
    monkeypatch.setenv("PALAVER_SYNC", "ann/chats")
    found = examine(desk, "--port", port, status=1)
    assert "HF_TOKEN" in found["space"][1]
    monkeypatch.setenv("HF_TOKEN", "hf_s3cret")
    found = examine(desk, "--port", port)
    assert found["space"][0] == "ok" and "s3cret" not in str(found)


def test_a_check_that_breaks_is_a_finding_and_the_others_go_on(desk, port, monkeypatch):
    def break_down(settings):
        raise ZeroDivisionError("oh")
        yield

    checks = (("odd", break_down), *rounds.CHECKS[:1])
    monkeypatch.setattr(rounds, "CHECKS", checks)
    found = examine(desk, "--port", port, status=1)
    assert "ZeroDivisionError: oh" in found["odd"][1]
    assert found["python"][0] == "ok"


def test_packages_are_compared_with_the_requirements(tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text("# a comment\njinja2>=3\nnumpy<1  # old\nno-such-package-of-ours>=1\n"
                    "another; sys_platform == 'nowhere'\n")  # fmt: skip
    found = list(packages.check_packages(read_settings([]), path))
    assert [finding.level for finding in found] == ["problem", "warning"]
    assert "no-such-package-of-ours" in found[0].message and "another" not in found[0].message
    assert "numpy" in found[1].message and "jinja2" not in found[1].message


def test_two_packages_of_onnxruntime_are_a_problem(monkeypatch):
    monkeypatch.setattr(packages, "_installed", lambda name: "1.30")
    (finding,) = packages.check_onnxruntime(read_settings([]))
    assert finding.level == "problem" and "both installed" in finding.message


def test_memory_is_what_the_container_leaves(tmp_path):
    assert machine.read_free_memory(tmp_path) is None
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 99 kB\nMemAvailable:   4000 kB\n")
    assert machine.read_free_memory(tmp_path) == 4_096_000
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("900\n")
    assert machine.read_free_memory(tmp_path) == 4_096_000
    (group / "memory.max").write_text("1000\n")
    assert machine.read_free_memory(tmp_path) == 100


def test_the_kind_of_disk_is_that_of_the_nearest_mount(tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/a / ext4 rw 0 0\nhost:/x {tmp_path} nfs4 rw 0 0\n")
    assert storage.read_filesystem(tmp_path, mounts) == "nfs4"
    assert storage.read_filesystem(tmp_path.parent, mounts) == "ext4"
    assert storage.read_filesystem(tmp_path, tmp_path / "none") == ""


@pytest.mark.parametrize(
    ("version", "is_fixed"),
    [
        ((3, 40, 1), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((4, 0, 0), True),
    ],
)
def test_an_sqlite_that_may_damage_files_is_told_apart(version, is_fixed):
    assert ("two servers" in storage.check_sqlite(version).message) != is_fixed


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such bits")
def test_only_the_owner_may_read():
    assert storage.is_open(0o100640) and storage.is_open(0o100602)
    assert not storage.is_open(0o100600)
