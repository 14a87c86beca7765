"""What administrators take along from the review page: reviewed texts, and what was done."""

import csv
import io
from collections.abc import Iterable

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from chat.errors import NotFound
from chat.review import ActionCount
from webapp.api.errors import describe_errors
from webapp.api.lines import LinesResponse, send_lines
from webapp.review import ReviewDesk

PURPOSE = "training"


class CsvResponse(Response):
    """What the schema says a table is."""

    media_type = "text/csv"


def router(desk: ReviewDesk) -> APIRouter:
    """Return the routes. For others than administrators there is nothing here."""
    routes = APIRouter(prefix="/review", tags=["review"])

    @routes.get(
        "/reviews.jsonl",
        response_class=LinesResponse,
        responses={200: {"description": "A reviewed text a line."}, **describe_errors(404, 503)},
    )
    async def export_reviews(request: Request) -> Response:
        """Hand out the reviewed texts of chats that may be used for training, with labels."""
        _check_admin(request)
        return await send_lines(desk.export(purpose=PURPOSE), "palaver-reviews.jsonl")

    @routes.get(
        "/actions.csv",
        response_class=CsvResponse,
        responses={
            200: {"description": "How often which moderator led to what."},
            **describe_errors(400, 404, 503),
        },
    )
    async def export_actions(request: Request, days: int = Query(7, ge=1, le=90)) -> Response:
        """Hand out how often which moderator led to which action, by hour or day in UTC."""
        _check_admin(request)
        found = await desk.count_actions(days)
        headers = {
            "content-disposition": 'attachment; filename="palaver-actions.csv"',
            "cache-control": "no-store",
        }
        return CsvResponse(_write_csv(found.counts), headers=headers)

    return routes


def _check_admin(request: Request) -> None:
    if not getattr(request.state.identity, "is_admin", False):
        raise NotFound("There is nothing here but for the administrator of this site; sign in.")


def _write_csv(counts: Iterable[ActionCount]) -> str:
    file = io.StringIO()
    rows = csv.writer(file)
    rows.writerow(("time", "moderator", "category", "action", "count"))
    for count in counts:
        names = (_plain(count.moderator), _plain(count.category), count.action)
        rows.writerow((count.at.isoformat(), *names, count.count))
    return file.getvalue()


def _plain(name: str) -> str:
    """Return a name that no spreadsheet takes for a formula: plugins choose theirs."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@")) else name
