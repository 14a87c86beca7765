"""Trials of what a moderator may offer beside `check`: batches and streams."""

from collections.abc import Sequence
from typing import Any

from moderation.base import ModerationContext
from moderation.reading import read_batch, read_verdict
from moderation.trial import Trial, findings_of, is_same, shorten, thread_of


def try_batch(trial: Trial, texts: Sequence[str]) -> None:
    """Judge texts as one batch, if the moderator offers that: as alone, they must come out."""
    check_batch = getattr(trial.moderator, "check_batch", None)
    stage = next(iter(trial.manifest.stages), None)
    if check_batch is None or stage is None:
        return
    about = "check_batch"
    contexts = [ModerationContext(thread_of(text, stage), stage) for text in texts]
    batch = trial.make(about, lambda: read_batch(check_batch(contexts), trial.manifest, contexts))
    for text, context, batched in zip(texts, contexts, batch or (), strict=False):
        alone = trial.judge(about, context)
        if alone is not None and not is_same(alone, batched):
            trial.complain(about, f"In a batch, {shorten(text)} is judged differently from alone.")
            return


def try_stream(trial: Trial, text: str) -> None:
    """Feed a text to a stream in pieces: the last word on it must be that of `check`."""
    about = f"open_stream with {shorten(text)}"
    whole = ModerationContext(thread_of(text, "output"), "output")
    verdict = trial.judge(about, whole)
    for size in sorted({1, 7, len(text)} - {0}):
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        answer = trial.make(about, lambda pieces=pieces: _feed(trial.moderator, pieces))  # type: ignore[misc]
        if answer is None:
            trial.complain(about, "feed answers nothing, or fails.")
            return
        last = trial.make(about, lambda answer=answer: read_verdict(answer, trial.manifest, whole))  # type: ignore[misc]
        if verdict and last and findings_of(last) != findings_of(verdict):
            trial.complain(
                about,
                f"Fed in pieces of {size}, the text is judged differently from `check`: "
                "what feed returns must be about all that was fed.",
            )
            return


def _feed(moderator: Any, pieces: Sequence[str]) -> object:
    stream = moderator.open_stream(ModerationContext(thread_of("", "output"), "output"))
    answers = [stream.feed(piece) for piece in pieces]
    stream.close()
    stream.close()
    return answers[-1]
