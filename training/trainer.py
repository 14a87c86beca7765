"""The training loop that pretraining and supervised fine-tuning share.

A run that is stopped (SIGTERM, SIGINT, `max_minutes`) writes a checkpoint; the same command goes on
from it with the losses that an uninterrupted run would have had.
"""

import dataclasses
import json
import logging
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import transformers
from transformers import LlamaForCausalLM

from chat.errors import SetupError
from training.checkpoint import (
    list_checkpoints,
    load_state,
    save_checkpoint,
    save_weights,
    write_json,
)
from training.metrics import MetricsLog
from training.model import (
    LossFunction,
    choose_device,
    choose_precision,
    count_parameters,
    default_attention,
    describe_environment,
    load_model,
    make_loss,
)
from training.optimizer import OptimizerName, OptimizerSet, Schedule, ScheduleName
from training.packing import RowMixer
from training.plot import plot_losses
from training.progress import ProgressReport
from training.shards import INDEX_NAME, open_shards
from training.validation import batch_weights, to_tensors, validate

logger = logging.getLogger(__name__)

# "Temporary failure" of sysexits.h: the run was stopped, the same command goes on with it.
EXIT_STOPPED = 75
_FREE_TO_CHANGE = ("steps", "max_minutes", "checkpoint_minutes", "log_every", "validate_every",
                   "threads", "compile", "validation_rows")  # fmt: skip


