"""The application put together and served: the one place that names concrete parts."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager

import uvicorn
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from chat.errors import PalaverError
from inference.backend import Backend
from moderation.policy import presets
from storage.store import Store
from webapp import login, ui
from webapp.api.door import add_api
from webapp.archive import Archive
from webapp.arena import Arena, Habits
from webapp.auth import Doorman
from webapp.exploring import Explorer
from webapp.gradio_door import GradioDoor
from webapp.guard import Guard
from webapp.hub import oauth, zero_gpu
from webapp.hub.sync import Sync
from webapp.hub.task import NoSync, keeping_in_step, open_sync
from webapp.keys import Keys
from webapp.listener import bind
from webapp.loading import load_backend, load_rivals
from webapp.memory import Memory, forgetting
from webapp.middleware import BodyLimit, SameOrigin, SecurityHeaders, Visitors
from webapp.personas import Personas
from webapp.review import ReviewDesk
from webapp.rules import RuleDesk, find_sound, keeping_rules
from webapp.service import ChatService
from webapp.settings import Settings, find_unknown, read_platform
from webapp.stopping import Server
from webapp.stored_rules import load_with_rules
from webapp.underway import Underway
from webapp.votes import Votes

log = logging.getLogger(__name__)


def create_app(
    settings: Settings, *, backend: Backend | None = None, rivals: Sequence[Backend] | None = None
) -> FastAPI:
    """Build the application from its settings; a given `backend` answers in the model's place.

    Given `rivals` are compared with it in place of the models that the settings name.

    Raises:
        SetupError: the model, a moderator, the policy or the key can't be used.
        StorageError: the database can't be opened.
    """
    with ExitStack() as undoing:
        memory = Memory(Store.open(settings.database_url, is_exclusive=True))
        undoing.callback(memory.close)
        # With the chats come back the rules, and the key that signs cookies.
        sync = open_sync(settings, read_platform(), memory.store)
        # Before the policy, which may be about what they look for.
        rules = memory.store.list_rules()
        guard, problem = load_with_rules(settings, rules)
        undoing.callback(guard.close)
        desk = RuleDesk(memory.store, guard, find_sound(rules), problem)
        models = _load_models(settings, backend, rivals, undoing)
        app = _put_together(settings, guard, memory, sync, desk, models)
        undoing.pop_all()
    return app


def _load_models(
    settings: Settings,
    backend: Backend | None,
    rivals: Sequence[Backend] | None,
    undoing: ExitStack,
) -> tuple[Backend, ...]:
    """Return the model of the chat, and those that are compared with it."""
    backend = backend or load_backend(settings)
    undoing.callback(backend.close)
    if rivals is None:
        rivals = load_rivals(settings, backend.model)
    for rival in rivals:
        undoing.callback(rival.close)
    return (backend, *rivals)


def _put_together(
    settings: Settings,
    guard: Guard,
    memory: Memory,
    sync: Sync | NoSync,
    rules: RuleDesk,
    models: tuple[Backend, ...],
) -> FastAPI:
    platform = read_platform()
    doorman = login.make_doorman(settings, platform)
    sync.on_key = doorman.keys.add
    personas = Personas(memory.store, presets())
    underway = Underway()
    service = ChatService(
        models[0],
        guard,
        memory,
        personas,
        underway,
        gate_mode=settings.moderation_mode,
        rivals=models[1:],
    )
    archive, votes = Archive(memory, underway), Votes(memory)
    habits = Habits(settings.compare_rate, settings.compare_answers, settings.compare_longest_queue)
    arena = Arena(service, memory, habits)
    reviewing = ReviewDesk(memory.store, Explorer(memory.store, lambda: guard.policy))
    stopping = asyncio.Event()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        every_s = settings.sync_every_s
        async with (
            forgetting(memory),
            keeping_rules(rules),
            keeping_in_step(sync, every_s=every_s, stopping=stopping),
        ):
            yield
            # Running answers end as cancelled, and are stored before the store closes.
            for model in models:
                await asyncio.to_thread(model.close)
            await underway.settle(timeout_s=settings.drain_s + 5)
            await asyncio.to_thread(guard.close)
        memory.close()

    # The interactive docs load scripts from another host, which a page of ours never does.
    app = FastAPI(title="Palaver", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.stopping = stopping
    keys = Keys(memory.store, fixed_key=settings.api_key)
    add_api(app, service, archive, votes, reviewing, keys, sync.status)
    app.include_router(login.router(doorman))
    if doorman.can_sign_in:
        app.include_router(oauth.router(doorman, platform, archive.move_user))
    _add_middleware(app, settings, doorman)
    site = ui.Site(doorman.can_sign_in, _make_handover(doorman), lambda: sync.banner, guard.notice)
    house = ui.House(service, archive, arena, votes, personas)
    ui.mount(app, house, reviewing, rules, settings, site)
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
        allow_methods=["GET", "POST", "DELETE"],
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
