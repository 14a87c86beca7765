"""GET /v1/models: the model that answers."""

import time
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from webapp.api.errors import describe_errors
from webapp.api.schemas import check_model
from webapp.service import ChatService


class Model(BaseModel):
    """A model that can be asked."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "palaver"


class ModelList(BaseModel):
    """The body of GET /v1/models."""

    object: Literal["list"] = "list"
    data: list[Model]


def add_routes(routes: APIRouter, service: ChatService) -> None:
    """Add the routes that name models."""
    started = int(time.time())

    @routes.get("/models", responses=describe_errors(401, 503))
    async def list_models() -> ModelList:
        """List the model that answers."""
        return ModelList(data=[Model(id=service.model, created=started)])

    @routes.get("/models/{model:path}", responses=describe_errors(401, 404, 503))
    async def read_model(model: str) -> Model:
        """Describe one model."""
        check_model(model or "/", service.model)
        return Model(id=service.model, created=started)
