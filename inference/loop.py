"""The engine on a thread of its own, and a bridge from there to asyncio."""

import asyncio
import atexit
import logging
import threading
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from collections.abc import Sequence as Ids
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue

from chat.errors import EngineError, PalaverError
from chat.types import FinishReason, GenerationConfig
from inference.engine import Engine
from inference.sequence import Sequence

_logger = logging.getLogger(__name__)

_FAILED = "The model failed while it was answering. Please try again."


@dataclass(slots=True)
class Progress:
    """What happened to a sequence since it was last asked.

    ``position`` is its place in the queue, 1 for the next; ``finish_reason`` comes last.
    """

    position: int | None = None
    token_ids: list[int] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    error: PalaverError | None = None

    @property
    def is_last(self) -> bool:
        """Whether nothing will follow."""
        return self.finish_reason is not None or self.error is not None

    def merge(self, later: "Progress") -> None:
        """Add what happened later; of two positions only the newer one is of interest."""
        self.position = None if later.token_ids else later.position or self.position
        self.token_ids += later.token_ids
        self.finish_reason = later.finish_reason
        self.error = later.error


class TokenStream:
    """One sequence as seen from asyncio. Made by `EngineLoop.submit`; belongs to one task."""

    def __init__(self, engine_loop: "EngineLoop") -> None:
        """Make a stream to be read in the running event loop."""
        self.event_loop = asyncio.get_running_loop()
        # The engine's thread sets these two; the sequence is None until it has been queued.
        self.sequence: Sequence | None = None
        self.last_position = 0
        self._engine_loop = engine_loop
        self._unread = Progress()
        self._changed = asyncio.Event()
        self._is_done = False

    async def read(self) -> AsyncGenerator[Progress, None]:
        """Yield what happens until the end; to close this generator cancels the sequence.

        Raises:
            InvalidRequest: the prompt can't be served.
            QueueFull: too many are waiting.
            EngineError: the model failed, or the engine was shut down before.
        """
        try:
            while not self._is_done:
                await self._changed.wait()
                progress = self._take()
                if progress.error is not None:
                    raise progress.error
                yield progress
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Drop the sequence before the engine's next step; it's fine to do so at any time."""
        if not self._is_done:
            self._is_done = True
            self._engine_loop.cancel(self)

    def deliver(self, progress: Progress) -> None:
        """Take news from the engine; to be called in the event loop only."""
        self._unread.merge(progress)
        self._changed.set()

    def _take(self) -> Progress:
        progress, self._unread = self._unread, Progress()
        self._changed.clear()
        self._is_done = self._is_done or progress.is_last
        return progress


class EngineLoop:
    """Steps an engine for as long as there is work, on one thread that owns it.

    All that others want of the engine goes through an inbox of callables, run between two steps.
    """

    def __init__(self, engine: Engine) -> None:
        """Start the thread."""
        self._engine = engine
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._streams: dict[Sequence, TokenStream] = {}
        self._news: dict[TokenStream, Progress] = {}
        self._lock = threading.Lock()
        self._is_closed = False
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()
        # The interpreter must not end under a thread that runs the model.
        atexit.register(self.close)

    @property
    def is_alive(self) -> bool:
        """Whether the engine can still answer."""
        return self._thread.is_alive() and not self._is_closed

    def submit(self, prompt_ids: Ids[int], config: GenerationConfig) -> TokenStream:
        """Hand a prompt to the engine; what becomes of it, refusal too, is read from the stream.

        Raises:
            EngineError: the engine has been shut down.
        """
        stream = TokenStream(self)
        self._post(partial(self._add, stream, tuple(prompt_ids), config))
        return stream

    def cancel(self, stream: TokenStream) -> None:
        """Drop the sequence of `stream` before the next step."""
        with self._lock:
            if not self._is_closed:
                self._inbox.put(partial(self._cancel, stream))

    def close(self) -> None:
        """Cancel everything, tell the readers, and end the thread; a second call does nothing."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._inbox.put(self._stop)
        self._thread.join()
        atexit.unregister(self.close)

    def _post(self, command: Callable[[], None]) -> None:
        with self._lock:
            if self._is_closed:
                raise EngineError("The engine has been shut down. Please start Palaver again.")
            self._inbox.put(command)

    # ---- from here on: the engine's thread --------------------------------------------------

    def _run(self) -> None:
        while not self._is_stopping:
            try:
                self._read_inbox()
                if self._engine.has_work:
                    self._step()
            except Exception:  # whatever it is, the next question deserves an answer
                _logger.exception("a step of the engine failed")
                self._end_all("error", _FAILED)
            self._send_news()

    def _read_inbox(self) -> None:
        """Run what others asked for; with nothing else to do, wait for it."""
        if not self._engine.has_work:
            self._inbox.get()()
        try:
            while True:
                self._inbox.get_nowait()()
        except Empty:
            pass

    def _add(
        self, stream: TokenStream, prompt_ids: tuple[int, ...], config: GenerationConfig
    ) -> None:
        try:
            sequence = self._engine.add(prompt_ids, config)
        except PalaverError as error:
            self._news[stream] = Progress(error=error)
        except Exception:
            _logger.exception("a prompt could not be queued")
            self._news[stream] = Progress(error=EngineError(_FAILED))
        else:
            stream.sequence = sequence
            self._streams[sequence] = stream

    def _cancel(self, stream: TokenStream) -> None:
        sequence = stream.sequence
        if sequence is not None and self._streams.pop(sequence, None) is not None:
            self._engine.cancel(sequence)

    def _stop(self) -> None:
        self._is_stopping = True
        self._end_all("cancelled", None)

    def _step(self) -> None:
        for output in self._engine.step():
            tokens = [] if output.token_id is None else [output.token_id]
            stream = self._streams[output.sequence]
            if output.finish_reason is not None:
                del self._streams[output.sequence]
            self._news[stream] = Progress(None, tokens, output.finish_reason)
        self._tell_positions()

    def _tell_positions(self) -> None:
        for position, sequence in enumerate(self._engine.scheduler.waiting, start=1):
            stream = self._streams[sequence]
            if position != stream.last_position:
                stream.last_position = position
                self._news[stream] = Progress(position=position)

    def _end_all(self, reason: FinishReason, message: str | None) -> None:
        self._engine.abort(reason)
        for stream in self._streams.values():
            # An exception carries a traceback: each reader gets one of its own.
            error = None if message is None else EngineError(message)
            self._news[stream] = Progress(finish_reason=reason, error=error)
        self._streams.clear()

    def _send_news(self) -> None:
        """Wake each event loop once, however many of its streams have news."""
        by_loop: dict[asyncio.AbstractEventLoop, dict[TokenStream, Progress]] = defaultdict(dict)
        for stream, progress in self._news.items():
            by_loop[stream.event_loop][stream] = progress
        self._news.clear()
        for event_loop, news in by_loop.items():
            try:
                event_loop.call_soon_threadsafe(_deliver, news)
            except RuntimeError:  # that event loop has been closed: nobody reads any more
                for stream in news:
                    self._cancel(stream)


def _deliver(news: dict[TokenStream, Progress]) -> None:
    for stream, progress in news.items():
        stream.deliver(progress)
