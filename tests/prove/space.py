"""A Space from nothing to its first answer and back, as its platform does it.

One file is there when packages are installed; the sources come afterwards. Then: start, chat, be
stopped, lose the disk, be installed anew, start, and have the chats back. The Hub is a stand-in
(`tests/hub_stand_in.py`): what this proves of the real one is the order of things, no more.

    python -m tests.prove.space [--python PYTHON] [--venv READY_ENVIRONMENT]
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import yaml
from huggingface_hub import constants

from storage.store import Store
from tests.hub_stand_in import CLIENT_ID, CLIENT_SECRET, Hub, serve_hub
from webapp.hub.deploy import Space, deploy_space, make_api

ROOT = Path(__file__).parents[2]
PORT = 7860


def main() -> int:
    """Prove it; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="makes the environment")
    parser.add_argument("--venv", type=Path, help="an environment that was made like this before")
    parser.add_argument("--keep", action="store_true", help="leave the folder for a look")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="palaver-space-"))
    hub = Hub()
    # The Hub's own store for large files (Xet) has no stand-in; git's way to them has.
    constants.HF_HUB_DISABLE_XET = True
    try:
        venv = arguments.venv or build(folder, arguments.python)
        with serve_hub(hub) as url:
            prove(folder, venv, hub, url)
    finally:
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
    say("proved", "chats and cookies outlive a Space's disk")
    return 0


def build(folder: Path, python: str) -> Path:
    """Install like a Space: one file, nothing else of ours, in one resolve."""
    front = yaml.safe_load((ROOT / "README.md").read_text(encoding="utf-8").split("---")[1])
    empty = folder / "build"
    empty.mkdir()
    shutil.copy(ROOT / "requirements.txt", empty)
    start = time.monotonic()
    subprocess.run([python, "-m", "venv", folder / "venv"], check=True)
    extras = [f"gradio[oauth,mcp]=={front['sdk_version']}", "uvicorn>=0.14.0", "websockets>=10.4"]
    pip = [folder / "venv/bin/python", "-m", "pip", "install", "--quiet", "--no-cache-dir"]
    subprocess.run([*pip, "-r", "requirements.txt", *extras, "spaces"], cwd=empty, check=True)
    say("build", f"{time.monotonic() - start:.0f} s")
    return folder / "venv"


def prove(folder: Path, venv: Path, hub: Hub, url: str) -> None:
    """Deploy, run, stop, wipe, run."""
    space = Space("ada/palaver", dataset="ada/chats", hub_token="hf_write")
    print(deploy_space(space, ROOT, api=make_api("hf_write", url)).describe())  # noqa: T201
    with container(folder, venv, hub, url) as http:
        cookie = http.get("/login").headers["set-cookie"].split(";")[0]
        ask(http, "Remember the first life")
    assert read_titles(folder / "container") == {"Remember the first life"}
    with container(folder, venv, hub, url) as http:
        known = http.get("/login", headers={"cookie": cookie})
        assert "set-cookie" not in known.headers, "the visitor is a stranger after the wipe"
        page = http.get("/")
        assert page.status_code == 200 and "Palaver" in page.text
        assert http.get("/oauth/huggingface/login").status_code == 302
        ask(http, "And the second one")
    titles = read_titles(folder / "container")
    assert titles == {"Remember the first life", "And the second one"}, titles


@contextmanager
def container(folder: Path, venv: Path, hub: Hub, url: str) -> Iterator[httpx.Client]:
    """Run the Space's own files on a fresh disk; the stop is a SIGTERM, as a platform's is."""
    home = folder / "container"
    shutil.rmtree(home, ignore_errors=True)
    for name, content in hub.repos["space", "ada/palaver"].files.items():
        path = home / "app" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    rows = hub.repos["space", "ada/palaver"].settings
    given = {row["key"]: row["value"] for row in [*rows["secrets"], *rows["variables"]]}
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "SYSTEM": "spaces",
        "SPACE_ID": "ada/palaver",
        "SPACE_HOST": "ada-palaver.hf.space",
        "SPACE_AUTHOR_NAME": "ada",
        "SPACE_CREATOR_USER_ID": "id-1",
        "OAUTH_CLIENT_ID": CLIENT_ID,
        "OAUTH_CLIENT_SECRET": CLIENT_SECRET,
        "OAUTH_SCOPES": "openid profile",
        "OPENID_PROVIDER_URL": url,
        "HF_ENDPOINT": url,
        "PALAVER_API_KEY": "k",
        **given,
    }
    start = time.monotonic()
    process = subprocess.Popen([venv / "bin/python", "app.py"], cwd=home / "app", env=environment)
    headers = {"authorization": "Bearer k", "host": "ada-palaver.hf.space"}
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{PORT}", timeout=120, headers=headers
        ) as http:
            wait_for(http, process)
            say("serving", f"{time.monotonic() - start:.1f} s after the sources are there")
            yield http
        say("answered", f"{time.monotonic() - start:.1f} s after the sources are there")
        start = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        say("stopped", f"{time.monotonic() - start:.1f} s after SIGTERM")
    finally:
        process.kill()
        process.wait()


def wait_for(http: httpx.Client, process: "subprocess.Popen[bytes]") -> None:
    """Wait for /health."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, "the Space doesn't start"
        with suppress(httpx.TransportError):
            if http.get("/health").status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the Space doesn't answer")


def ask(http: httpx.Client, text: str) -> None:
    """Ask over /v1."""
    body = {"messages": [{"role": "user", "content": text}], "max_tokens": 20}
    response = http.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text
    say("answer", repr(response.json()["choices"][0]["message"]["content"]))


def read_titles(home: Path) -> set[str]:
    """Return the titles of the chats over /v1 in a container's database."""
    with Store.open(f"sqlite:///{home / 'app/data/palaver.db'}") as store:
        return {row.title for row in store.list_conversations("api")}


def say(what: str, value: str) -> None:
    """Print one line of the proof."""
    print(f"{what:10} {value}", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
