"""POST /v1/rankings: how the users of a program rank the answers that it got to one question."""

import hashlib
import re
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from chat.errors import InvalidRequest, NotFound
from chat.text import clean_text
from chat.types import Comparison, Ranking
from webapp.api.completions import PREFIX
from webapp.api.errors import describe_errors
from webapp.api.feedback import MOST_USER
from webapp.api.schemas import MOST_ANSWERS, WireModel
from webapp.archive import MOST_COMMENT
from webapp.turn import answer_id_of
from webapp.votes import Votes

Name = Annotated[str, Field(max_length=100)]
_ANSWER = re.compile(PREFIX + r"([0-9a-f]{32})(?:-([0-7]))?")
_COMPARISON = re.compile("[0-9a-f]{32}")


class RankingRequest(WireModel):
    """The body of POST /v1/rankings.

    An answer is named by the id of its completion and the index of its choice: `chatcmpl-...-1`.
    """

    comparison: Name | Annotated[list[Name], Field(min_length=2, max_length=MOST_ANSWERS)] = Field(
        description="the answers in the order shown, or the id that an earlier ranking of them got"
    )
    groups: list[Annotated[list[Name], Field(min_length=1, max_length=MOST_ANSWERS)]] = Field(
        min_length=1,
        max_length=MOST_ANSWERS,
        description="the answers, the best group first; those of equal rank share a group",
    )
    acceptable: list[Name] | None = Field(
        None, max_length=MOST_ANSWERS, description="which will do as they are; [] is none of them"
    )
    strength: float | None = Field(
        None, ge=0, le=1, description="how much better the first group is than the last"
    )
    comment: str = Field("", max_length=MOST_COMMENT)
    user: str | None = Field(
        None, min_length=1, max_length=MOST_USER, description="who of your users says so"
    )


class StoredRanking(BaseModel):
    """What is remembered now."""

    object: Literal["ranking"] = "ranking"
    comparison: str
    answers: list[str]
    groups: list[list[str]]
    acceptable: list[str] | None
    strength: float | None
    comment: str
    user: str | None


class WithdrawnRanking(BaseModel):
    """What isn't remembered any more."""

    object: Literal["ranking.deleted"] = "ranking.deleted"
    comparison: str
    deleted: Literal[True] = True


def add_routes(routes: APIRouter, votes: Votes) -> None:
    """Add the routes of the rankings."""

    @routes.post("/rankings", responses=describe_errors(400, 401, 403, 404, 413, 503))
    async def record_ranking(body: RankingRequest, request: Request) -> StoredRanking:
        """Remember a ranking, in place of what the same user said of the same comparison."""
        owner_id = request.state.owner_id
        ranking = _read_ranking(body, _annotator(owner_id, body.user))
        if isinstance(body.comparison, str):
            if not _COMPARISON.fullmatch(body.comparison):
                raise _not_found(body.comparison)
        else:
            await votes.add(owner_id, await _read_shown(votes, owner_id, body.comparison))
        comparison = await votes.rank(owner_id, ranking)
        return _show(comparison, ranking, body)

    @routes.delete("/rankings/{comparison_id}", responses=describe_errors(400, 401, 403, 404, 503))
    async def withdraw_ranking(
        request: Request,
        comparison_id: str,
        user: str | None = Query(None, min_length=1, max_length=MOST_USER),
    ) -> WithdrawnRanking:
        """Forget what a user said of a comparison, if they said anything."""
        owner_id = request.state.owner_id
        if not _COMPARISON.fullmatch(comparison_id):
            raise _not_found(comparison_id)
        await votes.withdraw(owner_id, comparison_id, _annotator(owner_id, user))
        return WithdrawnRanking(comparison=comparison_id)


def _annotator(owner_id: str, user: str | None) -> str:
    cleaned = clean_text(user) if user else ""
    return f"{owner_id}/{cleaned}" if cleaned else owner_id


def _read_ranking(body: RankingRequest, annotator_id: str) -> Ranking:
    shown = body.comparison
    return Ranking(
        shown if isinstance(shown, str) else _comparison_id([_read_answer(n) for n in shown]),
        annotator_id,
        tuple(tuple(_read_answer(name) for name in group) for group in body.groups),
        frozenset(_read_answer(name) for name in body.acceptable or ()),
        body.comment,
        body.strength,
        is_none_acceptable=body.acceptable == [],
    )


async def _read_shown(votes: Votes, owner_id: str, names: Sequence[str]) -> Comparison:
    """Return the comparison of answers that one request got, in the order shown."""
    answer_ids = tuple(_read_answer(name) for name in names)
    if len({answer_id.partition("-")[0] for answer_id in answer_ids}) > 1:
        raise InvalidRequest(
            "The answers come from several completions; allowed are the choices of one, which was "
            "asked for with n.",
            param="comparison",
        )
    place = await votes.find_place(owner_id, answer_ids[0])
    return Comparison(_comparison_id(answer_ids), *place, answer_ids, method="same", origin="api")


def _comparison_id(answer_ids: Sequence[str]) -> str:
    """Return the same id for the same answers in the same order, so that saying it twice is one."""
    return hashlib.sha256("\0".join(answer_ids).encode()).hexdigest()[:32]


def _read_answer(name: str) -> str:
    # Only what an id of ours may look like is looked up.
    match = _ANSWER.fullmatch(name)
    if match is None:
        raise NotFound(
            f"There is no answer {name[:80]!r}; an answer is named by its completion's id and the "
            f"index of its choice, as in {PREFIX}...-1.",
            param="comparison",
            code="answer_not_found",
        )
    return answer_id_of(match[1], int(match[2] or 0))


def _name_of(answer_id: str) -> str:
    first_id, _, number = answer_id.partition("-")
    return f"{PREFIX}{first_id}-{number or 0}"


def _show(comparison: Comparison, ranking: Ranking, body: RankingRequest) -> StoredRanking:
    return StoredRanking(
        comparison=comparison.id,
        answers=[_name_of(answer_id) for answer_id in comparison.answer_ids],
        groups=[[_name_of(answer_id) for answer_id in group] for group in ranking.groups],
        acceptable=None if body.acceptable is None else sorted(map(_name_of, ranking.acceptable)),
        strength=ranking.strength,
        comment=clean_text(body.comment).strip(),
        user=body.user,
    )


def _not_found(comparison_id: str) -> NotFound:
    return NotFound(
        f"There is no comparison {comparison_id[:80]!r}; name its answers in the order shown.",
        param="comparison",
        code="comparison_not_found",
    )
