"""The store's part about looking at verdicts, and about the operator's rules."""

from collections.abc import Iterator
from datetime import datetime

from chat.review import (
    ActionCount,
    Bucket,
    JudgedText,
    OperatorRule,
    Review,
    Scored,
    TextRow,
    VerdictFilter,
    VerdictPage,
)
from chat.types import Stage
from storage import reviews, rules, verdicts
from storage.parts.part import Part


class Reviews(Part):
    """What moderators found, whoever's conversation it was in: for administrators alone."""

    def list_verdicts(
        self, wanted: VerdictFilter | None = None, *, cursor: str = "", limit: int = 50
    ) -> VerdictPage:
        """Return verdicts, the newest first; the `next_cursor` of a page leads to the next one."""
        with self._database.read() as session:
            return verdicts.list_verdicts(
                session, wanted or VerdictFilter(), cursor=cursor, limit=limit
            )

    def list_verdict_values(self) -> dict[str, list[str]]:
        """Return which moderators, categories and policy versions there are among verdicts."""
        with self._database.read() as session:
            return verdicts.list_values(session)

    def count_actions(
        self, since: datetime, until: datetime, bucket: Bucket = "day"
    ) -> list[ActionCount]:
        """Return how often which moderator led to which action, by hour or day in UTC."""
        with self._database.read() as session:
            return verdicts.count_actions(session, since, until, bucket)

    def iterate_scores(self, since: datetime) -> Iterator[Scored]:
        """Yield the scores of what was judged since then, the newest first."""
        return verdicts.iterate_scores(self._database, since)

    def iterate_texts(self, since: datetime, stage: Stage, limit: int) -> Iterator[JudgedText]:
        """Yield at most `limit` texts that were judged since then, the newest first."""
        return verdicts.iterate_texts(self._database, since, stage, limit)

    def count_texts(self, since: datetime, stage: Stage) -> int:
        """Return how many texts `iterate_texts` would yield without a limit."""
        with self._database.read() as session:
            return verdicts.count_texts(session, since, stage)

    def record_review(self, review: Review) -> None:
        """Add a word on a verdict to those that are there; it counts instead of that reviewer's.

        Raises:
            NotFound: there is no such verdict (any more).
        """
        with self._database.write() as session:
            reviews.record_review(session, review, self._clock.now())

    def read_reviews(self, verdict_id: str) -> list[Review]:
        """Return every word on a verdict, the oldest first."""
        with self._database.read() as session:
            return reviews.read_reviews(session, verdict_id)

    def export_reviews(self, *, purpose: str | None = None) -> Iterator[TextRow]:
        """Yield the reviewed texts with labels, to train and measure classifiers on.

        A false positive is labelled 0, what was missed 1, what was rightly found 1 and what was
        rightly let pass 0. A category that reviewers don't agree on is left out. With `purpose`
        only texts of conversations whose owners agreed to it.
        """
        return reviews.export_reviews(self._database, purpose)

    def save_rule(self, rule: OperatorRule, author_id: str = "") -> None:
        """Remember a rule, in the place of one with its id; when it was made and by whom stays."""
        with self._database.write() as session:
            rules.save_rule(session, rule, author_id, self._clock.now())

    def list_rules(self) -> list[OperatorRule]:
        """Return the rules, resting ones too, the oldest first."""
        with self._database.read() as session:
            return rules.list_rules(session)

    def delete_rule(self, rule_id: str) -> None:
        """Forget a rule, or raise NotFound."""
        with self._database.write() as session:
            rules.delete_rule(session, rule_id)
