"""POST /v1/feedback: what the users of a program think of the answers that it got."""

import re
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, BeforeValidator, Field
from pydantic_core import PydanticKnownError

from chat.errors import InvalidRequest, NotFound
from chat.text import clean_text
from chat.types import Rating
from webapp.api.completions import PREFIX
from webapp.api.errors import describe_errors
from webapp.api.schemas import MOST_ANSWERS, Whole, WireModel
from webapp.archive import MOST_COMMENT, Archive
from webapp.turn import answer_id_of

MOST_USER = 100
MOST_TAGS = 10
THUMBS: dict[str | int, Literal[-1, 1]] = {"up": 1, 1: 1, "down": -1, -1: -1}


def _refuse_booleans(value: object) -> object:
    # To Python true is 1; to JSON it isn't.
    if isinstance(value, bool):
        raise PydanticKnownError("literal_error", {"expected": "'up', 'down', 1 or -1"})
    return value


Thumb = Annotated[Literal["up", "down", 1, -1] | None, BeforeValidator(_refuse_booleans)]


class FeedbackRequest(WireModel):
    """The body of POST /v1/feedback; a `value` of null takes back what was said before."""

    completion_id: str = Field(description="the id of the completion, as in chatcmpl-...")
    choice: Whole = Field(0, ge=0, lt=MOST_ANSWERS, description="which of its choices")
    value: Thumb
    tags: list[str] = Field([], max_length=MOST_TAGS, description="reasons: see the API's guide")
    comment: str = Field("", max_length=MOST_COMMENT)
    user: str | None = Field(
        None, min_length=1, max_length=MOST_USER, description="who of your users says so"
    )


class Feedback(BaseModel):
    """What is remembered now."""

    object: Literal["feedback"] = "feedback"
    completion_id: str
    choice: int
    value: Literal["up", "down"] | None
    tags: list[str]
    comment: str
    user: str | None


def add_routes(routes: APIRouter, archive: Archive) -> None:
    """Add the route of the thumbs."""

    @routes.post("/feedback", responses=describe_errors(400, 401, 403, 404, 413, 503))
    async def record_feedback(body: FeedbackRequest, request: Request) -> Feedback:
        """Remember a thumb for an answer, in place of what the same user said before."""
        owner_id = request.state.owner_id
        user = clean_text(body.user) if body.user else None
        annotator_id = f"{owner_id}/{user}" if user else owner_id
        try:
            await _record(archive, owner_id, annotator_id, body)
        except NotFound as error:
            raise _not_found(body) from error
        return Feedback(
            completion_id=body.completion_id,
            choice=body.choice,
            value=None if body.value is None else "up" if THUMBS[body.value] > 0 else "down",
            tags=body.tags,
            comment=clean_text(body.comment),
            user=user,
        )


async def _record(
    archive: Archive, owner_id: str, annotator_id: str, body: FeedbackRequest
) -> None:
    answer_id = answer_id_of(_find_answer_id(body), body.choice)
    if body.value is None:
        if body.tags or body.comment:
            raise InvalidRequest(
                "value is null, which takes the feedback back; leave tags and comment out.",
                param="value",
            )
        await archive.withdraw_rating(owner_id, "", answer_id, annotator_id)
        return
    comment = clean_text(body.comment)
    rating = Rating(answer_id, annotator_id, THUMBS[body.value], tuple(body.tags), comment)
    await archive.rate(owner_id, "", rating)


def _find_answer_id(body: FeedbackRequest) -> str:
    # Only what an id of ours may look like is looked up.
    match = re.fullmatch(PREFIX + "([0-9a-f]{32})", body.completion_id)
    if match is None:
        raise _not_found(body)
    return match[1]


def _not_found(body: FeedbackRequest) -> NotFound:
    return NotFound(
        f"There is no completion {body.completion_id[:80]!r} with a choice {body.choice}.",
        param="completion_id",
        code="completion_not_found",
    )