@dataclass(frozen=True, slots=True)
class LoopArgs:
    """The arguments that every stage has."""

    shards: Annotated[Path, "folder made by training.data"]
    tokenizer: Annotated[Path, "folder with tokenizer.json"]
    out: Annotated[Path, "run folder; if it holds a checkpoint, the run goes on from there"]
    steps: Annotated[int, "optimizer steps"] = 1000
    rows: Annotated[int, "rows per forward pass"] = 16
    accumulate: Annotated[int, "forward passes per optimizer step"] = 2
    length: Annotated[int, "tokens per row"] = 256
    optimizer: Annotated[OptimizerName, "adamw, or muon for the matrices inside the layers"] = (
        "muon"
    )
    learning_rate: Annotated[float, "peak learning rate"] = 2e-3
    schedule: Annotated[ScheduleName, "shape of the learning rate after warm-up"] = "cosine"
    floor: Annotated[float, "last learning rate, as a fraction of the peak"] = 0.1
    decay_fraction: Annotated[float, "part of the run in which wsd falls"] = 0.3
    warmup_steps: Annotated[int, "steps until the peak is reached"] = 50
    weight_decay: Annotated[float, "decoupled weight decay of the matrices"] = 0.1
    clip: Annotated[float, "largest norm of the gradient"] = 1.0
    seed: Annotated[int, "seed of the weights and of the order of the rows"] = 1
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        "of the matrix products; auto takes bfloat16 where the hardware has it",
    ] = "auto"
    device: Annotated[str, "cpu, cuda, or auto"] = "auto"
    compile: Annotated[bool, "compile the model first (faster, takes half a minute)"] = False
    threads: Annotated[int, "CPU threads; 0 leaves it to torch"] = 0
    log_every: Annotated[int, "steps between rows of metrics.jsonl"] = 10
    validate_every: Annotated[int, "steps between validations; 0 for only one, at the end"] = 200
    validation_rows: Annotated[int, "rows of each source that a validation reads, at most"] = 32
    checkpoint_minutes: Annotated[float, "minutes between checkpoints"] = 5.0
    max_minutes: Annotated[float | None, "stop (with a checkpoint) after so many minutes"] = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call to `train` ended."""

    step: int
    is_finished: bool
    validation: dict[str, float]


def train(
    args: LoopArgs,
    make_model: Callable[[str], LlamaForCausalLM],
    *,
    loss_on: Literal["all", "assistant"],
) -> Outcome:
    """Train (or go on training) and leave the weights in ``out/model``.

    `make_model(attention)` returns the model that a fresh run starts from. `loss_on` says which
    tokens count: all, or an assistant's words only.

    Raises:
        SetupError: the shards are missing, or the run folder belongs to other arguments.
        ModelError: the model to start from can't be read.
    """
    transformers.utils.logging.disable_progress_bar()  # ours is enough
    if args.threads:
        torch.set_num_threads(args.threads)
    with _stop_on_signals() as is_stopped:
        return _Run(args, make_model, loss_on).go(is_stopped)


class _Run:
    """One run, from its first step or its last checkpoint."""

    def __init__(
        self, args: LoopArgs, make_model: Callable[[str], LlamaForCausalLM], loss_on: str
    ) -> None:
        self.args = args
        self.loss_on = loss_on
        self.device = choose_device(args.device)
        self.precision = choose_precision(args.precision, self.device)
        checkpoints = list_checkpoints(args.out)
        _check_arguments(args, is_resumed=bool(checkpoints))
        torch.manual_seed(args.seed)
        attention = default_attention(self.device)
        state = load_state(checkpoints[-1]) if checkpoints else None
        model = load_model(checkpoints[-1], attention=attention) if state else make_model(attention)
        self.model = model.to(self.device).train()
        self.loss: LossFunction = make_loss(self.model, self.precision)
        if args.compile:
            self.loss = torch.compile(self.loss, dynamic=False)
        self.optimizer = OptimizerSet(
            self.model, args.optimizer, args.learning_rate, args.weight_decay
        )
        self.schedule = Schedule(
            args.schedule, args.steps, args.warmup_steps, args.floor, args.decay_fraction
        )
        pad = int(self.model.config.pad_token_id)
        self.mixer = RowMixer(open_shards(args.shards, "train"), args.length, args.seed, pad)
        self.step = 0
        self.elapsed_s = 0.0
        self.validation: dict[str, float] = {}
        if state:
            self._restore(state)
        _write_environment(args, self.device, self.model)

    def go(self, is_stopped: Callable[[], bool]) -> Outcome:
        """Train until the last step, or until told to stop."""
        args = self.args
        metrics = MetricsLog(args.out / "metrics.jsonl", keep_until=self.step)
        started = saved = time.monotonic()
        before = self.elapsed_s
        with ProgressReport(args.out.name, args.steps) as report:
            while self.step < args.steps:
                row = self._advance()
                now = time.monotonic()
                self.elapsed_s = before + now - started
                report.show(self.step, _figures(row))
                if self.step % args.log_every == 0 or self.step == args.steps:
                    metrics.add({**row, "elapsed_s": round(self.elapsed_s, 1)})
                if self._is_validation_due():
                    metrics.add({"step": self.step, "validation": self._validate()})
                    report.say(f"step {self.step} validation {_rounded(self.validation)}")
                is_over = bool(args.max_minutes) and now - started > 60 * (args.max_minutes or 0)
                if is_stopped() or is_over:
                    break
                if now - saved > 60 * args.checkpoint_minutes:
                    self._save()
                    saved = now
        return self._finish()

    def _finish(self) -> Outcome:
        is_finished = self.step >= self.args.steps
        self._save()
        if is_finished:
            save_weights(self.model, self.args.tokenizer, self.args.out / "model")
        plot_losses(self.args.out / "metrics.jsonl", self.args.out / "loss.svg")
        return Outcome(self.step, is_finished, self.validation)

    def _advance(self) -> dict[str, Any]:
        """Do one optimizer step and return its figures."""
        started = time.monotonic()
        args = self.args
        batches = [self.mixer.next_batch(args.rows) for _ in range(args.accumulate)]
        weights = [batch_weights(batch, self.loss_on) for batch in batches]
        num_learnt = max(1.0, float(sum(w.sum() for w in weights)))
        total = 0.0
        for batch, weight in zip(batches, weights, strict=True):
            loss = self.loss(*to_tensors(batch, weight, self.device)) / num_learnt
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), args.clip)
        if not math.isfinite(total):
            raise SetupError(
                f"The loss is {total} at step {self.step}; take a lower --learning-rate."
            )
        rate = self.optimizer.step(self.schedule.factor(self.step))
        self.step += 1
        num_tokens = args.rows * args.length * args.accumulate
        return {
            "step": self.step,
            "tokens": self.step * num_tokens,
            "loss": round(total, 5),
            "learning_rate": rate,
            "gradient_norm": round(float(norm), 4),
            "tokens_per_s": round(num_tokens / (time.monotonic() - started)),
        }

    def _is_validation_due(self) -> bool:
        every = self.args.validate_every
        return self.step == self.args.steps or (every > 0 and self.step % every == 0)

    def _validate(self) -> dict[str, float]:
        self.validation = validate(
            self.loss,
            self.args.shards,
            shape=(self.args.rows, self.args.length),
            max_rows=self.args.validation_rows,
            loss_on=self.loss_on,
            device=self.device,
            pad_id=int(self.model.config.pad_token_id),
        )
        return self.validation

    def _save(self) -> None:
        state = {
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "optimizer": self.optimizer.state(),
            "mixer": self.mixer.state(),
            "random": torch.get_rng_state(),
            "validation": self.validation,
        }
        save_checkpoint(self.args.out, self.step, self.model, self.args.tokenizer, state)

    def _restore(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.elapsed_s = state["elapsed_s"]
        self.validation = state["validation"]
        self.optimizer.restore(state["optimizer"])
        self.mixer.restore(state["mixer"])
        torch.set_rng_state(state["random"])


def _check_arguments(args: LoopArgs, *, is_resumed: bool) -> None:
    """Write config.json, or compare with it: other arguments would not be the same run."""
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "config.json"
    given = {key: str(value) for key, value in dataclasses.asdict(args).items()}
    if is_resumed and path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        for key in given:
            if key not in _FREE_TO_CHANGE and str(before.get(key, given[key])) != given[key]:
                raise SetupError(
                    f"{args.out} is a run with {key} {before[key]}, not {given[key]}; give the "
                    "same arguments to go on with it, or another --out."
                )
    write_json(path, given)


def _write_environment(args: LoopArgs, device: torch.device, model: LlamaForCausalLM) -> None:
    about = describe_environment(device)
    about["parameters"] = count_parameters(model)
    about["data"] = json.loads((args.shards / INDEX_NAME).read_text(encoding="utf-8"))
    write_json(args.out / "environment.json", about)


def _figures(row: dict[str, Any]) -> str:
    return f"loss {row['loss']:.3f} {row['tokens_per_s']} tokens/s"


def _rounded(losses: dict[str, float]) -> dict[str, float]:
    return {name: round(loss, 3) for name, loss in losses.items()}


@contextmanager
def _stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Turn SIGTERM and SIGINT into a wish to stop, which the loop reads between steps."""
    seen: list[int] = []
    wanted = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in wanted}
    for number in wanted:
        signal.signal(number, lambda received, _: seen.append(received))
    try:
        yield lambda: bool(seen)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
