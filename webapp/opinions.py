"""What people think of answers, from the store to statistics and files, and back again."""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from chat.errors import InvalidRequest
from chat.types import Comparison, FinishReason, GenerationConfig, Message, Ranking
from moderation.base import ModerationContext
from moderation.pii import PiiModerator
from moderation.text.language import detect_language
from preferences.judgement import Candidate, Judgement
from preferences.pseudonyms import pseudonym
from preferences.samples import Mark, Record
from preferences.splits import Splits
from preferences.texts import in_utc
from storage.records import MarkedAnswer, RankedComparison
from storage.store import Store
from webapp.auth import read_key
from webapp.settings import Settings

# Before the pseudonym of somebody whose rankings were imported; nobody else's id begins so.
IMPORTED = "import:"
# Where a draw keeps what an imported ranking had and the tables have no column for.
_NOTE = "imported"
_KINDS = frozenset({"repeat", "check", "edit", "regenerate"})
_PSEUDONYM = re.compile("[0-9a-f]{16}")
_REFUSED = "content_filter"
_ENDINGS: frozenset[FinishReason] = frozenset(
    {"stop", "length", "content_filter", "cancelled", "error"}
)
_CONFIG = frozenset(field.name for field in fields(GenerationConfig))

Finder = Callable[[str], bool]


def make_pseudonym_key(settings: Settings) -> bytes:
    """Return the key of annotators' pseudonyms: made of the key of cookies, and kept with it.

    Raises:
        SettingsError: that key can't be read or made.
    """
    lines = settings.cookie_key.encode() or read_key(settings.data_dir)
    return hmac.digest(lines.split()[0], b"palaver pseudonyms", hashlib.sha256)


def join_openings(store: Store, splits: Splits) -> None:
    """Keep conversations together whose first question was edited: see `Splits`."""
    for conversation_id, question in store.export_openings():
        splits.join((question,), conversation_id)


def find_personal_data() -> Finder:
    """Return what says whether a text holds what the moderator `pii` looks for."""
    moderator = PiiModerator()

    def has_pii(text: str) -> bool:
        context = ModerationContext((Message("assistant", text),), "output")
        return bool(moderator.check(context).spans)

    return has_pii


class Reader:
    """Makes records of what the store exports, under pseudonyms.

    Texts that may not be used aren't looked into; `everything` may be.
    """

    def __init__(self, key: bytes, *, everything: bool = False, has_pii: Finder | None = None):
        self._key = key
        self._everything = everything
        self._has_pii = has_pii or find_personal_data()
        self._question_id = ""
        self._language = ""
        self._found: dict[str, bool] = {}

    def read(self, opinions: Iterable[RankedComparison | MarkedAnswer]) -> Iterator[Record]:
        """Yield a record of each opinion, in the same order."""
        for opinion in opinions:
            if isinstance(opinion, RankedComparison):
                yield self.to_judgement(opinion)
            else:
                yield self.to_mark(opinion)

    def to_judgement(self, ranked: RankedComparison) -> Judgement:
        """Return a ranking as statistics and formats take it."""
        comparison = ranked.comparison
        is_used = ranked.has_consent or self._everything
        self._look_at(comparison.question_id, ranked.prompt, is_used=is_used)
        note = _note_of(comparison)
        shown = _shown(ranked)
        marked = frozenset(note.get("pii", ()))
        candidates = [
            self._candidate(
                answer_id,
                ranked.answers[answer_id].content,
                ranked.models.get(answer_id, ""),
                ranked.configs.get(answer_id, {}),
                ranked.finish_reasons.get(answer_id, ""),
                is_used=is_used,
                has_pii=answer_id in marked,
            )
            for answer_id in shown
            if answer_id in ranked.answers
        ]
        draw = {name: value for name, value in comparison.draw.items() if name != _NOTE}
        return Judgement(
            comparison=replace(comparison, answer_ids=shown, draw=draw),
            ranking=replace(ranked.ranking, annotator_id=self._name(ranked.ranking.annotator_id)),
            prompt=ranked.prompt,
            candidates=tuple(candidates),
            created_at=ranked.ranked_at,
            consent=ranked.has_consent,
            kind=note.get("kind", kind_of(comparison.method)),
            tags=tuple(note.get("tags", ())),
            language=note.get("language", self._language),
            owner_id=self._name(ranked.owner_id),
            is_none_acceptable=ranked.ranking.is_none_acceptable,
        )

    def to_mark(self, marked: MarkedAnswer) -> Mark:
        """Return a thumb or a correction as the formats take it."""
        is_used = marked.has_consent or self._everything
        self._look_at(marked.question_id, marked.prompt, is_used=is_used)
        return Mark(
            conversation_id=marked.conversation_id,
            question_id=marked.question_id,
            prompt=marked.prompt,
            candidate=self._candidate(
                marked.answer_id,
                marked.answer.content,
                marked.model,
                marked.config,
                marked.finish_reason,
                is_used=is_used,
            ),
            is_good=marked.is_good,
            annotator_id=self._name(marked.annotator_id),
            created_at=marked.marked_at,
            consent=marked.has_consent,
            origin="correction" if marked.is_correction else "rating",
            tags=marked.tags,
            language=self._language,
        )

    def _candidate(
        self,
        answer_id: str,
        text: str,
        model: str,
        config: Mapping[str, Any],
        finish_reason: str,
        *,
        is_used: bool,
        has_pii: bool = False,
    ) -> Candidate:
        if is_used and not has_pii:
            if answer_id not in self._found:
                self._found[answer_id] = self._has_pii(text)
            has_pii = self._found[answer_id]
        return Candidate(
            answer_id,
            model,
            text,
            _numbers(config),
            finish_reason or "stop",
            is_blocked=finish_reason == _REFUSED,
            has_pii=has_pii,
        )

    def _look_at(self, question_id: str, prompt: tuple[Message, ...], *, is_used: bool) -> None:
        """Begin with the next question: what was found out about the last one isn't needed."""
        if question_id != self._question_id:
            self._question_id = question_id
            self._found = {}
            self._language = ""
        if is_used and prompt and not self._language:
            self._language = detect_language(prompt[-1].content)

    def _name(self, user_id: str) -> str:
        known = user_id.removeprefix(IMPORTED)
        if known != user_id and (not known or _PSEUDONYM.fullmatch(known)):
            return known
        return pseudonym(self._key, user_id)


