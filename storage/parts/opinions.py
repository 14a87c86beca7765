"""The store's part about what people think of the answers."""

from collections.abc import Callable, Iterable, Iterator

from chat.errors import InvalidRequest
from chat.types import Compared, Comparison, Correction, Message, Ranking, Rating
from storage import comparing, exports, feedback, imports, prompts
from storage.parts.part import Part
from storage.records import MarkedAnswer, RankedComparison


class Opinions(Part):
    """Comparisons, rankings and ratings.

    `owner_id` is whose conversation it is; the annotator may be somebody else.
    """

    def record_comparison(self, owner_id: str, comparison: Comparison) -> None:
        """Remember which answers were shown, in which order; sent again it changes nothing."""
        with self._database.write() as session:
            feedback.record_comparison(session, owner_id, comparison, self._clock.now())

    def read_comparison(self, owner_id: str, comparison_id: str) -> Comparison:
        """Return one comparison, or raise NotFound."""
        with self._database.read() as session:
            return feedback.find_comparison(session, owner_id, comparison_id)

    def list_compared(
        self, owner_id: str, conversation_id: str, annotator_id: str
    ) -> list[Compared]:
        """Return what was compared in a conversation of the page, the newest first.

        With the rankings of one annotator; weak signals are left out.
        """
        with self._database.read() as session:
            return comparing.list_compared(session, owner_id, conversation_id, annotator_id)

    def find_question(self, owner_id: str, answer_id: str) -> tuple[str, str]:
        """Return the ids of an answer's conversation and of its question, or raise NotFound."""
        with self._database.read() as session:
            return comparing.find_question(session, owner_id, answer_id)

    def record_ranking(self, owner_id: str, ranking: Ranking) -> None:
        """Remember what an annotator thinks; a new ranking replaces their old one.

        Answers may be left out of the groups.
        """
        with self._database.write() as session:
            feedback.record_ranking(session, owner_id, ranking, self._clock.now())

    def withdraw_ranking(self, owner_id: str, comparison_id: str, annotator_id: str) -> None:
        """Forget what an annotator thought of a comparison, if they said anything."""
        with self._database.write() as session:
            feedback.withdraw_ranking(session, owner_id, comparison_id, annotator_id)

    def record_correction(self, owner_id: str, correction: Correction) -> None:
        """Put a corrected answer beside the old one, and on display.

        Raises:
            NotFound: there is no such answer in a conversation of `owner_id`.
        """
        with self._database.write() as session:
            feedback.record_correction(session, owner_id, correction, self._clock.now())

    def record_rating(self, owner_id: str, rating: Rating) -> None:
        """Remember a thumb; a new one replaces the annotator's old one."""
        with self._database.write() as session:
            feedback.record_rating(session, owner_id, rating, self._clock.now())

    def withdraw_rating(self, owner_id: str, answer_id: str, annotator_id: str) -> None:
        """Forget an annotator's thumb, if there is one."""
        with self._database.write() as session:
            feedback.withdraw_rating(session, owner_id, answer_id, annotator_id)

    def read_ratings(self, owner_id: str, conversation_id: str) -> list[Rating]:
        """Return the thumbs in a conversation, the oldest first."""
        with self._database.read() as session:
            return feedback.read_ratings(session, owner_id, conversation_id)

    def export_rankings(self, *, purpose: str | None = None) -> Iterator[RankedComparison]:
        """Yield the rankings for training, those on one question together.

        With `purpose` only those in conversations that may be used for it.
        """
        return exports.export_rankings(self._database, purpose)

    def export_opinions(self, *, purpose: str) -> Iterator[RankedComparison | MarkedAnswer]:
        """Yield rankings, thumbs and corrections, those on one question together.

        Each says whether it may be used for `purpose`; those that may not are there too.
        """
        return exports.export_opinions(self._database, purpose)

    def export_openings(self) -> Iterator[tuple[str, Message]]:
        """Yield the first questions of conversations that have several: the id, the question."""
        return prompts.export_openings(self._database)

    def import_rankings(
        self,
        rankings: Iterable[RankedComparison],
        *,
        purpose: str,
        on_refused: Callable[[InvalidRequest], None] | None = None,
    ) -> int:
        """Store rankings from elsewhere, and return how many of them are new here, or newer.

        All in one transaction, taken in one by one; the same again changes nothing. Without
        `on_refused` the first that can't be stored ends it, and nothing is stored. Owners are
        those of imported conversations; what belongs to somebody else is left alone. Consent to
        `purpose` is what every ranking of a conversation came with.

        Raises:
            InvalidRequest: an id is taken by something else here, or can't be one.
        """
        num_new = 0
        with self._database.write() as session:
            for ranked in rankings:
                try:
                    now = self._clock.now()
                    num_new += imports.import_ranking(session, ranked, purpose, now)
                except InvalidRequest as error:
                    if on_refused is None:
                        raise
                    on_refused(error)
        return num_new
