"""The schema at /openapi.json, made true: what FastAPI assumes of every route doesn't hold here."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from webapp import VERSION
from webapp.api.completions import ChatCompletionChunk

ASSUMED = ("HTTPValidationError", "ValidationError")


def describe(app: FastAPI) -> None:
    """Let `app` describe itself as it is: invalid input is 400, and streams have a form too."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = _correct(
                get_openapi(
                    title="Palaver",
                    version=VERSION,
                    description="The API of Palaver, which is OpenAI's where OpenAI has one.",
                    routes=app.routes,
                )
            )
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _correct(schema: dict[str, Any]) -> dict[str, Any]:
    for operations in schema["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            for status, response in operation["responses"].items():
                # An error is JSON, whatever the route gives when all is well.
                if status != "200":
                    [content] = response["content"].values()
                    response["content"] = {"application/json": content}
    parts = schema["components"]["schemas"]
    for name in ASSUMED:
        parts.pop(name, None)
    # What the events of a stream hold; OpenAPI has no word for a stream of events.
    chunk = ChatCompletionChunk.model_json_schema(ref_template="#/components/schemas/{model}")
    parts |= chunk.pop("$defs")
    parts["ChatCompletionChunk"] = chunk
    return schema