def kind_of(method: str) -> str:
    """Return what kind of judgement a comparison of this method asks for."""
    return method if method in _KINDS else "rank"


def _shown(ranked: RankedComparison) -> tuple[str, ...]:
    """Return the answers that were ranked in the order shown; last those deleted since."""
    levels = [answer_id for group in ranked.ranking.groups for answer_id in group]
    there = [each for each in ranked.comparison.answer_ids if each in levels]
    return (*there, *(each for each in levels if each not in there))


def _numbers(config: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: value
        for name, value in config.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _note_of(comparison: Comparison) -> Mapping[str, Any]:
    note = comparison.draw.get(_NOTE)
    return note if isinstance(note, Mapping) else {}


def to_stored(judgement: Judgement) -> RankedComparison:
    """Return a judgement from a file as the store takes it; whose it is stays a pseudonym.

    Raises:
        InvalidRequest: an answer ended in no known way, or its settings are none.
    """
    for candidate in judgement.candidates:
        _check_candidate(candidate)
    comparison, ranking = judgement.comparison, judgement.ranking
    note = _take_note(judgement)
    draw = dict(comparison.draw) | ({_NOTE: note} if note else {})
    endings = {
        candidate.answer_id: _REFUSED if candidate.is_blocked else candidate.finish_reason
        for candidate in judgement.candidates
    }
    return RankedComparison(
        comparison=replace(comparison, draw=draw),
        ranking=_to_ranking(judgement, IMPORTED + ranking.annotator_id),
        prompt=judgement.prompt,
        answers={c.answer_id: Message("assistant", c.text) for c in judgement.candidates},
        models={c.answer_id: c.model for c in judgement.candidates},
        configs={c.answer_id: c.settings for c in judgement.candidates},
        finish_reasons=endings,
        owner_id=IMPORTED + judgement.owner_id,
        has_consent=judgement.consent,
        ranked_at=in_utc(judgement.created_at),
    )


def _to_ranking(judgement: Judgement, annotator_id: str) -> Ranking:
    return replace(
        judgement.ranking,
        annotator_id=annotator_id,
        is_none_acceptable=judgement.is_none_acceptable,
    )


def _take_note(judgement: Judgement) -> dict[str, Any]:
    """Return what couldn't be found out again of a judgement, once it is stored."""
    asked = judgement.prompt[-1].content if judgement.prompt else ""
    note: dict[str, Any] = {}
    if judgement.kind != kind_of(judgement.comparison.method):
        note["kind"] = judgement.kind
    if judgement.tags:
        note["tags"] = list(judgement.tags)
    if judgement.language != detect_language(asked):
        note["language"] = judgement.language
    if marked := [c.answer_id for c in judgement.candidates if c.has_pii]:
        note["pii"] = marked
    return note


def _check_candidate(candidate: Candidate) -> None:
    if candidate.finish_reason not in _ENDINGS:
        raise InvalidRequest(
            f"finish_reason is {candidate.finish_reason[:64]!r}; allowed is "
            f"{', '.join(sorted(_ENDINGS))}.",
            param="finish_reason",
        )
    known = {name: value for name, value in candidate.settings.items() if name in _CONFIG}
    if "stop" in known:
        raise InvalidRequest("The setting stop is a number; leave it out.", param="settings")
    GenerationConfig(**known)  # type: ignore[arg-type]
