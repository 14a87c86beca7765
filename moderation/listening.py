"""One growing answer, heard by moderators that follow it instead of reading it again and again."""

import logging
from dataclasses import replace

from chat.types import Message, Verdict
from moderation.base import Manifest, ModerationContext, ModeratorStream, StreamModerator
from moderation.reading import read_verdict

_log = logging.getLogger(__name__)


class Broken(Exception):
    """A stream that failed, or was overtaken, can't be fed again."""


class Listener:
    """Stands in for a moderator while one answer is written; it feeds what is new, once."""

    def __init__(self, moderator: StreamModerator, manifest: Manifest, context: ModerationContext):
        """Begin to listen.

        Args:
            moderator: who offers a stream.
            manifest: what is known of it.
            context: the conversation; its last message is the answer, still empty.
        """
        self._place = 0
        self._whole = ""
        self._manifest = manifest
        self._moderator = moderator
        self._context = context
        self._stream: ModeratorStream | None = None
        self._num_heard = 0
        self._is_busy = False

    @property
    def manifest(self) -> Manifest:
        """What the moderator says about itself."""
        return self._manifest

    def hear(self, whole: str, place: int) -> None:
        """Take the answer so far, of which the text from `place` on is to be judged next."""
        self._whole, self._place = whole, place

    def check(self, context: ModerationContext) -> Verdict:
        """Judge the text of `context`, which is the answer from its place on.

        Raises:
            Broken: the stream failed before, or is still busy with what it was fed.
        """
        if self._is_busy:
            raise Broken
        self._is_busy = True  # and stays so if it fails
        if self._stream is None:
            self._stream = self._moderator.open_stream(self._context)
        whole, place = self._whole, self._place
        answer = self._stream.feed(whole[self._num_heard :])
        self._num_heard = len(whole)
        *earlier, last = context.messages
        told = replace(context, messages=(*earlier, Message(last.role, whole)))
        verdict = read_verdict(answer, self._manifest, told)
        self._is_busy = False
        return _shift(verdict, place)

    def close(self) -> None:
        """End the stream, if it has begun; what it says to that counts for nothing."""
        stream, self._stream, self._is_busy = self._stream, None, True
        if stream is None:
            return
        try:
            stream.close()
        except Exception as error:
            _log.warning("moderator %s: close: %s", self._manifest.name, type(error).__name__)


def _shift(verdict: Verdict, place: int) -> Verdict:
    """Return a verdict on a whole answer as one on what begins at `place`."""
    spans = tuple(
        replace(span, start=max(span.start - place, 0), end=span.end - place)
        for span in verdict.spans
        if span.end > place
    )
    settled = None if verdict.settled is None else max(verdict.settled - place, 0)
    return replace(verdict, spans=spans, settled=settled)
