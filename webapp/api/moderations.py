"""POST /v1/moderations: texts judged by the same moderators and policy as the chat."""

import uuid
from typing import Annotated, Literal, get_args

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from chat.types import Action
from webapp.api.errors import describe_errors
from webapp.api.leaving import unless_left
from webapp.api.schemas import WireModel
from webapp.judgement import Judgement
from webapp.service import ChatService

Category = Literal[
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
]
CATEGORIES: tuple[Category, ...] = get_args(Category)
MOST_TEXTS = 100
JUDGED_AT_ONCE = 8


class ModerationRequest(WireModel):
    """The body of POST /v1/moderations: one text, or several."""

    input: str | Annotated[list[str], Field(min_length=1, max_length=MOST_TEXTS)]
    model: str | None = Field(None, description="accepted and given back; there is one chain")

    @property
    def texts(self) -> list[str]:
        """The texts to judge."""
        return [self.input] if isinstance(self.input, str) else self.input


class Finding(BaseModel):
    """What the chat would do with the text, in our own words.

    `scores` has all categories found, beyond OpenAI's; `hazards` are those of MLCommons (S1 to S14)
    that what is flagged speaks of; `failed` names moderators that didn't answer, which the policy
    may count as a refusal.
    """

    action: Action
    category: str
    scores: dict[str, float]
    hazards: list[str]
    failed: list[str]


class ModerationResult(BaseModel):
    """What is to be thought of one text."""

    flagged: bool
    categories: dict[Category, bool]
    category_scores: dict[Category, float]
    category_applied_input_types: dict[Category, list[Literal["text"]]]
    palaver: Finding

    @classmethod
    def of(cls, judgement: Judgement) -> "ModerationResult":
        """Return `judgement` with a word on each of OpenAI's categories."""
        scores = judgement.scores
        return cls(
            flagged=judgement.is_flagged,
            categories={name: name in judgement.flagged for name in CATEGORIES},
            category_scores={name: scores.get(name, 0.0) for name in CATEGORIES},
            category_applied_input_types={name: ["text"] for name in CATEGORIES},
            palaver=Finding(
                action=judgement.action,
                category=judgement.category,
                scores=dict(scores),
                hazards=list(judgement.hazards),
                failed=list(judgement.failed),
            ),
        )


class Moderation(BaseModel):
    """The body of the answer: one result for each text, in their order."""

    id: str
    model: str
    results: list[ModerationResult]


def add_routes(routes: APIRouter, service: ChatService) -> None:
    """Add the route of the moderators."""

    @routes.post("/moderations", responses=describe_errors(400, 401, 403, 413, 503))
    async def create_moderation(body: ModerationRequest, request: Request) -> Moderation:
        """Judge texts as the chat judges questions; nothing is stored."""
        locale = request.headers.get("accept-language", "")
        judgements = await unless_left(request, _judge(service, body.texts, locale))
        return Moderation(
            id=f"modr-{uuid.uuid4().hex}",
            model=body.model or service.policy_name,
            results=[ModerationResult.of(judgement) for judgement in judgements],
        )


async def _judge(service: ChatService, texts: list[str], locale: str) -> list[Judgement]:
    """Judge a few texts at a time, so that the chat's questions get their turn."""
    judgements: list[Judgement] = []
    for start in range(0, len(texts), JUDGED_AT_ONCE):
        some = texts[start : start + JUDGED_AT_ONCE]
        judgements += await service.moderate(some, locale=locale)
    return judgements
