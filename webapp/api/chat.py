"""POST /v1/chat/completions: a question with its history in, one or several answers out."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from chat.errors import PalaverError
from chat.types import Turn
from webapp.api.completions import ChatCompletion, Chunks
from webapp.api.errors import body_of, describe_errors
from webapp.api.leaving import unless_left
from webapp.api.schemas import ChatCompletionRequest
from webapp.service import ChatService
from webapp.turn import MessagesRequest, TurnEvent, TurnFinished, TurnStarted

Numbered = tuple[int, TurnEvent]
Events = AsyncGenerator[Numbered, None]

WHOLE_OR_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "model": ChatCompletion,
        "description": "The answer. With `stream` true, server-sent events: each but the last has "
        "a chat.completion.chunk (or an error, which ends the stream) as its data, the last "
        "`[DONE]`.",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "x-event-data": {"$ref": "#/components/schemas/ChatCompletionChunk"},
            }
        },
    }
}


def add_routes(routes: APIRouter, service: ChatService) -> None:
    """Add the route of the chat."""

    @routes.post(
        "/chat/completions",
        response_model=ChatCompletion,
        responses={**WHOLE_OR_STREAM, **describe_errors(400, 401, 403, 404, 413, 429, 503)},
    )
    async def create_chat_completion(body: ChatCompletionRequest, request: Request) -> Response:
        """Answer the last of `messages`; the others are its history."""
        body.check_supported(service.model)
        num_answers = body.n or 1
        events = service.complete(
            MessagesRequest(
                owner_id=request.state.owner_id,
                messages=tuple(message.to_message() for message in body.messages),
                config=body.to_config(service.default_config),
                locale=request.headers.get("accept-language", ""),
            ),
            num_answers=num_answers,
        )
        if body.stream:
            first = await unless_left(request, _begin(events, num_answers))
            chunks = Chunks(_find_first_id(first), service.model)
            has_usage = bool(body.stream_options and body.stream_options.include_usage)
            lines = _stream(chunks, first, events, has_usage=has_usage)
            return StreamingResponse(lines, media_type="text/event-stream")
        turns = await unless_left(request, _drain(events))
        return JSONResponse(ChatCompletion.of(turns, service.model).model_dump())


async def _drain(events: Events) -> list[Turn]:
    """Return the answers by their numbers, once all are finished."""
    turns: dict[int, Turn] = {}
    async with aclosing(events):
        async for number, event in events:
            if isinstance(event, TurnFinished):
                turns[number] = event.turn
    return [turns[number] for number in sorted(turns)]


async def _begin(events: Events, num_answers: int) -> list[Numbered]:
    """Return the events up to a first sign of every answer.

    Until then nothing has been sent, so a full queue or a question that is too long still becomes
    a status code.
    """
    first: list[Numbered] = []
    begun: set[int] = set()
    try:
        async for number, event in events:
            first.append((number, event))
            if not isinstance(event, TurnStarted):
                begun.add(number)
            if len(begun) == num_answers:
                break
    except BaseException:
        await events.aclose()
        raise
    return first


def _find_first_id(events: list[Numbered]) -> str:
    return next(
        event.answer_id
        for number, event in events
        if number == 0 and isinstance(event, TurnStarted)
    )


async def _stream(
    chunks: Chunks, first: list[Numbered], events: Events, *, has_usage: bool
) -> AsyncIterator[str]:
    # Closed by the server when the client leaves, which closes the turn and cancels the answer.
    async with aclosing(events):
        for number, event in first:
            yield chunks.of(number, event)
        try:
            async for number, event in events:
                yield chunks.of(number, event)
        except PalaverError as error:
            yield f"data: {json.dumps(body_of(error))}\n\n"
            return
    if has_usage:
        yield chunks.usage()
    yield "data: [DONE]\n\n"
