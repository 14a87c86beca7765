"""`python app.py` as a program: Ctrl-C at any time, no packages, mistyped names, two at once."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.test_webapp_server import command, refuse, running
from tests.tiny_model import TinyModel

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return TinyModel.random().save(tmp_path_factory.mktemp("model") / "tiny")


def interrupt(process):
    """Do what Ctrl-C does; return what the person reads."""
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    return told


def test_ctrl_c_while_serving_ends_it_without_a_trace(tmp_path, model):
    with running(tmp_path, model) as (_, process):
        told = interrupt(process)
    assert "Traceback" not in told and "KeyboardInterrupt" not in told


@pytest.mark.parametrize("line", ["webapp.settings", "fastapi", "gradio", "uvicorn"])
def test_ctrl_c_during_an_import_ends_it_without_a_word(tmp_path, model, line):
    """-v tells each import as it happens, so the interruption falls into the middle of one."""
    arguments, _ = command(tmp_path, model)
    process = subprocess.Popen(
        [sys.executable, "-v", *arguments[1:]], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    for told in process.stderr:
        if told.startswith(f"import '{line}") or f"/{line.replace('.', '/')}" in told:
            break
    assert "Traceback" not in interrupt(process)


@pytest.mark.parametrize("wait_s", [0.3, 0.8, 1.5, 2.5])
def test_ctrl_c_during_the_start_ends_it_without_a_trace(tmp_path, model, wait_s):
    arguments, _ = command(tmp_path, model)
    process = subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    time.sleep(wait_s)
    assert "Traceback" not in interrupt(process)


def test_a_python_without_the_packages_is_told_in_one_line():
    done = subprocess.run(
        [sys.executable, "-S", "app.py", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "is missing" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"policy": "strickt"}, "'strickt'"),
        ({"model": "nowhere"}, "nowhere"),
        ({"database_url": "mysql://ann:s3cret@host/db"}, "sqlite:///"),
    ],
)
def test_a_mistyped_name_is_refused_before_anything_heavy_is_loaded(tmp_path, changes, word):
    arguments, _ = command(tmp_path, **{"model": ROOT / "exported_models" / "palaver", **changes})
    check = (
        "import sys, runpy\n"
        "try: runpy.run_path('app.py', run_name='__main__')\n"
        "except SystemExit as ended: print(ended.code)\n"
        "print(sorted({'gradio', 'fastapi', 'onnxruntime', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", check, *arguments[2:]], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout == "2\n[]\n"
    assert word in done.stderr and done.stderr.count("\n") == 1
    assert "s3cret" not in done.stderr


def test_a_host_that_is_none_is_told_as_that(tmp_path, model):
    said = refuse(tmp_path, model, host="not.a.host.invalid")
    assert "'not.a.host.invalid'" in said and "--host" in said and "stop what" not in said


def test_a_second_server_on_the_same_chats_is_refused_and_a_killed_one_is_no_hindrance(
    tmp_path, model
):
    with running(tmp_path, model) as (http, process):
        assert "--database-url" in refuse(tmp_path, model)
        assert http.get("/health").status_code == 200
        process.kill()
        process.wait()
        with running(tmp_path, model) as (other, _):
            assert other.get("/health").json()["status"] == "ok"


def test_a_name_that_is_no_setting_is_told_at_the_start(tmp_path, model, monkeypatch):
    monkeypatch.setenv("PALAVER_MODERATOR", "rules")
    with running(tmp_path, model) as (_, process):
        assert "did you mean PALAVER_MODERATORS?" in interrupt(process)
