"""The application put together and served: the one place that names concrete parts."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager

import uvicorn
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from chat.errors import PalaverError
from inference.backend import Backend
from moderation.chain import Chain
from moderation.policy import presets
from storage.store import Store
from webapp import login, ui
from webapp.api.door import add_api
from webapp.archive import Archive
from webapp.auth import Doorman
from webapp.gradio_door import GradioDoor
from webapp.hub import oauth, zero_gpu
from webapp.hub.task import keeping_in_step, open_sync
from webapp.keys import Keys
from webapp.listener import bind
from webapp.loading import load_backend, load_chain, load_policies
from webapp.memory import Memory, forgetting
from webapp.middleware import BodyLimit, SameOrigin, SecurityHeaders, Visitors
from webapp.personas import Personas
from webapp.service import ChatService
from webapp.settings import Settings, find_unknown, read_platform
from webapp.stopping import Server
from webapp.underway import Underway

log = logging.getLogger(__name__)


def create_app(settings: Settings, *, backend: Backend | None = None) -> FastAPI:
    """Build the application from its settings; a given `backend` answers in the model's place.

    Raises:
        SetupError: the model, a moderator, the policy or the key can't be used.
        StorageError: the database can't be opened.
    """
    with ExitStack() as undoing:
        chain = load_chain(settings)
        undoing.callback(chain.close)
        memory = Memory(Store.open(settings.database_url, is_exclusive=True))
        undoing.callback(memory.close)
        app = _put_together(settings, chain, memory, backend)
        undoing.pop_all()
    return app


def _put_together(
    settings: Settings, chain: Chain, memory: Memory, backend: Backend | None
) -> FastAPI:
    platform = read_platform()
    # Before the doorman, because the key that signs cookies comes back with the chats.
    sync = open_sync(settings, platform, memory.store)
    doorman = login.make_doorman(settings, platform)
    sync.on_key = doorman.keys.add
    backend = backend or load_backend(settings)
    personas = Personas(memory.store, presets())
    underway = Underway()
    service = ChatService(
        backend,
        chain,
        memory,
        personas,
        underway,
        policies=load_policies(chain.categories("input") | chain.categories("output")),
        gate_mode=settings.moderation_mode,
    )
    archive = Archive(memory, underway)
    stopping = asyncio.Event()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        every_s = settings.sync_every_s
        async with forgetting(memory), keeping_in_step(sync, every_s=every_s, stopping=stopping):
            yield
            # Running answers end as cancelled, and are stored before the store closes.
            await asyncio.to_thread(backend.close)
            await underway.settle(timeout_s=settings.drain_s + 5)
            await asyncio.to_thread(chain.close)
        memory.close()

    # The interactive docs load scripts from another host, which a page of ours never does.
    app = FastAPI(title="Palaver", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.stopping = stopping
    add_api(app, service, archive, Keys(memory.store, fixed_key=settings.api_key), sync.status)
    app.include_router(login.router(doorman))
    if doorman.can_sign_in:
        app.include_router(oauth.router(doorman, platform, archive.move_user))
    _add_middleware(app, settings, doorman)
    site = ui.Site(doorman.can_sign_in, _make_handover(doorman), lambda: sync.banner)
    ui.mount(app, service, archive, personas, settings, site)
    return app


def _make_handover(doorman: Doorman) -> Callable[[str], str]:
    return doorman.handover.close if doorman.in_frame else lambda visitor_id: ""


def _add_middleware(app: FastAPI, settings: Settings, doorman: Doorman) -> None:
    # The last one added is the first to see a request.
    app.add_middleware(GradioDoor)
    app.add_middleware(Visitors, doorman=doorman)
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
    for sentence in find_unknown():
        log.warning("%s", sentence)
    try:
        listener = bind(settings.host, settings.port)
        app = create_app(settings)
        if read_platform().is_zero_gpu:
            zero_gpu.announce()
    except PalaverError as error:
        print(f"Palaver cannot start. {error}", file=sys.stderr)  # noqa: T201
        return 2
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=settings.drain_s,
        forwarded_allow_ips=settings.forwarded_allow_ips,
    )
    log.info("Palaver listens on http://%s:%d", settings.host, settings.port)
    Server(config, app.state.stopping).run(sockets=[listener])
    return 0


def configure_logging(level: str) -> None:
    """Log to the terminal, from `level` up; libraries only when something is wrong."""
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    for name in ("httpx", "httpx2", "alembic", "uvicorn.error", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
