"""GET /health: what is really in use, and how the parts are doing."""

from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from webapp.service import ChatService


def router(service: ChatService) -> APIRouter:
    """Return the health route; 503 when a part that every turn needs is down."""
    routes = APIRouter(tags=["health"])

    @routes.get("/health")
    async def health(response: Response) -> dict[str, object]:
        report = await run_in_threadpool(service.health)
        storage = report["storage"]
        is_up = isinstance(storage, dict) and bool(storage.get("ok"))
        response.status_code = 200 if is_up else 503
        return {"status": "ok" if is_up else "degraded", **report}

    return routes
