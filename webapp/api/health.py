"""GET /health: what is really in use, and how the parts are doing."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool

from webapp.service import ChatService

PATH = "/health"


class Health(BaseModel):
    """How the parts are doing. `uncovered_categories` are those that no active moderator looks
    for: /v1/moderations gives them a score of 0. `moderation` tells the policy in force, and what
    is wrong with its file or with a moderator, if anything is; the chat goes on meanwhile."""

    model_config = ConfigDict(extra="allow")

    status: Literal["ok", "degraded"]
    model: str
    provider: str
    context_length: int
    engine: dict[str, Any]
    moderation: dict[str, Any]
    moderators: list[dict[str, Any]]
    uncovered_categories: list[str]
    policy_version: str
    storage: dict[str, Any]
    sync: dict[str, Any]


def router(service: ChatService, read_sync: Callable[[], Mapping[str, object]]) -> APIRouter:
    """Return the health route; 503 when the database can't be written or the engine stopped.

    `read_sync` tells whether the chats are in step with where they are copied to, in words that
    everybody may read; it may block.
    """
    routes = APIRouter(tags=["health"])

    @routes.get(
        PATH,
        response_model=Health,
        responses={503: {"model": Health, "description": "A part has failed."}},
    )
    @routes.head(PATH, include_in_schema=False)
    async def health() -> Response:
        """Say what is in use and how it does."""
        sync = await run_in_threadpool(read_sync)
        report = {**await run_in_threadpool(service.health), "sync": sync}
        return JSONResponse(report, status_code=200 if report["status"] == "ok" else 503)

    return routes
