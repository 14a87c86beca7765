"""Which of Gradio's own routes are open, and to whom."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webapp.middleware import error_body

PREFIX = "/gradio_api/"
MONITORING = "/monitoring"  # figures about all visitors
# What the page itself calls. The others take uploads, hand out a session by its name, or fetch
# files: doors that this page has no use for.
OPEN = (
    "queue/join",
    "queue/data",
    "run/predict",
    "cancel",
    "reset",
    "heartbeat/",
    "info",
    "startup-events",
)


class GradioDoor:
    """Lets the page's own calls through, each visitor to their own sessions alone.

    Gradio names a session by a `session_hash` that the browser makes up, and gives what belongs to
    it to whoever names it. Here the name that Gradio sees is made of the visitor's signed id and
    the browser's name for the session, so a name that somebody else knows leads nowhere.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = scope.get("path", "")
        if scope["type"] == "http" and path.startswith(MONITORING):
            await self._refuse(path)(scope, receive, send)
            return
        if scope["type"] != "http" or not path.startswith(PREFIX):
            await self._app(_without_query(scope, "deep_link"), receive, send)
            return
        if not path.removeprefix(PREFIX).startswith(OPEN):
            await self._refuse(path)(scope, receive, send)
            return
        visitor_id = scope["state"]["visitor_id"]
        scope = _own_query(_own_path(scope, visitor_id), visitor_id)
        if scope["method"] == "POST":
            receive = await _own_body(receive, visitor_id)
        await self._app(scope, receive, send)

    @staticmethod
    def _refuse(path: str) -> JSONResponse:
        body = error_body(f"There is no {path:.60}.", kind="not_found_error", code="404")
        return JSONResponse(body, status_code=404)


def own_session(visitor_id: str, session_hash: str) -> str:
    """Return the name under which Gradio knows `session_hash` of this visitor."""
    return hmac.new(visitor_id.encode(), session_hash.encode(), hashlib.sha256).hexdigest()[:32]


def _without_query(scope: Scope, name: str) -> Scope:
    query = scope.get("query_string", b"")
    if name.encode() not in query:
        return scope
    pairs = [pair for pair in parse_qsl(query.decode("latin-1")) if pair[0] != name]
    return {**scope, "query_string": urlencode(pairs).encode()}


def _own_path(scope: Scope, visitor_id: str) -> Scope:
    head, mark, session_hash = scope["path"].partition("/heartbeat/")
    if not mark:
        return scope
    path = head + mark + own_session(visitor_id, session_hash)
    return {**scope, "path": path, "raw_path": path.encode()}


def _own_query(scope: Scope, visitor_id: str) -> Scope:
    pairs = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    own = [(k, own_session(visitor_id, v) if k == "session_hash" else v) for k, v in pairs]
    return {**scope, "query_string": urlencode(own).encode()}


async def _own_body(receive: Receive, visitor_id: str) -> Receive:
    body = b""
    has_more = True
    while has_more:
        message = await receive()
        body += message.get("body", b"")
        has_more = message.get("more_body", False)
    own: list[Message] = [
        {"type": "http.request", "body": _own_session_in(body, visitor_id), "more_body": False}
    ]

    async def replay() -> Message:
        return own.pop() if own else await receive()

    return replay


def _own_session_in(body: bytes, visitor_id: str) -> bytes:
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError):
        return b"{}"
    if isinstance(content, Mapping) and isinstance(content.get("session_hash"), str):
        content = {**content, "session_hash": own_session(visitor_id, content["session_hash"])}
    return json.dumps(content).encode()
