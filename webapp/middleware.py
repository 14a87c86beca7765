"""What every request passes on its way in: size, origin, visitor; and out: security headers."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webapp.auth import COOKIE, Doorman, new_visitor_id

# An answer may hold a <form> or an image of another host, which sanitising leaves in: this policy
# lets neither submit nor fetch. Gradio needs 'unsafe-inline' to start and 'unsafe-eval' for the
# scripts of events; what keeps scripts out of answers is its sanitiser, not this line.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'self'",
        "object-src 'none'",
        "frame-ancestors 'self' https://huggingface.co",
    )
)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def error_body(
    message: str, *, kind: str, code: str, param: str | None = None
) -> dict[str, object]:
    """Return an error in OpenAI's shape, which is the one that clients can read."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


class SecurityHeaders:
    """Adds the content security policy and its relatives to every response."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["content-security-policy"] = CONTENT_SECURITY_POLICY
                headers["x-content-type-options"] = "nosniff"
                headers["referrer-policy"] = "same-origin"
            await send(message)

        await self._app(scope, receive, send_with_headers)


class BodyLimit:
    """Refuses a request body of more than `max_bytes`, announced or not, with 413."""

    def __init__(self, app: ASGIApp, max_bytes: int):
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdigit() and int(announced) > self._max_bytes:
            await self._refuse(scope, receive, send)
            return
        # A body sent in chunks announces nothing, so it is read here before anything acts on it.
        messages: list[Message] = []
        num_bytes = 0
        has_more = True
        while has_more:
            message = await receive()
            messages.append(message)
            num_bytes += len(message.get("body", b""))
            has_more = message["type"] == "http.request" and message.get("more_body", False)
            if num_bytes > self._max_bytes:
                await self._refuse(scope, receive, send)
                return

        async def replay() -> Message:
            return messages.pop(0) if messages else await receive()

        await self._app(scope, replay, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = error_body(
            f"The request is larger than {self._max_bytes:,} bytes; please send less.",
            kind="invalid_request_error",
            code="request_too_large",
        )
        await JSONResponse(body, status_code=413)(scope, receive, send)


class SameOrigin:
    """Refuses requests that change something when another site's page sends them (CSRF)."""

    def __init__(self, app: ASGIApp, allowed_origins: tuple[str, ...]):
        self._app = app
        self._allowed = frozenset(allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and not self._is_allowed(scope):
            body = error_body(
                "This request comes from another site's page. Its operator can name that site in "
                "PALAVER_ALLOWED_ORIGINS; behind a proxy, pass the Host header on.",
                kind="permission_error",
                code="foreign_origin",
            )
            await JSONResponse(body, status_code=403)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if scope["method"] in SAFE_METHODS or not origin or origin in self._allowed:
            return True
        # Said by the browser itself, and right even where a proxy changed the Host header.
        if headers.get("sec-fetch-site") == "same-origin":
            return True
        return urlsplit(origin).netloc == headers.get("host")


class Visitors:
    """Puts who is asking into the request's state, giving newcomers a cookie.

    ``state["identity"]`` is the `Identity`; ``state["visitor_id"]`` is its id.
    """

    def __init__(self, app: ASGIApp, doorman: Doorman):
        self._app = app
        self._doorman = doorman

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"].startswith(("/v1/", "/health")):
            await self._app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        cookie = self._doorman.visitors
        known = cookie.read(request.cookies.get(COOKIE))
        visitor_id = known or new_visitor_id()
        identity = self._doorman.identify(request, visitor_id)
        state = scope.setdefault("state", {})
        state["identity"] = identity
        state["visitor_id"] = identity.id

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                is_https = scope["scheme"] == "https"
                header = cookie.header(visitor_id, is_https=is_https)
                MutableHeaders(scope=message).append("set-cookie", header)
            await send(message)

        is_new = known is None and identity.id == visitor_id
        await self._app(scope, receive, send_with_cookie if is_new else send)
