"""All routes for programs, put together: who may pass, what is where, and what isn't."""

from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from chat.errors import NotFound
from webapp.api import chat, chats, feedback, health, models, moderations, rankings, review
from webapp.api.errors import add_error_bodies
from webapp.api.openapi import describe
from webapp.archive import Archive
from webapp.keys import Keys
from webapp.review import ReviewDesk
from webapp.service import ChatService
from webapp.votes import Votes

Answer = Callable[[Request], Coroutine[Any, Any, Response]]


def add_api(
    app: FastAPI,
    service: ChatService,
    archive: Archive,
    votes: Votes,
    reviewing: ReviewDesk,
    keys: Keys,
    read_sync: Callable[[], Mapping[str, object]],
) -> None:
    """Add /v1, /health, /chats, /me and what is below /review to `app`, before the page is."""
    routes = APIRouter(
        prefix="/v1",
        tags=["openai"],
        route_class=_make_keyed_route(keys),
        # Only said here, for the schema; asked for by the routes themselves.
        dependencies=[Security(HTTPBearer(auto_error=False))],
    )
    models.add_routes(routes, service)
    chat.add_routes(routes, service)
    moderations.add_routes(routes, service)
    feedback.add_routes(routes, archive)
    rankings.add_routes(routes, votes)
    app.include_router(routes)
    app.include_router(health.router(service, read_sync))
    app.include_router(chats.router(archive))
    app.include_router(review.router(reviewing))
    add_error_bodies(app)
    describe(app)
    _refuse_the_rest(app)


def _make_keyed_route(keys: Keys) -> type[APIRoute]:
    class KeyedRoute(APIRoute):
        """Asks for the key before it reads anything else of a request."""

        def get_route_handler(self) -> Answer:
            answer = super().get_route_handler()

            async def answer_if_allowed(request: Request) -> Response:
                request.state.owner_id = await keys.authorize(request)
                return await answer(request)

            return answer_if_allowed

    return KeyedRoute


def _refuse_the_rest(app: FastAPI) -> None:
    """Answer what comes near our routes and misses them, in words that programs can read.

    Without this the page, which takes everything else, would answer in its own.
    """
    operations: dict[str, dict[str, object]] = app.openapi()["paths"]
    for path, methods in operations.items():
        unsaid = ["HEAD"] if path == health.PATH else []
        refusal = _WrongMethod([*(method.upper() for method in methods), *unsaid])
        app.router.routes.append(Route(path, refusal, include_in_schema=False))
        app.router.routes.append(Route(f"{path}/", _Nothing(), include_in_schema=False))
    app.router.routes.append(_Elsewhere("/v1"))


class _WrongMethod:
    """Answers every method of a path with 405: those that it has were found before."""

    def __init__(self, allowed: Collection[str]):
        self._allowed = sorted(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in self._allowed:  # the path only looks like the one that it is for
            await _Nothing()(scope, receive, send)
        allowed = ", ".join(self._allowed)
        raise HTTPException(405, f"allowed here is {allowed}", headers={"allow": allowed})


class _Nothing:
    """Answers every method of a path with 404."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise NotFound(f"There is no {scope['path'][:60]} here.", code="unknown_url")


class _Elsewhere(BaseRoute):
    """Answers every path below `prefix` with 404, even those that no pattern takes."""

    def __init__(self, prefix: str):
        self._prefix = prefix

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Say whether this is for us."""
        path = scope.get("path", "")
        is_below = path == self._prefix or path.startswith(f"{self._prefix}/")
        return (Match.FULL if scope["type"] == "http" and is_below else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse."""
        await _Nothing()(scope, receive, send)
