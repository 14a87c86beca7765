"""Microsoft's Presidio analyzer as a service: names, places and other personal data, located."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from chat.types import Span, Verdict
from moderation.base import Manifest, ModerationContext
from moderation.guards.asking import Asking, hold_back
from moderation.guards.exchange import ExchangeFailed, dump
from moderation.guards.service import (
    check_setting,
    check_text,
    open_exchange,
    read_score,
    read_settings,
    split,
)

# As what its entities count. "" leaves one out: dates and addresses of pages are rarely private.
ENTITIES: Mapping[str, str] = {
    "PERSON": "pii/name",
    "LOCATION": "pii/address",
    "EMAIL_ADDRESS": "pii/email",
    "PHONE_NUMBER": "pii/phone",
    "CREDIT_CARD": "pii/card",
    "IBAN_CODE": "pii/iban",
    "US_SSN": "pii/ssn",
    "US_ITIN": "pii/ssn",
    "IP_ADDRESS": "pii/ip",
    "MAC_ADDRESS": "pii/mac",
    "CRYPTO": "pii/crypto",
    "UK_NHS": "pii/national_id",
    "UK_NINO": "pii/national_id",
    "ES_NIF": "pii/national_id",
    "ES_NIE": "pii/national_id",
    "IT_FISCAL_CODE": "pii/national_id",
    "PL_PESEL": "pii/national_id",
    "IN_AADHAAR": "pii/national_id",
    "DATE_TIME": "",
    "NRP": "",
    "URL": "",
}
# A name may go on for so long when more text follows.
_LONGEST_NAME = 80
_URL = "http://127.0.0.1:5002"


def _categories(entities: Mapping[str, str]) -> tuple[str, ...]:
    return ("pii", *dict.fromkeys(name for name in entities.values() if name))


class PresidioModerator(Asking):
    """Passes on what a Presidio analyzer finds. Text is sent to where the operator runs one."""

    manifest = Manifest(
        "presidio",
        "1",
        categories=_categories(ENTITIES),
        needs_network=True,
        description="Asks a Presidio analyzer.",
    )
    locates = True

    def __init__(
        self,
        language: str = "en",
        score_threshold: float = 0.35,
        entities: Mapping[str, str] | None = None,
        **service: object,
    ):
        """Prepare; nothing is called yet.

        Args:
            language: which of its languages the analyzer should take the texts for.
            score_threshold: what it is less sure of isn't reported at all.
            entities: as what an entity of the analyzer counts, beside `ENTITIES`; "" leaves it
                out. Others count as pii/ and their name.
            service: see `moderation.guards.service.Settings`.

        Raises:
            ModeratorError: a setting isn't allowed.
        """
        settings = read_settings("presidio", service, url=_URL)
        check_text("presidio", "language", language)
        is_number = isinstance(score_threshold, int | float) and type(score_threshold) is not bool
        is_right = is_number and 0 <= score_threshold <= 1
        check_setting(
            "presidio", "score_threshold", score_threshold, is_right, "a number from 0 to 1"
        )
        own = entities or {}
        is_right = isinstance(own, Mapping) and all(
            isinstance(name, str) for pair in own.items() for name in pair
        )
        told = 'a category for each entity, as in { NRP = "pii/group" }'
        check_setting("presidio", "entities", entities, is_right, told)
        self._entities = {**ENTITIES, **own}
        manifest = replace(
            PresidioModerator.manifest,
            stages=settings.stages,
            categories=_categories(self._entities),
            hold_back=_LONGEST_NAME if settings.every_chars else hold_back(settings),
        )
        super().__init__(manifest, settings, open_exchange(settings))
        self._language = language
        self._threshold = score_threshold

    def _due(self, context: ModerationContext) -> str:
        """Look at all there is each time: a name must be found before its beginning is shown."""
        wants_whole = context.is_partial and not self._settings.every_chars
        return "" if wants_whole else context.text

    def judge(self, context: ModerationContext, text: str, end: float) -> Verdict:
        """Ask about each part of `text`."""
        spans: list[Span] = []
        for offset, part in split(text, self._settings):
            if part.strip():
                spans += self._ask(part, offset, end)
        return self.manifest.verdict(context.stage, spans)

    def _ask(self, text: str, offset: int, end: float) -> Sequence[Span]:
        assert self._exchange is not None
        body = {"text": text, "language": self._language, "score_threshold": self._threshold}
        answer = self._exchange.post("/analyze", dump(body), end)
        if not isinstance(answer, list):
            raise ExchangeFailed("garbage")
        found = (self._read(entry, len(text), offset) for entry in answer)
        return [span for span in found if span is not None]

    def _read(self, entry: object, length: int, offset: int) -> Span | None:
        if not isinstance(entry, dict):
            raise ExchangeFailed("garbage")
        entity, start, end = (entry.get(name) for name in ("entity_type", "start", "end"))
        if not isinstance(entity, str) or not 0 < len(entity) <= 56 or not entity.isprintable():
            raise ExchangeFailed("garbage")
        if type(start) is not int or type(end) is not int or not 0 <= start < end <= length:
            raise ExchangeFailed("garbage")
        category = self._entities.get(entity, f"pii/{entity.lower()}")
        score = read_score(entry.get("score", 1.0))
        return Span(start + offset, end + offset, category, score) if category else None
