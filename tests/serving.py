"""The application served for real on a free port of this machine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from inference.backend import Backend
from moderation.chain import Chain
from moderation.policy import Policy, presets
from moderation.stream import Mode
from storage.store import Store
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
        chain,
        Memory(store),
        personas,
        Underway(),
        policies=policies,
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


__all__ = ["create_app", "make_chat_service", "make_settings", "serve"]
