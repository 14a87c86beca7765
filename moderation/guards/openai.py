"""OpenAI's moderation service (omni-moderation), or any server that speaks like it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from chat.types import Verdict
from moderation.base import TOO_LONG, Manifest, ModerationContext
from moderation.guards.asking import Asking, hold_back
from moderation.guards.exchange import ExchangeFailed, dump
from moderation.guards.service import (
    TooLong,
    check_setting,
    check_text,
    open_exchange,
    read_score,
    read_settings,
    split,
)

_URL = "https://api.openai.com/v1"
_CATEGORIES = (
    "sexual/minors", "self-harm/intent", "self-harm/instructions", "self-harm", "illicit/violent",
    "illicit", "hate/threatening", "hate", "harassment/threatening", "harassment",
    "violence/graphic", "violence", "sexual",
)  # fmt: skip
_MOST_INPUTS = 32


class OpenAiModerator(Asking):
    """Passes on what OpenAI's moderation says. Text is sent to OpenAI."""

    manifest = Manifest(
        "openai",
        categories=_CATEGORIES,
        needs_network=True,
        description="Asks OpenAI's moderation service.",
    )

    def __init__(
        self,
        model: str = "omni-moderation-latest",
        trust_flags: bool = True,
        **service: object,
    ):
        """Prepare; nothing is called yet.

        Args:
            model: which model judges.
            trust_flags: whether a category that OpenAI flags counts at least 0.5: its own
                thresholds differ from category to category, and from time to time.
            service: see `moderation.guards.service.Settings`.

        Raises:
            ModeratorError: a setting isn't allowed.
        """
        settings = read_settings("openai", service, url=_URL)
        check_text("openai", "model", model)
        is_right = isinstance(trust_flags, bool)
        check_setting("openai", "trust_flags", trust_flags, is_right, "true or false")
        manifest = replace(
            OpenAiModerator.manifest,
            version=model,
            stages=settings.stages,
            hold_back=hold_back(settings),
        )
        super().__init__(manifest, settings, open_exchange(settings))
        self._model = model
        self._trust_flags = trust_flags

    def judge(self, context: ModerationContext, text: str, end: float) -> Verdict:
        """Ask about the parts of `text` in one call."""
        parts = [part for _, part in split(text, self._settings)]
        return self.manifest.verdict(context.stage, scores=_worst(self._ask(parts, end)))

    def check_batch(self, contexts: Sequence[ModerationContext]) -> list[Verdict]:
        """Judge several whole texts in as few calls as may be."""
        if any(context.is_partial for context in contexts):
            return [self.check(context) for context in contexts]
        end = self.end()
        verdicts: dict[int, Verdict] = {}
        parts: list[tuple[int, str]] = []
        for place, context in enumerate(contexts):
            try:
                parts += [(place, part) for _, part in split(context.text, self._settings)]
            except TooLong:
                verdicts[place] = self.manifest.failure(context.stage, TOO_LONG)
        found: dict[int, list[Mapping[str, float]]] = {}
        failed: dict[int, str] = {}
        for start in range(0, len(parts), _MOST_INPUTS):
            some = parts[start : start + _MOST_INPUTS]
            try:
                answers = self._ask([part for _, part in some], end)
            except ExchangeFailed as error:
                failed.update((place, error.reason) for place, _ in some)
                continue
            for (place, _), scores in zip(some, answers, strict=True):
                found.setdefault(place, []).append(scores)
        for place, context in enumerate(contexts):
            if place in failed:
                verdicts[place] = self.manifest.failure(context.stage, failed[place])
            elif place not in verdicts:
                scores = _worst(found[place])
                verdicts[place] = self.manifest.verdict(context.stage, scores=scores)
        return [verdicts[place] for place in range(len(contexts))]

    def _ask(self, parts: Sequence[str], end: float) -> list[Mapping[str, float]]:
        assert self._exchange is not None
        # Rather a space than nothing: the service refuses an empty text.
        inputs = [part or " " for part in parts]
        body = dump({"model": self._model, "input": inputs})
        answer = self._exchange.post("/moderations", body, end)
        results = answer.get("results") if isinstance(answer, dict) else None
        if not isinstance(results, list) or len(results) != len(inputs):
            raise ExchangeFailed("garbage")
        return [self._read(result) for result in results]

    def _read(self, result: object) -> Mapping[str, float]:
        scores = result.get("category_scores") if isinstance(result, dict) else None
        flags = result.get("categories") if isinstance(result, dict) else None
        if not isinstance(scores, dict) or not scores or not isinstance(flags, dict):
            raise ExchangeFailed("garbage")
        # A category that a model doesn't know is null; a name not in the manifest is a new one.
        read = {str(name): read_score(value) for name, value in scores.items() if value is not None}
        for name, is_flagged in flags.items():
            if self._trust_flags and is_flagged is True:
                read[str(name)] = max(read.get(str(name), 0.0), 0.5)
        return {name: score for name, score in read.items() if name in _CATEGORIES}


def _worst(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = {name for row in rows for name in row}
    return {name: max(row.get(name, 0.0) for row in rows) for name in sorted(names)}
