"""Errors as OpenAI's clients read them: a body with message, type, param and code."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from chat.errors import EngineError, InvalidRequest, PalaverError, QueueFull, Unavailable
from chat.text import clean_text
from webapp.complaints import complain
from webapp.middleware import error_body

KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
HTTP_CODES = {400: "invalid_json", 404: "unknown_url", 405: "method_not_allowed"}
# What pydantic finds wrong, in OpenAI's words.
CODES = {
    "missing": "missing_required_parameter",
    "greater_than_equal": "below_min_value",
    "less_than_equal": "above_max_value",
    "too_short": "array_below_min_length",
    "too_long": "array_above_max_length",
    "string_too_short": "string_below_min_length",
    "string_too_long": "string_above_max_length",
}
NO_JSON = "The body isn't valid JSON."
DESCRIPTIONS = {
    400: "Something in the request isn't allowed; `param` names it.",
    401: "The API key is missing, wrong or revoked, or /v1 is closed.",
    403: "The request comes from another site's page.",
    404: "What the request names isn't there, or is somebody else's.",
    413: "The request is too large.",
    429: "Too many are waiting; see `Retry-After`.",
    503: "The database or the model failed; see `Retry-After`.",
}


class ErrorDetail(BaseModel):
    """What went wrong."""

    model_config = ConfigDict(title="Error")

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """The body of every answer that is an error."""

    error: ErrorDetail


def describe_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what the schema says of the errors that a route answers with."""
    return {
        status: {"model": ErrorBody, "description": DESCRIPTIONS[status]} for status in statuses
    }


def add_error_bodies(app: FastAPI) -> None:
    """Answer every error of `app` in OpenAI's shape, never with a stack trace."""
    app.add_exception_handler(PalaverError, _answer_palaver_error)
    app.add_exception_handler(RequestValidationError, _answer_validation_error)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)
    app.add_exception_handler(Exception, _answer_unexpected)


def body_of(error: PalaverError) -> dict[str, object]:
    """Return the error body of `error`."""
    # What a client sent may be in it, and not everything that JSON holds can be sent back.
    message = clean_text(str(error))
    if isinstance(error, InvalidRequest):
        kind = KINDS.get(error.status, "invalid_request_error")
        return error_body(message, kind=kind, code=error.code, param=error.param)
    kind = KINDS.get(getattr(error, "status", 500), "server_error")
    return error_body(message, kind=kind, code=_code_of_failure(error))


def _code_of_failure(error: PalaverError) -> str:
    if isinstance(error, QueueFull):
        return "rate_limit_exceeded"
    return "engine_error" if isinstance(error, EngineError) else "unavailable"


async def _answer_palaver_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PalaverError)
    status = getattr(error, "status", 500)
    headers = {}
    if isinstance(error, Unavailable):
        headers["retry-after"] = str(error.retry_after_s)
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(body_of(error), status_code=status, headers=headers)


async def _answer_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    param, message, code = _read_rows(error.errors(), error.body)
    if request.method != "GET" and not await request.body():
        param, message, code = None, "The body is empty; send JSON.", "invalid_json"
    elif request.method != "GET" and "json" not in request.headers.get("content-type", ""):
        param, code = None, "invalid_content_type"
        message = "The body has to be JSON, sent as 'Content-Type: application/json'."
    body = error_body(message, kind="invalid_request_error", code=code, param=param)
    return JSONResponse(body, status_code=400)


def _read_rows(rows: Sequence[Mapping[str, Any]], body: object) -> tuple[str | None, str, str]:
    """Return the field at fault, what is wrong with it, and the code for that."""
    if rows[0]["type"] == "json_invalid":
        return None, NO_JSON, "invalid_json"
    if rows[0]["type"] == "missing" and body is None:
        return None, "The body is null; allowed is an object.", "invalid_type"
    paths = [_find_path(row, body) for row in rows]
    # A field of several forms complains once per form; the longest path is the form that was meant.
    path = max(paths, key=len)
    about = [row for row, other in zip(rows, paths, strict=True) if other == path]
    param = clean_text(".".join(str(part) for part in path)) or None
    return param, clean_text(complain(param or "The body", about)), _code_of(about)


def _code_of(about: Sequence[Mapping[str, Any]]) -> str:
    kinds = [row["type"] for row in about]
    kind = next((kind for kind in kinds if not kind.endswith("_type")), kinds[0])
    return CODES.get(kind, "invalid_type" if kind.endswith("_type") else "invalid_value")


def _find_path(row: Mapping[str, Any], body: object) -> tuple[object, ...]:
    """Return the place in the request that a complaint is about.

    Beside names and numbers of the request, pydantic's own place has the names of the forms that
    it tried.
    """
    where, *parts = row["loc"]
    if where != "body":
        return tuple(parts)
    path: list[object] = []
    value = body
    for part in parts:
        is_inside = isinstance(value, dict) and part in value
        is_inside = is_inside or (isinstance(value, list) and isinstance(part, int))
        if is_inside:
            value = value[part]  # type: ignore[index]
            path.append(part)
    if row["type"] == "missing" and parts:
        path.append(parts[-1])
    return tuple(path)


async def _answer_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    kind = KINDS.get(error.status_code, "invalid_request_error")
    message = clean_text(f"{request.method} {request.url.path[:100]}: {error.detail}.")
    if error.status_code == 400:
        # The framework's only complaint of its own: a body that Python can't read as JSON.
        message = NO_JSON
    code = HTTP_CODES.get(error.status_code, str(error.status_code))
    body = error_body(message, kind=kind, code=code)
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


async def _answer_nobody(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # nginx's word for it; nobody reads this


async def _answer_unexpected(request: Request, error: Exception) -> JSONResponse:
    body = error_body("Something went wrong here.", kind="server_error", code="internal_error")
    return JSONResponse(body, status_code=500)
