"""Google's Perspective API, or a service that speaks like it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from chat.types import Verdict
from moderation.base import Manifest, ModerationContext
from moderation.guards.asking import Asking, hold_back
from moderation.guards.exchange import ExchangeFailed, dump
from moderation.guards.service import (
    are_texts,
    check_setting,
    open_exchange,
    read_score,
    read_settings,
    split,
)

_URL = "https://commentanalyzer.googleapis.com/v1alpha1"
# Which category each attribute speaks of. SEVERE_TOXICITY is left out: it repeats the others.
ATTRIBUTES: Mapping[str, str] = {
    "TOXICITY": "harassment",
    "INSULT": "harassment",
    "IDENTITY_ATTACK": "hate",
    "THREAT": "harassment/threatening",
    "SEXUALLY_EXPLICIT": "sexual",
    "PROFANITY": "profanity",
}


class PerspectiveModerator(Asking):
    """Passes on what Perspective says of a text. It is sent to Google, not to be stored."""

    manifest = Manifest(
        "perspective",
        "v1alpha1",
        categories=tuple(dict.fromkeys(ATTRIBUTES.values())),
        needs_network=True,
        description="Asks the Perspective API.",
    )

    def __init__(
        self,
        attributes: Mapping[str, str] | None = None,
        languages: Sequence[str] = (),
        **service: object,
    ):
        """Prepare; nothing is called yet.

        Args:
            attributes: what to ask for, and as which category it counts; `ATTRIBUTES` if empty.
            languages: codes of the texts' languages, or empty to let the service find out.
            service: see `moderation.guards.service.Settings`.

        Raises:
            ModeratorError: a setting isn't allowed.
        """
        settings = read_settings("perspective", service, url=_URL, max_chars=4_000)
        asked = attributes or ATTRIBUTES
        is_right = isinstance(asked, Mapping) and all(
            isinstance(name, str) and name for pair in asked.items() for name in pair
        )
        told = 'a category for each attribute, as in { INSULT = "harassment" }'
        check_setting("perspective", "attributes", attributes, is_right, told)
        told = 'a list of codes, as in ["en"]'
        check_setting("perspective", "languages", languages, are_texts(languages), told)
        manifest = replace(
            PerspectiveModerator.manifest,
            stages=settings.stages,
            categories=tuple(dict.fromkeys(asked.values())),
            hold_back=hold_back(settings),
        )
        headers = {"X-Goog-Api-Key": settings.api_key} if settings.api_key else {}
        super().__init__(manifest, settings, open_exchange(settings, headers))
        self._attributes = dict(asked)
        self._languages = list(languages)

    def judge(self, context: ModerationContext, text: str, end: float) -> Verdict:
        """Ask about each part of `text`; the worst counts."""
        if not text.strip():
            return self.abstain(context, "empty")
        worst: dict[str, float] = {}
        try:
            for _, part in split(text, self._settings):
                for category, score in self._ask(part, end):
                    worst[category] = max(score, worst.get(category, 0.0))
        except ExchangeFailed as error:
            if error.reason == "rejected" and "LANGUAGE_NOT_SUPPORTED" in str(error.body):
                return self.abstain(context, "language")
            raise
        return self.manifest.verdict(context.stage, scores=worst)

    def _ask(self, text: str, end: float) -> list[tuple[str, float]]:
        assert self._exchange is not None
        body: dict[str, object] = {
            "comment": {"text": text},
            "requestedAttributes": {name: {} for name in self._attributes},
            "doNotStore": True,
        }
        if self._languages:
            body["languages"] = self._languages
        answer = self._exchange.post("/comments:analyze", dump(body), end)
        scores = answer.get("attributeScores") if isinstance(answer, dict) else None
        if not isinstance(scores, dict):
            raise ExchangeFailed("garbage")
        return [(self._attributes[name], _read(scores.get(name))) for name in self._attributes]


def _read(entry: object) -> float:
    summary = entry.get("summaryScore") if isinstance(entry, dict) else None
    if not isinstance(summary, dict):
        raise ExchangeFailed("garbage")
    return read_score(summary.get("value"))
