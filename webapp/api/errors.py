"""Errors as OpenAI's clients read them: a body with message, type, param and code."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from chat.errors import InvalidRequest, PalaverError, Unavailable
from webapp.middleware import error_body

KINDS = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


def add_error_bodies(app: FastAPI) -> None:
    """Answer every error of `app` in OpenAI's shape, never with a stack trace."""
    app.add_exception_handler(PalaverError, _answer_palaver_error)
    app.add_exception_handler(RequestValidationError, _answer_validation_error)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)
    app.add_exception_handler(Exception, _answer_unexpected)


def body_of(error: PalaverError) -> dict[str, object]:
    """Return the error body of `error`."""
    if isinstance(error, InvalidRequest):
        kind = KINDS.get(error.status, "invalid_request_error")
        return error_body(str(error), kind=kind, code=error.code, param=error.param)
    kind = KINDS.get(getattr(error, "status", 500), "server_error")
    return error_body(str(error), kind=kind, code=type(error).__name__.lower())


async def _answer_palaver_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PalaverError)
    headers = {}
    if isinstance(error, Unavailable):
        headers["retry-after"] = str(error.retry_after_s)
    status = getattr(error, "status", 500)
    return JSONResponse(body_of(error), status_code=status, headers=headers)


async def _answer_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    param = ".".join(str(part) for part in first["loc"] if part != "body") or None
    message = f"{param or 'The body'}: {first['msg']}."
    if first["type"] == "json_invalid":
        param, message = None, "The body isn't valid JSON."
    if "json" not in request.headers.get("content-type", ""):
        message = "The body has to be JSON, sent as 'Content-Type: application/json'."
    body = error_body(message, kind="invalid_request_error", code="invalid_value", param=param)
    return JSONResponse(body, status_code=400)


async def _answer_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path}: {error.detail}."
    kind = KINDS.get(error.status_code, "invalid_request_error")
    body = error_body(message, kind=kind, code=str(error.status_code))
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


async def _answer_nobody(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # nginx's word for it; nobody reads this


async def _answer_unexpected(request: Request, error: Exception) -> JSONResponse:
    body = error_body("Something went wrong here.", kind="server_error", code="internal_error")
    return JSONResponse(body, status_code=500)
