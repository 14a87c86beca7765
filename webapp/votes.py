"""Rankings of answers that were shown side by side: given, changed and withdrawn."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import replace

from chat.errors import InvalidRequest
from chat.text import clean_text
from chat.types import WEAK_METHODS, Compared, Comparison, Ranking
from preferences.judgement import check_ranking
from webapp.archive import MOST_COMMENT
from webapp.memory import Memory, is_temporary

# So many are remembered as being looked at or passed over; nothing depends on the oldest.
MOST_OPEN = 10_000

Key = tuple[str, str]


class Votes:
    """What people say about comparisons. Whose they are is asked every time.

    All methods raise NotFound for what isn't there or is somebody else's, and StorageError when
    the database can't serve.
    """

    def __init__(self, memory: Memory):
        self._memory = memory
        # When each person got to see a comparison (monotonic), and what they passed over.
        self._seen_s: OrderedDict[Key, float] = OrderedDict()
        self._skipped: OrderedDict[Key, float] = OrderedDict()

    async def list(self, owner_id: str, conversation_id: str) -> list[Compared]:
        """Return what was compared in a chat, the newest first, with the owner's own rankings."""
        if is_temporary(conversation_id):
            return []
        return await asyncio.to_thread(
            self._memory.store.list_compared, owner_id, conversation_id, owner_id
        )

    def note_seen(self, owner_id: str, comparison_id: str) -> None:
        """Remember that somebody looks at a comparison from now on, if they didn't before."""
        key = (owner_id, comparison_id)
        _remember(self._seen_s, key, self._seen_s.get(key, time.monotonic()))

    def skip(self, owner_id: str, comparison_id: str) -> None:
        """Remember that somebody passes a comparison over; until the next start, at the latest."""
        key = (owner_id, comparison_id)
        _remember(self._skipped, key, time.monotonic())
        self._seen_s.pop(key, None)

    def is_skipped(self, owner_id: str, comparison_id: str) -> bool:
        """Say whether somebody has passed a comparison over."""
        return (owner_id, comparison_id) in self._skipped

    async def find_place(self, owner_id: str, answer_id: str) -> tuple[str, str]:
        """Return the ids of an answer's conversation and of its question."""
        store = self._memory.store
        return await asyncio.to_thread(store.find_question, owner_id, answer_id)

    async def add(self, owner_id: str, comparison: Comparison) -> None:
        """Remember answers that a program showed to somebody; again, it changes nothing."""
        await asyncio.to_thread(self._memory.store.record_comparison, owner_id, comparison)

    async def rank(self, owner_id: str, ranking: Ranking) -> Comparison:
        """Remember what somebody thinks of a comparison, in place of what they thought before.

        Returns what was ranked. How long it took is measured here, where it is known.

        Raises:
            InvalidRequest: it doesn't rank all that was shown, each once; or names others.
        """
        store = self._memory.store
        comparison = await asyncio.to_thread(store.read_comparison, owner_id, ranking.comparison_id)
        ranking = replace(ranking, comment=clean_text(ranking.comment).strip())
        _check(comparison, ranking)
        key = (ranking.annotator_id, comparison.id)
        seen_s = self._seen_s.get(key)
        if seen_s is not None:
            ranking = replace(ranking, elapsed_s=round(time.monotonic() - seen_s, 3))
        await asyncio.to_thread(store.record_ranking, owner_id, ranking)
        self._seen_s.pop(key, None)
        self._skipped.pop(key, None)
        return comparison

    async def withdraw(self, owner_id: str, comparison_id: str, annotator_id: str) -> None:
        """Forget what somebody thought of a comparison, and don't ask them again by itself."""
        await asyncio.to_thread(
            self._memory.store.withdraw_ranking, owner_id, comparison_id, annotator_id
        )
        self.skip(annotator_id, comparison_id)


def _check(comparison: Comparison, ranking: Ranking) -> None:
    if comparison.method in WEAK_METHODS:
        raise InvalidRequest(
            f"The comparison {comparison.id[:64]!r} was never shown to be ranked; rank another.",
            param="comparison",
        )
    check_ranking(comparison, ranking)
    if ranking.is_none_acceptable and ranking.acceptable:
        raise InvalidRequest(
            f"{len(ranking.acceptable)} answers are acceptable and none is; say one or the other.",
            param="acceptable",
        )
    if len(ranking.comment) > MOST_COMMENT:
        raise InvalidRequest(
            f"The comment has {len(ranking.comment):,} characters; allowed are {MOST_COMMENT:,}.",
            param="comment",
        )


def _remember(table: OrderedDict[Key, float], key: Key, value: float) -> None:
    table[key] = value
    table.move_to_end(key)
    while len(table) > MOST_OPEN:
        table.popitem(last=False)
