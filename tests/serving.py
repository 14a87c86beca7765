"""The application served for real on a free port of this machine."""

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI

from inference.backend import Backend
from moderation.chain import Chain
from moderation.policy import Policy, presets
from moderation.stream import Mode
from storage.store import Store
from webapp.guard import Guard
from webapp.memory import Memory
from webapp.personas import Personas
from webapp.server import bind, create_app
from webapp.service import ChatService
from webapp.settings import Settings, read_settings
from webapp.underway import Underway


def make_settings(folder: Path, **changes: object) -> Settings:
    """Return settings that keep everything in `folder`."""
    changes = {"data_dir": folder, "database_url": f"sqlite:///{folder / 'palaver.db'}", **changes}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in changes.items()]
    return read_settings(flags)


def make_chat_service(
    backend: Backend, chain: Chain, store: Store, *, gate_mode: Mode = "window"
) -> ChatService:
    """Return the service of an application that keeps its chats in `store`."""
    policies = {name: Policy.load(name) for name in presets()}
    personas = Personas(store, policies)
    return ChatService(
        backend,
        Guard(chain, policies=policies),
        Memory(store),
        personas,
        Underway(),
        gate_mode=gate_mode,
    )


@contextmanager
def serve(app: FastAPI, port: int = 0) -> Iterator[str]:
    """Serve `app` in a thread; yields its address."""
    listener = bind("127.0.0.1", port)
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(http: httpx.Client, process: subprocess.Popen[str]) -> None:
    """Wait until the server that `process` runs answers; it fails if the process ends first."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr and process.stderr.read()
        with suppress(httpx.ConnectError):
            if http.get("/health").status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError("the server didn't start")


__all__ = [
    "create_app",
    "free_port",
    "make_chat_service",
    "make_settings",
    "serve",
    "wait_for",
]
