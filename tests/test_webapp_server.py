"""Starting and stopping `python app.py`: a wrong setup is one clear sentence, never a trace."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from storage.store import Store
from tests.serving import free_port, wait_for
from tests.tiny_model import TinyModel, TinyShape

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    # A long context, so that an answer can go on until something stops it.
    model = TinyModel.random(TinyShape(context_length=32_768))
    return model.save(tmp_path_factory.mktemp("model") / "tiny")


def command(folder, model, **changes):
    settings = {
        "model": model,
        "port": free_port(),
        "data_dir": folder / "data",
        "database_url": f"sqlite:///{folder / 'data' / 'palaver.db'}",
        **changes,
    }
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    return [sys.executable, str(ROOT / "app.py"), *flags], settings["port"]


def refuse(folder, model, cwd=ROOT, **changes):
    """Start with a wrong setup; return what the person who starts it reads."""
    arguments, _ = command(folder, model, **changes)
    done = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr
    assert "Palaver cannot start." in done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@contextmanager
def running(folder, model, **changes):
    arguments, port = command(folder, model, **changes)
    process = subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            wait_for(http, process)
            yield http, process
    finally:
        process.kill()
        process.communicate()


def ask(http, text="Hi", **options):
    body = {"messages": [{"role": "user", "content": text}], "max_tokens": 20, **options}
    return http.post("/v1/chat/completions", json=body)


def test_a_port_in_use_is_said_at_once(tmp_path, model):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refuse(tmp_path, model, port=port)
    assert str(port) in said and "--port" in said


def test_a_missing_model_is_named_with_what_to_do(tmp_path):
    assert "nowhere" in refuse(tmp_path, tmp_path / "nowhere")


def test_a_tampered_model_is_refused(tmp_path):
    model = TinyModel.random().save(tmp_path / "tampered")
    path = model / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "model.onnx" in refuse(tmp_path, model)


def test_a_moderator_that_is_not_there_is_named(tmp_path, model):
    said = refuse(tmp_path, model, moderators="rules,nonsuch")
    assert "nonsuch" in said and "pii" in said


def test_a_policy_that_cannot_be_read_is_named(tmp_path, model):
    policy = tmp_path / "mine.toml"
    policy.write_text("[both]\nviolence = { threshold = 7, action = 'template' }\n")
    said = refuse(tmp_path, model, policy=policy)
    assert "mine.toml" in said and "threshold" in said


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path, model):
    path = tmp_path / "notes.db"
    path.write_text("dear diary, " * 1000)
    refuse(tmp_path, model, database_url=f"sqlite:///{path}")
    assert path.read_text().startswith("dear diary")


@pytest.mark.parametrize("url", ["nonsense", "mysql://a:b@c/d", "sqlite:////proc/none/x.db"])
def test_a_database_that_cannot_be_opened_is_refused_without_its_password(tmp_path, model, url):
    assert "a:b" not in refuse(tmp_path, model, database_url=url)


def test_both_onnxruntime_packages_are_refused(tmp_path, model):
    """The one installed last wins the other's files, and CUDA is gone without a word."""
    site = tmp_path / "site"
    for name in ("onnxruntime", "onnxruntime_gpu"):
        info = site / f"{name}-1.31.1.dist-info"
        info.mkdir(parents=True)
        wheel = name.replace("_", "-")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {wheel}\nVersion: 1.31.1\n")
    arguments, _ = command(tmp_path, model)
    done = subprocess.run(
        arguments,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert "onnxruntime-gpu" in done.stderr and "Traceback" not in done.stderr


def test_a_moderator_beside_the_app_that_fails_refuses_and_is_shown_in_health(tmp_path, model):
    (tmp_path / "my_rules.py").write_text(
        "class Broken:\n"
        "    manifest = {'name': 'broken'}\n"
        "    def check(self, context):\n"
        "        raise RuntimeError('no text of the conversation here')\n"
    )
    arguments, port = command(tmp_path, model, moderators="my_rules:Broken,limits")
    process = subprocess.Popen(
        arguments,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            wait_for(http, process)
            answer = ask(http).json()
            assert answer["choices"][0]["finish_reason"] == "content_filter"
            rows = {row["name"]: row for row in http.get("/health").json()["moderators"]}
            assert rows["broken"]["errors"] == 1
            assert rows["broken"]["last_error"] == "RuntimeError"
    finally:
        process.kill()
        process.communicate()


def test_the_whole_answers_and_a_seed_repeats_the_answer(tmp_path, model):
    with running(tmp_path, model) as (http, _):
        first, second = (ask(http, seed=5).json() for _ in range(2))
        assert first["choices"] == second["choices"]
        assert first["usage"]["completion_tokens"] > 0


def test_an_acknowledged_turn_survives_kill_9(tmp_path, model):
    with running(tmp_path, model) as (http, process):
        texts = [f"Remember {i}" for i in range(5)]
        for text in texts:
            assert ask(http, text).status_code == 200
        process.send_signal(signal.SIGKILL)
        process.wait()
    with Store.open(f"sqlite:///{tmp_path / 'data' / 'palaver.db'}") as store:
        titles = {conversation.title for conversation in store.list_conversations("api")}
    assert titles == set(texts)


def test_a_stop_in_the_middle_of_a_stream_keeps_the_turn(tmp_path, model):
    with running(tmp_path, model, drain_s=1) as (http, process):
        body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
        body |= {"max_tokens": 30_000, "temperature": 0, "repetition_penalty": 1}
        with (
            suppress(httpx.HTTPError),
            http.stream("POST", "/v1/chat/completions", json=body) as response,
        ):
            for number, _ in enumerate(response.iter_lines()):
                if number == 0:
                    process.terminate()
        process.wait(timeout=30)
    with Store.open(f"sqlite:///{tmp_path / 'data' / 'palaver.db'}") as store:
        [conversation] = store.list_conversations("api")
        question, answer = store.read_branch("api", conversation.id)
    assert question.message.content == "Hi"
    assert answer.finish_reason == "cancelled"


def test_a_locked_or_full_database_is_503_and_the_server_lives_on(tmp_path, model):
    path = tmp_path / "data" / "palaver.db"
    with running(tmp_path, model) as (http, _):
        assert ask(http).status_code == 200
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        response = ask(http, "While it is locked")
        blocker.execute("ROLLBACK")
        blocker.close()
        assert response.status_code == 503
        assert "Traceback" not in response.text and response.json()["error"]["message"]
        assert ask(http, "Afterwards").status_code == 200
