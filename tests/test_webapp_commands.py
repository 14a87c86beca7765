"""The command line as a whole: help, errors, interruptions, and that its document is true."""

import argparse
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from storage.store import Store
from tests.commands_kit import PROGRAM, ROOT, desk_fixture, start
from tests.serving import free_port
from tests.storage_kit import record_chain
from tests.tiny_model import TinyModel
from webapp.__main__ import COMMANDS, main, make_parser
from webapp.commands.flags import _FLAGS
from webapp.commands.paper import new_file, printable
from webapp.settings import Settings, read_settings

DOCUMENT = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
LINES = re.findall(r"python -m webapp ([^\n`]+)", DOCUMENT)
EXAMPLES = [line for command in COMMANDS.values() for line in command.EXAMPLES]
desk = desk_fixture()


def parsers(
    parser: argparse.ArgumentParser, path: str = ""
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield every command and action by its words."""
    yield path, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield from parsers(child, f"{path} {name}".strip())


TREE = dict(parsers(make_parser()))


def split(line: str) -> list[str]:
    """Return the words of a command line, up to where the shell takes over."""
    words = shlex.split(line, comments=True)
    ends = [i for i, word in enumerate(words) if word in ("|", ">", "&&", ";")]
    return words[: ends[0]] if ends else words


@pytest.mark.parametrize("path", TREE)
def test_every_command_and_flag_is_in_the_document(path):
    name = path.split(" ")[0]
    section = (
        DOCUMENT
        if not name
        else next(part for part in DOCUMENT.split("\n## ") if name in part.split("\n")[0].split())
    )
    assert not path or f"python -m webapp {path}" in section
    for action in TREE[path]._actions:
        for flag in action.option_strings:
            if flag not in ("-h", "--help"):
                assert f"`{flag}" in section or f" {flag} " in section.replace("\n", " "), flag


@pytest.mark.parametrize("line", sorted({*LINES, *EXAMPLES} - {"COMMAND"}))
def test_every_example_parses(line):
    words = split(line)
    arguments, rest = make_parser().parse_known_args(words)
    assert not rest or arguments.command == "serve"
    assert arguments.command != "serve" or read_settings(rest)


def test_every_example_of_the_help_is_one_of_the_document_or_its_like():
    for name, command in COMMANDS.items():
        assert command.EXAMPLES
        assert all(line.split()[0] == name for line in command.EXAMPLES)


@pytest.mark.parametrize("path", [path for path in TREE if path != "serve"])
def test_every_help_says_what_the_command_does(path, capsys):
    with pytest.raises(SystemExit) as ended:
        make_parser().parse_args([*path.split(), "--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert len(said.split("\n\n")[1].split()) > 3
    for action in TREE[path]._actions:
        has_children = isinstance(action, argparse._SubParsersAction)
        assert has_children or action.help, f"{path} {action.dest}"


@pytest.mark.parametrize("path", [path for path in TREE if path != "serve"])
def test_every_help_ends_with_examples_of_its_own(path):
    said = TREE[path].format_help()
    if path:
        examples = said.split("examples:\n")[1].splitlines()
        assert examples and all(line.startswith(f"  python -m webapp {path}") for line in examples)
    if "environment variable" in said:
        flag, name = re.search(r"variable:\s+(\S+)\s+is\s+PALAVER_(\w+)\.", said).groups()
        assert flag in TREE[path].format_usage()
        assert name.lower() in Settings.model_fields


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serve", "--prot", "3"], "python -m webapp serve: there is no flag --prot, did you"),
        (["export", "chats", "--everthing"], "python -m webapp export chats: there is no flag"),
        (["kyes"], "invalid choice: 'kyes'"),
        (["export"], "WHAT"),
        ([], "COMMAND"),
        (["backup", "a.tar", "b.tar"], "'b.tar'"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(capsys, words, said):
    with pytest.raises(SystemExit) as ended:
        main(words)
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert said in told and told.count("\n") == 1


def test_the_flags_of_settings_are_settings():
    assert set(_FLAGS) <= set(Settings.model_fields)


@pytest.mark.parametrize("path", ["", "export chats", "doctor", "deploy space"])
def test_help_is_answered_without_loading_what_the_command_needs(path):
    heavy = "{'pydantic', 'gradio', 'numpy', 'sqlalchemy', 'onnxruntime', 'httpx', 'fastapi'}"
    check = (
        "import sys; from webapp.__main__ import main\n"
        f"try: main({[*path.split(), '--help']!r})\n"
        f"except SystemExit: pass\nsys.exit(str({heavy} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert not done.stderr.strip()
    assert "usage: " in done.stdout


def test_a_wrong_setting_is_one_sentence(desk, monkeypatch):
    monkeypatch.setenv("PALAVER_THREADS", "many")
    assert "PALAVER_THREADS" in desk.refuse("model", "check", "palaver")
    assert "PALAVER_THREADS" in desk.refuse("serve")


def test_a_wrong_setting_stops_no_command_that_does_without_it(desk, monkeypatch):
    monkeypatch.setenv("PALAVER_PORT", "many")
    desk.run("keys", "create", "x")
    assert "x" in desk.run("keys", "list")
    assert "palaver" in desk.run("model", "list")
    assert "PALAVER_PORT" in desk.refuse("serve")


def test_a_flag_wins_over_the_environment(desk, monkeypatch):
    monkeypatch.setenv("PALAVER_DATABASE_URL", "nonsense")
    desk.run("keys", "create", "x", "--database-url", desk.url)
    assert desk.database.exists()


def test_an_unknown_flag_is_refused_by_name(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["backup", "--fast"])
    assert ended.value.code == 2
    assert "--fast" in capsys.readouterr().err


def test_a_shortened_flag_is_refused():
    # What is short for one flag today may be short for two tomorrow.
    _, rest = make_parser().parse_known_args(["backup", "--data", "x"])
    assert rest == ["--data"] or "--data" in rest


def test_whoever_stops_reading_hears_no_complaint(desk):
    with Store.open(desk.url) as store:
        for number in range(200):
            record_chain(store, 1, f"c{number}")
    with start("export", "chats", "--everything", "--database-url", desk.url) as process:
        process.stdout.read(10)
        process.stdout.close()
        told = process.stderr.read()
    assert process.returncode == 141
    assert "Broken" not in told and "Traceback" not in told and "Exception" not in told


def test_a_python_without_the_packages_is_told_apart_from_one_with_them():
    command = [sys.executable, "-S", "-m", "webapp", "doctor"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "is missing" in done.stderr and done.stderr.count("\n") == 1


def test_a_full_disk_behind_standard_output_is_one_sentence():
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no such device here")
    with full.open("w") as file:
        done = subprocess.run(
            [*PROGRAM, "model", "list"], cwd=ROOT, stdout=file, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "No space left" in done.stderr


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return TinyModel.random().save(tmp_path_factory.mktemp("model") / "tiny")


def wait_for_health(port, process):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        with suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{port}/health").json()
        time.sleep(0.1)
    raise AssertionError("the server didn't start")


@contextmanager
def serving(model):
    """Serve until the end, which is Ctrl-C; yields a client."""
    port = free_port()
    process = start("serve", f"--port={port}", f"--model={model}")
    try:
        assert wait_for_health(port, process)["status"] == "ok"
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
        assert process.returncode in (0, 130)
        assert "Traceback" not in told
    finally:
        process.kill()
        process.communicate()


def ask(client):
    body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
    return client.post("/v1/chat/completions", json=body).json()


def test_a_machine_is_lost_and_all_of_it_comes_back(desk, model):
    backup = desk.folder / "b.tar"
    with serving(model) as client:
        ask(client)
        assert "palaver_visitor" in client.get("/").headers["set-cookie"]
        cookies = dict(client.cookies)
        desk.run("backup", backup)
        assert "in use" in desk.refuse("restore", backup, "--force")
        assert "usage" in ask(client)
    shutil.rmtree(desk.data_dir)
    desk.run("restore", backup)
    with serving(model) as client:
        client.cookies.update(cookies)
        assert "palaver_visitor" not in client.get("/").headers.get("set-cookie", "")
        assert len(desk.run("export", "chats", "--everything").splitlines()) == 1


def test_ctrl_c_ends_a_command_without_a_trace():
    process = start("moderators", "check", "--text", "-", stdin=subprocess.PIPE)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in told and "KeyboardInterrupt" not in told


def test_an_interrupted_file_leaves_nothing_and_keeps_the_old_one(tmp_path):
    path = tmp_path / "chats.jsonl"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), new_file(path, is_forced=True) as file:
        file.write(b"new")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_of_others_commands_no_terminal():
    assert printable("a\x1b[2Jb\nc\x9b") == "a\ufffd[2Jb\nc\ufffd"


def test_the_program_says_what_it_can_do():
    done = subprocess.run([*PROGRAM, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    for name in COMMANDS:
        assert re.search(rf"^    {name}\b", done.stdout, re.MULTILINE)
