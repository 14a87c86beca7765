"""GET /health: what is really in use, and how the parts are doing."""

from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from webapp.service import ChatService


def router(service: ChatService) -> APIRouter:
    """Return the health route; 503 when the database can't be written or the engine stopped."""
    routes = APIRouter(tags=["health"])

    @routes.get("/health")
    async def health(response: Response) -> dict[str, object]:
        report = await run_in_threadpool(service.health)
        response.status_code = 200 if report["status"] == "ok" else 503
        return dict(report)

    return routes
