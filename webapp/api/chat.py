"""POST /v1/chat/completions and GET /v1/models, as OpenAI's clients expect them."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing
from typing import TypeVar

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.requests import ClientDisconnect

from chat.errors import NotFound, PalaverError
from chat.types import FinishReason, Turn
from webapp.api.errors import body_of
from webapp.api.schemas import (
    FINISH_REASONS,
    AnswerMessage,
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRequest,
    Choice,
    ChunkChoice,
    Delta,
    Model,
    ModelList,
    WireUsage,
)
from webapp.auth import API_OWNER, check_api_key
from webapp.service import ChatService
from webapp.turn import (
    Answering,
    MessagesRequest,
    TextDelta,
    TurnEvent,
    TurnFinished,
    TurnStarted,
    Waiting,
)

Events = AsyncGenerator[TurnEvent, None]
Result = TypeVar("Result")


def router(service: ChatService, *, api_key: str) -> APIRouter:
    """Return the routes of /v1."""
    started = int(time.time())

    async def check_key(request: Request) -> None:
        check_api_key(request, api_key)

    routes = APIRouter(prefix="/v1", tags=["openai"], dependencies=[Depends(check_key)])

    @routes.get("/models")
    async def list_models() -> ModelList:
        return ModelList(data=[Model(id=service.model, created=started)])

    @routes.get("/models/{model:path}")
    async def read_model(model: str) -> Model:
        if model != service.model:
            raise NotFound(
                f"There is no model {model!r}; this server has {service.model!r}.",
                param="model",
                code="model_not_found",
            )
        return Model(id=service.model, created=started)

    @routes.post("/chat/completions", response_model=ChatCompletion)
    async def create_chat_completion(body: ChatCompletionRequest, request: Request) -> Response:
        body.check_supported(service.model)
        events = service.complete(
            MessagesRequest(
                owner_id=API_OWNER,
                messages=tuple(message.to_message() for message in body.messages),
                config=body.to_config(service.default_config),
                locale=request.headers.get("accept-language", ""),
            )
        )
        if body.stream:
            options = body.stream_options
            chunks = _Chunks(service.model, has_usage=bool(options and options.include_usage))
            first = await unless_left(request, _begin(events))
            return StreamingResponse(_stream(chunks, first, events), media_type="text/event-stream")
        turn = await unless_left(request, _drain(events))
        return JSONResponse(_completion(turn, service.model).model_dump())

    @routes.api_route("/{path:path}", methods=["GET", "POST", "DELETE"], include_in_schema=False)
    async def refuse_unknown(path: str) -> Response:
        # Without this the page's own 404 would answer, in a form that clients can't read.
        raise NotFound(f"There is no /v1/{path:.60} here.", code="unknown_url")

    return routes


async def unless_left(request: Request, work: Coroutine[None, None, Result]) -> Result:
    """Do `work` for a client who waits; if the client leaves, the work is cancelled.

    Raises:
        ClientDisconnect: the client left; there is nobody to answer.
    """
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_wait_until_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        leaving.cancel()
        working.cancel()
        await asyncio.wait({working, leaving})


async def _wait_until_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _drain(events: Events) -> Turn:
    async with aclosing(events):
        async for event in events:
            if isinstance(event, TurnFinished):
                return event.turn
    raise AssertionError("a turn ends in TurnFinished or in an error")


def _completion(turn: Turn, model: str) -> ChatCompletion:
    choice = Choice(
        message=AnswerMessage(content=turn.answer.content),
        finish_reason=FINISH_REASONS[turn.finish_reason],
    )
    return ChatCompletion(
        id=f"chatcmpl-{turn.answer_id}",
        created=int(time.time()),
        model=model,
        choices=[choice],
        usage=WireUsage.of(turn.usage),
    )


async def _begin(events: Events) -> list[TurnEvent]:
    """Return the events up to the first sign of an answer.

    Until then nothing has been sent, so a full queue or a question that is too long still becomes
    a status code.
    """
    first: list[TurnEvent] = []
    try:
        async for event in events:
            first.append(event)
            if not isinstance(event, TurnStarted):
                break
    except BaseException:
        await events.aclose()
        raise
    return first


async def _stream(chunks: "_Chunks", first: list[TurnEvent], events: Events) -> AsyncIterator[str]:
    # Closed by the server when the client leaves, which closes the turn and cancels the answer.
    async with aclosing(events):
        for event in first:
            for chunk in chunks.of(event):
                yield chunk
        try:
            async for event in events:
                for chunk in chunks.of(event):
                    yield chunk
        except PalaverError as error:
            yield f"data: {json.dumps(body_of(error))}\n\n"
            return
    yield "data: [DONE]\n\n"


class _Chunks:
    """Turns the events of a turn into the lines of a stream."""

    def __init__(self, model: str, *, has_usage: bool):
        self._model = model
        self._has_usage = has_usage
        self._created = int(time.time())
        self._id = ""

    def of(self, event: TurnEvent) -> list[str]:
        """Return the lines for `event`."""
        match event:
            case TurnStarted(answer_id=answer_id):
                self._id = f"chatcmpl-{answer_id}"
                return [self._delta(Delta(role="assistant", content=""))]
            case Waiting(position):
                return [f": waiting, position {position}\n\n"]
            case Answering():
                return []
            case TextDelta(text):
                return [self._delta(Delta(content=text))]
            case TurnFinished(turn):
                lines = [self._delta(Delta(), finish_reason=turn.finish_reason)]
                if self._has_usage:
                    lines.append(self._chunk([], usage=WireUsage.of(turn.usage)))
                return lines

    def _delta(self, delta: Delta, finish_reason: FinishReason | None = None) -> str:
        reason = FINISH_REASONS[finish_reason] if finish_reason else None
        return self._chunk([ChunkChoice(delta=delta, finish_reason=reason)])

    def _chunk(self, choices: list[ChunkChoice], usage: WireUsage | None = None) -> str:
        chunk = ChatCompletionChunk(
            id=self._id, created=self._created, model=self._model, choices=choices, usage=usage
        )
        absent = {"usage"} if usage is None else set()
        return f"data: {chunk.model_dump_json(exclude=absent)}\n\n"
