"""Chats as files, for the person whose browser shows the cookie: one of them, or everything."""

import asyncio
import re
from typing import Literal
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response

from chat.errors import NotFound
from chat.types import Thread
from webapp.api.errors import describe_errors
from webapp.api.lines import LinesResponse, send_lines
from webapp.archive import Archive
from webapp.transcript import Format, file_name, write_transcript

MEDIA_TYPES = {"md": "text/markdown; charset=utf-8", "json": "application/json"}


class MarkdownResponse(Response):
    """What the schema says a transcript is."""

    media_type = "text/markdown"


def router(archive: Archive) -> APIRouter:
    """Return the routes; whose chats they are says the request's cookie."""
    routes = APIRouter(tags=["chats"])

    @routes.get(
        "/chats/{conversation_id}/export",
        response_class=MarkdownResponse,
        responses={
            200: {
                "description": "The chat as a file.",
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
            **describe_errors(400, 404, 503),
        },
    )
    async def export_chat(
        conversation_id: str, request: Request, format: Literal["md", "json"] = "md"
    ) -> Response:
        """Hand out the branch of a chat that is on display: to read, or with all that is known."""
        if not re.fullmatch(r"[\w-]{1,200}", conversation_id, re.ASCII):
            raise NotFound("There is no such chat.", param="conversation_id")
        thread = await archive.read(request.state.visitor_id, conversation_id)
        content = await asyncio.to_thread(write_transcript, thread, format)
        return Response(content, headers=_file_headers(thread, format))

    @routes.get(
        "/me/export",
        response_class=LinesResponse,
        responses={200: {"description": "A record a line."}, **describe_errors(503)},
    )
    async def export_everything(request: Request) -> Response:
        """Hand out everything that is stored of the person who asks."""
        records = archive.export(request.state.visitor_id)
        return await send_lines(records, "palaver-export.jsonl")

    return routes


def _file_headers(thread: Thread, form: Format) -> dict[str, str]:
    """Return the headers of a download, with a name that old and new browsers read (RFC 6266)."""
    title = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|]+', "-", thread.conversation.title).strip(" .-")
    full_name = quote(f"{title or 'chat'}.{form}", safe="")
    return {
        "content-type": MEDIA_TYPES[form],
        "content-disposition": f'attachment; filename="{file_name(thread, form)}"; '
        f"filename*=UTF-8''{full_name}",
        "cache-control": "no-store",
    }
