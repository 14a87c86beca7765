"""A service of the operator's own, asked in a JSON of our own: see docs/guards.md."""

import hashlib
import hmac
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace

from chat.types import Verdict
from moderation.base import Manifest, ModerationContext
from moderation.guards.asking import Asking, hold_back
from moderation.guards.exchange import ExchangeFailed, dump
from moderation.guards.service import (
    TooLong,
    are_texts,
    check_setting,
    check_text,
    open_exchange,
    read_settings,
)
from moderation.reading import NonsenseAnswer, read_verdict

_LONGEST_FINDING = 100


class WebhookModerator(Asking):
    """Posts each text to a URL and passes on the verdict that comes back."""

    manifest = Manifest(
        "webhook", needs_network=True, description="Asks a service of the operator's own."
    )
    locates = True

    def __init__(
        self,
        categories: Sequence[str],
        name: str = "webhook",
        version: str = "1",
        secret: str = "",
        history: int = 4,
        **service: object,
    ):
        """Prepare; nothing is called yet.

        Args:
            categories: what the service may find.
            name: what to call it in policies and records.
            version: likewise.
            secret: if there is one, each call is signed with it.
            history: how many messages before the one to judge are sent along.
            service: see `moderation.guards.service.Settings`; `url` is needed.

        Raises:
            ModeratorError: a setting isn't allowed.
        """
        settings = read_settings("webhook", service, max_chars=100_000)
        is_right = are_texts(categories) and bool(categories) and all(categories)
        told = "a list of the names that the service may answer with"
        check_setting("webhook", "categories", categories, is_right, told)
        is_right = type(history) is int and history >= 0
        check_setting("webhook", "history", history, is_right, "a number of messages from 0 up")
        check_setting("webhook", "secret", secret, isinstance(secret, str), "a text")
        check_text("webhook", "name", name)
        check_text("webhook", "version", version)
        manifest = replace(
            WebhookModerator.manifest,
            name=name,
            version=version,
            stages=settings.stages,
            categories=tuple(categories),
            # A finding may lie across the end of a step, and so be found in the next one only.
            hold_back=hold_back(settings) + _LONGEST_FINDING,
        )
        # Each call has an id, so a service could tell; but what it does with it is its own affair.
        super().__init__(manifest, settings, open_exchange(settings, is_repeatable=False))
        self._secret = secret.encode()
        self._history = history

    def judge(self, context: ModerationContext, text: str, end: float) -> Verdict:
        """Ask about `text`, and pass on the answer if it is one."""
        assert self._exchange is not None
        if len(text) > self._settings.max_chars:
            raise TooLong
        before = context.messages[:-1][-self._history :] if self._history else ()
        body = dump(
            {
                "version": 1,
                "id": str(uuid.uuid4()),
                "stage": context.stage,
                "is_partial": context.is_partial,
                "locale": context.locale,
                "text": text,
                "messages": [
                    *({"role": message.role, "content": message.content} for message in before),
                    {"role": context.messages[-1].role, "content": text},
                ],
            }
        )
        answer = self._exchange.post("", body, end, self._sign(body))
        if not isinstance(answer, dict):
            raise ExchangeFailed("garbage")
        last = replace(context.messages[-1], content=text)
        told = replace(context, messages=(*context.messages[:-1], last))
        try:
            return read_verdict(answer, self.manifest, told)
        except NonsenseAnswer:
            raise ExchangeFailed("garbage") from None

    def _sign(self, body: bytes) -> dict[str, str]:
        if not self._secret:
            return {}
        moment = str(int(time.time()))
        code = hmac.new(self._secret, f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
        return {"X-Palaver-Signature": f"t={moment},v1={code}"}
