"""The application put together and served: the one place that names concrete parts."""

import asyncio
import logging
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from chat.errors import PalaverError, SettingsError
from inference.backend import Backend, LocalBackend
from moderation.chain import Chain
from moderation.policy import Policy
from moderation.reading import read_manifest
from moderation.registry import load_moderators, read_config
from storage.store import Store
from webapp import ui
from webapp.api import chat, health
from webapp.api.errors import add_error_bodies
from webapp.auth import VisitorCookie, read_key
from webapp.gradio_door import GradioDoor
from webapp.middleware import BodyLimit, SameOrigin, SecurityHeaders, Visitors
from webapp.service import ChatService
from webapp.settings import Settings, on_space

log = logging.getLogger(__name__)


def create_app(settings: Settings, *, backend: Backend | None = None) -> FastAPI:
    """Build the application from its settings; a given `backend` answers in the model's place.

    Raises:
        SetupError: the model, a moderator, the policy or the key can't be used.
        StorageError: the database can't be opened.
    """
    chain = load_chain(settings)
    cookie = VisitorCookie(read_key(settings.data_dir), in_frame=on_space())
    store = Store.open(settings.database_url)
    backend = backend or load_backend(settings)
    service = ChatService(backend, chain, store, gate_mode=settings.moderation_mode)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        # Running answers end as cancelled, and are stored before the store closes.
        await asyncio.to_thread(backend.close)
        await service.settle(timeout_s=settings.drain_s + 5)
        store.close()

    # The interactive docs load scripts from another host, which a page of ours never does.
    app = FastAPI(title="Palaver", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.include_router(health.router(service))
    app.include_router(chat.router(service, api_key=settings.api_key))
    add_error_bodies(app)
    _add_middleware(app, settings, cookie)
    ui.mount(app, service, settings)
    return app


def load_chain(settings: Settings) -> Chain:
    """Load the moderators and the policy that the settings name.

    Raises:
        ModeratorError: a moderator isn't there or can't be used.
        PolicyError: the policy can't be understood.
    """
    config = read_config(settings.moderator_config) if settings.moderator_config else {}
    moderators = load_moderators(settings.moderators, config)
    categories = [name for m in moderators for name in read_manifest(m).categories]
    policy = Policy.load(settings.policy, categories=categories)
    return Chain(moderators, policy, timeout_s=settings.moderation_timeout_s)


def load_backend(settings: Settings) -> LocalBackend:
    """Load the model that the settings name.

    Raises:
        ModelError: it is missing, broken, or needs a device that isn't there.
    """
    return LocalBackend.load(
        settings.model_dir,
        device=settings.device,
        max_running=settings.max_running,
        max_waiting=settings.max_waiting,
        threads=settings.threads,
    )


def _add_middleware(app: FastAPI, settings: Settings, cookie: VisitorCookie) -> None:
    # The last one added is the first to see a request.
    app.add_middleware(GradioDoor)
    app.add_middleware(Visitors, cookie=cookie)
    app.add_middleware(SameOrigin, allowed_origins=settings.allowed_origins)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    # Present even when it allows nobody: without it Gradio reflects every origin.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.allowed_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["authorization", "content-type"],
    )
    app.add_middleware(SecurityHeaders)


def serve(settings: Settings) -> int:
    """Serve until stopped; running answers get `drain_s` to end. Returns the exit status."""
    configure_logging(settings.log_level)
    try:
        listener = bind(settings.host, settings.port)
        app = create_app(settings)
    except PalaverError as error:
        print(f"Palaver cannot start. {error}", file=sys.stderr)  # noqa: T201
        return 2
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=settings.drain_s,
            forwarded_allow_ips=settings.forwarded_allow_ips,
        )
    )
    log.info("Palaver listens on http://%s:%d", settings.host, settings.port)
    server.run(sockets=[listener])
    return 0


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host` and `port`, before any work goes into a model.

    Whoever connects while the model is being loaded waits instead of being turned away.

    Raises:
        SettingsError: the port is in use, or the address isn't one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"The address {host}:{port} can't be used ({error.strerror}); stop what uses it, "
            "or choose another with --port or PALAVER_PORT."
        ) from error
    return listener


def configure_logging(level: str) -> None:
    """Log to the terminal, from `level` up; libraries only when something is wrong."""
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    for name in ("httpx", "alembic", "uvicorn.error", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
