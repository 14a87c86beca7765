"""The application served for real on a free port of this machine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from webapp.server import bind, create_app
from webapp.settings import Settings, read_settings


def make_settings(folder: Path, **changes: object) -> Settings:
    """Return settings that keep everything in `folder`."""
    changes = {"data_dir": folder, "database_url": f"sqlite:///{folder / 'palaver.db'}", **changes}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in changes.items()]
    return read_settings(flags)


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


__all__ = ["create_app", "make_settings", "serve"]
