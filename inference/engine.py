"""Continuous batching: step() is schedule, run, postprocess."""

import logging
import time
from collections.abc import Sequence as Ids
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from chat.errors import InvalidRequest
from chat.types import FinishReason, GenerationConfig
from inference.sampler import BadLogits, Sampler
from inference.scheduler import Move, Schedule, Scheduler
from inference.sequence import Sequence

_logger = logging.getLogger(__name__)


class Runner(Protocol):
    """What the engine needs of a model; `ModelRunner` is the one over onnxruntime."""

    def reserve(self, num_slots: int) -> None:
        """Make sure that slots 0 to `num_slots` - 1 exist."""

    def prefill(self, slot: int, input_ids: Ids[int], num_cached: int) -> NDArray[np.float32]:
        """Read tokens into a slot; return the logits [vocab] after the last."""

    def decode(self, input_ids: Ids[int], num_cached: Ids[int]) -> NDArray[np.float32]:
        """Read one token for each of the first slots; return logits [slots, vocab]."""

    def move(self, source: int, target: int, num_tokens: int) -> None:
        """Copy what is cached in one slot to another."""


@dataclass(frozen=True, slots=True)
class StepOutput:
    """What a step did for one sequence: a token, an end, or both.

    The token that says "stop" is an end and no token.
    """

    sequence: Sequence
    token_id: int | None
    finish_reason: FinishReason | None


@dataclass(slots=True)
class EngineStats:
    """Counts since the start."""

    num_steps: int = 0
    num_prompt_tokens: int = 0
    num_generated_tokens: int = 0
    num_finished: int = 0
    num_cancelled: int = 0
    num_failed: int = 0


class Engine:
    """Answers many prompts at once. For one thread: see `EngineLoop` for the rest of the world."""

    def __init__(
        self,
        runner: Runner,
        *,
        vocab_size: int,
        context_length: int,
        stop_token_ids: Ids[int],
        max_running: int = 16,
        max_waiting: int = 64,
        prefill_chunk: int = 128,
    ):
        """Serve the model of `runner`.

        `vocab_size` is the tokenizer's: rows of the model beyond it are padding, never drawn.
        """
        self._runner = runner
        self._vocab_size = vocab_size
        self._context_length = context_length
        self._stop_token_ids = frozenset(stop_token_ids)
        self.scheduler = Scheduler(
            max_running=max_running, max_waiting=max_waiting, prefill_chunk=prefill_chunk
        )
        self.stats = EngineStats()

    @property
    def has_work(self) -> bool:
        """Whether any sequence waits or runs."""
        return self.scheduler.has_work

    def add(self, prompt_ids: Ids[int], config: GenerationConfig) -> Sequence:
        """Queue a prompt.

        Raises:
            InvalidRequest: the prompt is empty, too long, or not in the vocabulary.
            QueueFull: too many are waiting already.
        """
        self._check_prompt(prompt_ids)
        sequence = Sequence(
            prompt_ids=tuple(prompt_ids),
            config=config,
            sampler=Sampler(config, prompt_ids),
            max_new_tokens=min(config.max_new_tokens, self._context_length - len(prompt_ids)),
            added_s=time.perf_counter(),
        )
        self.scheduler.add(sequence)
        return sequence

    def _check_prompt(self, prompt_ids: Ids[int]) -> None:
        if not prompt_ids:
            raise InvalidRequest("The prompt is empty. Please write something.", param="messages")
        if len(prompt_ids) >= self._context_length:
            raise InvalidRequest(
                f"The prompt is {len(prompt_ids)} tokens long; this model reads at most "
                f"{self._context_length - 1}. Please send a shorter one.",
                param="messages",
                code="context_length_exceeded",
            )
        for token in (min(prompt_ids), max(prompt_ids)):
            if not 0 <= token < self._vocab_size:
                raise InvalidRequest(
                    f"The prompt holds the token id {token}; allowed is 0 to "
                    f"{self._vocab_size - 1}.",
                    param="messages",
                )

    def cancel(self, sequence: Sequence) -> None:
        """Drop a sequence, whatever its state; no step will mention it again."""
        if not sequence.is_finished:
            self._finish(sequence, "cancelled")

    def abort(self, reason: FinishReason) -> None:
        """End every sequence, waiting and running."""
        for sequence in self.scheduler.clear():
            self._count_end(sequence, reason)

    def step(self) -> list[StepOutput]:
        """Read the next chunk of prompts and write one token for every running answer."""
        schedule = self.scheduler.schedule()
        logits = self._run(schedule)
        return self._postprocess(schedule, logits)

    def _run(self, schedule: Schedule) -> list[NDArray[np.float32]]:
        """Return a row of logits for each decode, then for each completed prompt."""
        rows: list[NDArray[np.float32]] = []
        self._runner.reserve(self.scheduler.num_running)
        decodes = schedule.decodes
        if decodes:
            last_ids = [sequence.output_ids[-1] for sequence in decodes]
            rows.extend(self._runner.decode(last_ids, [s.num_cached for s in decodes]))
        now = time.perf_counter()
        for part in schedule.prefills:
            sequence = part.sequence
            if sequence.admitted_s is None:
                sequence.admitted_s = now
            ids = sequence.prompt_ids[part.start : part.end]
            row = self._runner.prefill(sequence.slot, ids, part.start)
            if part.is_last:
                rows.append(row)
        return rows

    def _postprocess(
        self, schedule: Schedule, logits: list[NDArray[np.float32]]
    ) -> list[StepOutput]:
        self.stats.num_steps += 1
        for sequence in schedule.decodes:
            sequence.num_cached += 1
        completed = []
        for part in schedule.prefills:
            self.scheduler.record_prefill(part)
            self.stats.num_prompt_tokens += part.end - part.start
            if part.is_last:
                completed.append(part.sequence)
        outputs = [
            self._sample(sequence, row)
            for sequence, row in zip((*schedule.decodes, *completed), logits, strict=True)
        ]
        now = time.perf_counter()
        for sequence in completed:
            sequence.first_token_s = now
        for output in outputs:
            if output.finish_reason is not None:
                self._finish(output.sequence, output.finish_reason)
        return outputs

    def _sample(self, sequence: Sequence, logits: NDArray[np.float32]) -> StepOutput:
        try:
            token = sequence.sampler.sample(logits[: self._vocab_size])
        except BadLogits:
            _logger.error("the model's logits are not finite: one answer ends here")
            return StepOutput(sequence, None, "error")
        self.stats.num_generated_tokens += 1
        if token in self._stop_token_ids:
            return StepOutput(sequence, None, "stop")
        sequence.output_ids.append(token)
        is_full = len(sequence.output_ids) >= sequence.max_new_tokens
        return StepOutput(sequence, token, "length" if is_full else None)

    def _finish(self, sequence: Sequence, reason: FinishReason) -> None:
        for move in self.scheduler.remove(sequence):
            self._move(move)
        self._count_end(sequence, reason)

    def _move(self, move: Move) -> None:
        self._runner.move(move.source, move.target, move.num_tokens)

    def _count_end(self, sequence: Sequence, reason: FinishReason) -> None:
        sequence.finish(reason)
        self.stats.num_finished += 1
        self.stats.num_cancelled += reason == "cancelled"
        self.stats.num_failed += reason == "error"
