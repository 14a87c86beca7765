"""Looking at what moderators found: marked by people, counted, asked "what if".

For administrators alone: who asks is theirs to check that call this.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, get_args

from chat.errors import InvalidRequest, NotFound
from chat.review import (
    ActionCount,
    Bucket,
    ListedVerdict,
    Mark,
    Review,
    TextRow,
    VerdictFilter,
    VerdictPage,
)
from chat.text import clean_text
from webapp.exploring import Exploration, Explorer, Question, ScoreStore

MARKS: tuple[Mark, ...] = get_args(Mark)
MOST_CATEGORIES = 20
LONGEST_NOTE = 2_000
HOURS = timedelta(days=2)
CATEGORY = re.compile(r"[a-z0-9][a-z0-9_./-]{0,63}")


class ReviewStore(ScoreStore, Protocol):
    """What is remembered of verdicts: `storage.store.Store`."""

    def list_verdicts(
        self, wanted: VerdictFilter | None = None, *, cursor: str = "", limit: int = 50
    ) -> VerdictPage:
        """Return a page of verdicts."""

    def list_verdict_values(self) -> Mapping[str, Sequence[str]]:
        """Return what there is to filter by."""

    def count_actions(
        self, since: datetime, until: datetime, bucket: Bucket = "day"
    ) -> Sequence[ActionCount]:
        """Return how often which moderator led to which action."""

    def record_review(self, review: Review) -> None:
        """Add a word on a verdict."""

    def export_reviews(self, *, purpose: str | None = None) -> Iterator[TextRow]:
        """Yield the reviewed texts with labels."""


@dataclass(frozen=True, slots=True)
class Activity:
    """How often what was done, from `since` on; buckets without a verdict have no count."""

    since: datetime
    until: datetime
    bucket: Bucket
    counts: tuple[ActionCount, ...]


class ReviewDesk:
    """What administrators do with verdicts."""

    def __init__(self, store: ReviewStore, explorer: Explorer):
        """Review what is in `store`."""
        self._store = store
        self._explorer = explorer

    async def list(
        self, wanted: VerdictFilter, *, cursor: str = "", limit: int = 25
    ) -> VerdictPage:
        """Return verdicts, the newest first."""
        wanted = replace(wanted, search=clean_text(wanted.search))
        return await asyncio.to_thread(
            self._store.list_verdicts, wanted, cursor=cursor, limit=limit
        )

    async def list_values(self) -> Mapping[str, Sequence[str]]:
        """Return the moderators, categories and policy versions to filter by."""
        return await asyncio.to_thread(self._store.list_verdict_values)

    async def mark(self, review: Review) -> ListedVerdict:
        """Remember what a reviewer says of a verdict; return it as it is then.

        Without categories the mark is about the one that decided.

        Raises:
            InvalidRequest: the mark isn't known, names no category, or says too much.
            NotFound: the verdict isn't there any more.
        """
        found = await self._read(review.verdict_id)
        decided = found.verdict.category
        named = review.categories or ((decided,) if CATEGORY.fullmatch(decided) else ())
        categories = tuple(dict.fromkeys(name for name in named if name != "error"))
        review = replace(review, categories=categories, note=clean_text(review.note).strip())
        _check_review(review)
        await asyncio.to_thread(self._store.record_review, review)
        return await self._read(review.verdict_id)

    async def _read(self, verdict_id: str) -> ListedVerdict:
        page = await self.list(VerdictFilter(ids=(verdict_id,)), limit=1)
        if not page.verdicts:
            raise NotFound("That verdict isn't there any more; reload the list.")
        return page.verdicts[0]

    def export(self, *, purpose: str | None) -> Iterator[dict[str, Any]]:
        """Yield the reviewed texts as records to train classifiers on; each step may block."""
        return map(asdict, self._store.export_reviews(purpose=purpose))

    async def count_actions(self, num_days: int, now: datetime | None = None) -> Activity:
        """Return what was done in the last days: by the hour for two, by the day for more."""
        until = now or datetime.now(UTC)
        length = timedelta(days=num_days)
        bucket: Bucket = "hour" if length <= HOURS else "day"
        since = (until - length).replace(minute=0, second=0, microsecond=0)
        since += timedelta(hours=1) if bucket == "hour" else timedelta(days=1)
        since = since if bucket == "hour" else since.replace(hour=0)
        counts = await asyncio.to_thread(self._store.count_actions, since, until, bucket)
        return Activity(since, until, bucket, tuple(counts))

    async def explore(self, question: Question) -> Exploration:
        """Say what would have been done with the last days' texts under another threshold."""
        return await self._explorer.explore(question)


def _check_review(review: Review) -> None:
    if review.mark not in MARKS:
        raise refused("mark", review.mark, ", ".join(MARKS))
    if not 0 < len(review.categories) <= MOST_CATEGORIES:
        raise refused("categories", len(review.categories), f"1 to {MOST_CATEGORIES} categories")
    for category in review.categories:
        if not CATEGORY.fullmatch(category):
            raise refused("categories", category, "a name such as hate")
    if len(review.note) > LONGEST_NOTE:
        raise refused("note", f"{len(review.note):,} characters", f"{LONGEST_NOTE:,}")


def refused(name: str, value: object, allowed: object) -> InvalidRequest:
    """Return the complaint that a field has a value that isn't allowed."""
    return InvalidRequest(f"{name} is {str(value)[:60]!r}; allowed is {allowed}.", param=name)
