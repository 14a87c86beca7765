"""How a moderator that asks somebody goes about it: what is sent when, and what is remembered."""

import hashlib
import threading
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace

from chat.errors import InvalidRequest
from chat.types import Verdict
from moderation.base import TOO_LONG, Manifest, ModerationContext
from moderation.guards.exchange import Exchange, ExchangeFailed
from moderation.guards.presets import Turn
from moderation.guards.service import Settings, TooLong

# A model in this process: takes turns (for a model without a chat template, one turn with the
# whole prompt), the most tokens of an answer, and until when there is time by the monotonic clock;
# returns the answer. Several threads call it at a time. It raises TimeoutError when the time is
# over, and InvalidRequest with the code context_length_exceeded if the turns are too long for it.
Generate = Callable[[Sequence[Turn], int, float], str]

# Nothing of an answer is shown before all of it is written.
_WHOLE_ANSWER = 10_000_000
_MOST_REMEMBERED = 256


def hold_back(settings: Settings) -> int:
    """Return how much of a growing answer the manifest should ask to hold back."""
    return settings.every_chars or _WHOLE_ANSWER


class Asking(ABC):
    """A moderator that asks a service; who inherits says what a text is asked.

    A growing answer is judged whenever it has grown by `every_chars`, which are held back; what
    was judged of it then is remembered, so that the service isn't asked the same thing twice.
    """

    manifest: Manifest
    locates = False  # whether it says where in a text things are

    def __init__(self, manifest: Manifest, settings: Settings, exchange: Exchange | None):
        self.manifest = manifest
        self._settings = settings
        self._exchange = exchange
        self._recent: OrderedDict[bytes, Verdict] = OrderedDict()
        self._lock = threading.Lock()

    @abstractmethod
    def judge(self, context: ModerationContext, text: str, end: float) -> Verdict:
        """Judge `text`, which is the last message of `context` or the beginning of it.

        It has to be done by `end`, by the monotonic clock.

        Raises:
            ExchangeFailed: the service didn't say.
            TooLong: there is too much of it.
        """

    def check(self, context: ModerationContext) -> Verdict:
        """Judge the last message of `context`; a failure is a verdict, too."""
        text = self._due(context)
        if context.is_partial and not text:
            return self.abstain(context, "partial")
        try:
            if context.is_partial:
                return self._settle(self._remember(context, text), len(text))
            return self.judge(context, text, self.end())
        except ExchangeFailed as error:
            return self.manifest.failure(context.stage, error.reason)
        except TooLong:
            return self.manifest.failure(context.stage, TOO_LONG)

    def end(self) -> float:
        """Return until when a check that begins now has to be done."""
        return time.monotonic() + self._settings.timeout_s

    def close(self) -> None:
        """Close the connections to the service."""
        if self._exchange is not None:
            self._exchange.close()

    def abstain(self, context: ModerationContext, reason: str) -> Verdict:
        """Return the verdict that says that there is nothing to say."""
        manifest = self.manifest
        return Verdict(
            manifest.name, manifest.version, context.stage, outcome="abstained", reason=reason
        )

    def _due(self, context: ModerationContext) -> str:
        """Return what of the text is to be judged now.

        Steps and what is held back both count normalised characters, so nothing is shown that
        wasn't judged.
        """
        if not context.is_partial:
            return context.text
        every_chars = self._settings.every_chars
        if not every_chars:
            return ""
        view = context.normalised
        num_chars = len(view.text) // every_chars * every_chars
        return context.text[: view.offsets[num_chars]] if num_chars else ""

    def _settle(self, verdict: Verdict, num_chars: int) -> Verdict:
        """Say that what was judged is settled; what has a place could still turn up, or go on."""
        is_known = self.locates or verdict.settled is not None or verdict.outcome != "judged"
        return verdict if is_known else replace(verdict, settled=num_chars)

    def _remember(self, context: ModerationContext, text: str) -> Verdict:
        key = _digest(context, text)
        with self._lock:
            if key in self._recent:
                return self._recent[key]
        verdict = self.judge(context, text, self.end())
        with self._lock:
            self._recent[key] = verdict
            while len(self._recent) > _MOST_REMEMBERED:
                self._recent.popitem(last=False)
        return verdict


def generate_until(end: float, generate: Generate, turns: Sequence[Turn], max_tokens: int) -> str:
    """Return the answer of a model in this process, if there is one by `end`.

    Raises:
        ExchangeFailed: there isn't.
        TooLong: the turns are longer than what the model can read.
    """
    if time.monotonic() >= end:  # other parts of the text took all of the time
        raise ExchangeFailed("timeout")
    try:
        return str(generate(turns, max_tokens, end))
    except TimeoutError:
        raise ExchangeFailed("timeout") from None
    except Exception as error:
        if isinstance(error, InvalidRequest) and error.code == "context_length_exceeded":
            raise TooLong from None
        raise ExchangeFailed("engine") from error


def _digest(context: ModerationContext, text: str) -> bytes:
    """Return what stands for a text and what was said before it; the words aren't kept."""
    digest = hashlib.sha256(context.stage.encode())
    for content in (*(f"{m.role}:{m.content}" for m in context.messages[:-1]), text):
        data = content.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()
