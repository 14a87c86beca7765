"""Who and what is in the records that an export goes through: for its data card."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from preferences.judgement import Judgement
from preferences.samples import Record


@dataclass(slots=True)
class Census:
    """Counts what passes, as far as its owners agreed; with `everything`, all of it.

    Records of one conversation have to come one after another.
    """

    everything: bool
    annotators: set[str] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    languages: set[str] = field(default_factory=set)
    num_conversations: int = 0
    _conversation_id: str = ""

    def watch(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield the records, counting them."""
        for record in records:
            if record.consent or self.everything:
                self._count(record)
            yield record

    def _count(self, record: Record) -> None:
        if isinstance(record, Judgement):
            conversation_id = record.comparison.conversation_id
            candidates = record.candidates
        else:
            conversation_id = record.conversation_id
            candidates = (record.candidate,)
        self.annotators.add(record.annotator_id)
        self.models.update(candidate.model for candidate in candidates)
        self.languages.add(record.language)
        if conversation_id != self._conversation_id:
            self._conversation_id = conversation_id
            self.num_conversations += 1
