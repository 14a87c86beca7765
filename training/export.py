"""Export a checkpoint to the ONNX folder that the engine serves.

    python -m training.export --checkpoint runs/sft --out exported_models/palaver --precision int8

The steps: trace the model with transformers' own exporter, rewrite its attention
(`training.rewrite`), quantise the weights (`training.quantise`), write the files
(`training.external`), compare the result with the model (`training.parity`), write manifest.json
and MODEL_CARD.md, and put the finished folder in its place. Until that last step the old folder
stays as it was.
"""

import contextlib
import functools
import logging
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
from numpy.typing import NDArray
from rich.console import Console

from chat.errors import ModelError, SetupError
from chat.template import ChatTemplate
from chat.tokenizer import Tokenizer
from chat.types import Message
from training.arguments import parse_args, run_stage
from training.card import write_card
from training.external import save_external
from training.manifest import (
    FORMAT,
    describe_files,
    describe_graph,
    describe_model,
    describe_text,
    write_manifest,
)
from training.parity import (
    MAX_DIFFERENCE_FP32,
    MAX_LOSS_INCREASE,
    Agreement,
    LossComparison,
    Tokens,
    compare_greedy,
    compare_loss,
    cut_windows,
    read_shards,
    read_texts,
)
from training.quantise import Precision, quantise_graph
from training.trace import export_graph, load_model

logger = logging.getLogger(__name__)

# Repositories and Spaces refuse plain files of 10 MB and more.
MAX_FILE_BYTES = 9_500_000
_LOSS_BATCH = 8
_CHECKED_TOKENS = 24
_PROMPTS = (
    "Hello!",
    "Who are you?",
    "What is 12 plus 30?",
    "Tell me a short story about a fox and a river.",
)


@dataclass(frozen=True, slots=True)
class Args:
    """Write a trained model as ONNX, compare it with torch, and describe it."""

    checkpoint: Annotated[Path, "folder written by save_pretrained, with its tokenizer"]
    out: Annotated[Path, "folder to write"]
    precision: Annotated[Precision, "weights: int4 keeps an int8 head and embedding"] = "int8"
    name: Annotated[str, "the model's name"] = "palaver"
    run: Annotated[tuple[Path, ...], "folders of the training stages, for the card"] = ()
    mixture: Annotated[tuple[Path, ...], "mixtures trained on: the card lists their sources"] = ()
    held_out: Annotated[
        Path | None,
        "what to compare losses on: a .txt, a .jsonl with 'text', or a folder of token shards",
    ] = None
    held_out_tokens: Annotated[int, "how much of it"] = 8192
    window: Annotated[int, "tokens that the loss is computed over at once"] = 256
    parity_tokens: Annotated[int, "tokens to decode for each prompt when comparing"] = 256
    max_file_bytes: Annotated[int, "size limit of each data file"] = MAX_FILE_BYTES
    context_length: Annotated[
        int | None, "tokens that the model may be given; by default all its positions"
    ] = None
    note: Annotated[str, "words about how the model came about, for the card"] = ""
    strict: Annotated[bool, "fail, rather than warn, if the loss increases too much"] = False
    force: Annotated[bool, "replace the folder if it exists"] = False


class OnnxGraph:
    """An exported graph in a plain loop: key/value buffers of a fixed batch, updated in place."""

    def __init__(self, folder: Path, *, batch: int, max_len: int) -> None:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        self._session = ort.InferenceSession(
            folder / "model.onnx", options, providers=["CPUExecutionProvider"]
        )
        self._buffers = {
            each.name: np.zeros((batch, each.shape[1], max_len, each.shape[3]), np.float32)
            for each in self._session.get_inputs()
            if each.name.startswith("past_key_values.")
        }

    def run(self, ids: Tokens, totals: NDArray[np.int32]) -> NDArray[np.float32]:
        """Feed ``[batch, seq]`` ids; return the logits of each last token ``[batch, vocab]``.

        ``totals`` int32 ``[batch]`` is how many tokens each sequence has after these. Prompts of
        different lengths start together if they are padded on the right.
        """
        binding = self._session.io_binding()
        binding.bind_cpu_input("input_ids", np.ascontiguousarray(ids))
        binding.bind_cpu_input("seqlens_k", (totals - 1).astype(np.int32))
        binding.bind_cpu_input("total_sequence_length", np.array(totals.max(), np.int32))
        binding.bind_output("logits", "cpu")  # first bound, first returned
        for name, buffer in self._buffers.items():
            present = name.replace("past_key_values.", "present.")
            where = ("cpu", 0, np.float32, buffer.shape, buffer.ctypes.data)
            binding.bind_input(name, *where)
            binding.bind_output(present, *where)
        self._session.run_with_iobinding(binding)
        logits: NDArray[np.float32] = binding.get_outputs()[0].numpy()
        return logits


@dataclass(frozen=True, slots=True)
class ParityReport:
    """How the export compares with the model; ``has_passed`` is None if no text was held out."""

    greedy: Agreement
    loss: LossComparison | None
    has_passed: bool | None

    def to_json(self) -> dict[str, Any]:
        """Return what the manifest remembers of it."""
        return {
            "greedy": {**asdict(self.greedy), "share": self.greedy.share},
            "loss": self.loss and {**asdict(self.loss), "increase": self.loss.increase},
            "has_passed": self.has_passed,
        }


def export(args: Args, console: Console) -> ParityReport:
    """Export as `args` says and return how the result compares with the model.

    Raises:
        ModelError: the checkpoint is broken, of a kind that can't be exported, or was exported
            wrongly; nothing is written.
        SetupError: the folder exists, or the held-out text cannot be read.
    """
    if args.out.exists() and not args.force:
        raise SetupError(f"{args.out} exists; choose another folder or pass --force.")
    text = describe_text(args.checkpoint)
    with _step(console, "Loading the checkpoint"):
        model = load_model(args.checkpoint)
        _limit_context(model, args.context_length)
    _check_vocabulary(args.checkpoint, model)
    with replace_folder(args.out) as folder:
        with _step(console, "Tracing the model and rewriting its attention"):
            graph = export_graph(model)
            check_graph(model, graph)
        with _step(console, f"Writing weights as {args.precision}"):
            quantise_graph(graph, args.precision)
            files = save_external(graph, folder, max_bytes=args.max_file_bytes)
            shutil.copyfile(args.checkpoint / "tokenizer.json", folder / "tokenizer.json")
        with _step(console, "Comparing the result with the model"):
            report = check_parity(args, model, folder, text)
        _print_report(args, report, files, console)
        manifest = {
            "format": FORMAT,
            "name": args.name,
            **describe_model(model.config),
            "precision": args.precision,
            **text,
            **describe_graph(),
            "files": describe_files([*files, folder / "tokenizer.json"]),
            "parameters": model.num_parameters(),
            "parity": report.to_json(),
        }
        write_manifest(folder, manifest)
        write_card(folder, manifest, runs=args.run, mixtures=args.mixture, note=args.note)
    return report


def _limit_context(model: Any, length: int | None) -> None:
    """Cut the positions to those that the model was really trained on."""
    most = model.config.max_position_embeddings
    if length is None:
        return
    if not 16 <= length <= most:
        raise ModelError(f"context_length is {length}; this model allows 16 to {most}.")
    model.config.max_position_embeddings = length


def _check_vocabulary(checkpoint: Path, model: Any) -> None:
    num_tokens = Tokenizer.load(checkpoint / "tokenizer.json").vocab_size
    if num_tokens > model.config.vocab_size:
        raise ModelError(
            f"The tokenizer has {num_tokens} tokens and the model only {model.config.vocab_size}; "
            "they don't belong together."
        )


def check_parity(args: Args, model: Any, folder: Path, text: dict[str, Any]) -> ParityReport:
    """Compare the graph in `folder` with `model`.

    Raises:
        ModelError: an fp32 graph differs from the model, or the loss is too high and
            ``--strict`` is given.
    """
    context = model.config.max_position_embeddings
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    prompts = _encode_prompts(tokenizer, text, context)
    room = context - max(map(len, prompts))
    greedy = compare_greedy(
        model, OnnxGraph(folder, batch=1, max_len=context), prompts, min(args.parity_tokens, room)
    )
    check_logits(args.precision, greedy.max_logit_difference)
    loss = _compare_held_out(args, model, folder, tokenizer)
    limit = MAX_LOSS_INCREASE[args.precision]
    has_passed = None if loss is None else loss.increase <= limit
    if loss is not None and not has_passed and args.strict:
        raise ModelError(
            f"{args.precision} costs {loss.increase:.4f} nats per token on the held-out text; "
            f"allowed is {limit}. Choose a wider precision."
        )
    return ParityReport(greedy, loss, has_passed)


def check_graph(model: Any, graph: ir.Model) -> None:
    """Run the unquantised `graph` beside `model`: what is wrong now, no rounding explains.

    Raises:
        ModelError: their logits differ.
    """
    num_tokens = min(_CHECKED_TOKENS, model.config.max_position_embeddings // 2)
    ids = np.random.default_rng(0).integers(0, model.config.vocab_size, num_tokens).tolist()
    with tempfile.TemporaryDirectory() as folder:
        save_external(graph.clone(), Path(folder), max_bytes=sys.maxsize)
        runner = OnnxGraph(Path(folder), batch=1, max_len=2 * num_tokens)
        check_logits("fp32", compare_greedy(model, runner, [ids], num_tokens).max_logit_difference)


def _step(console: Console, title: str) -> contextlib.AbstractContextManager[object]:
    """Show what is being done: a spinner in a terminal, a line in a log."""
    if console.is_terminal:
        return console.status(title)
    console.print(f"{title} ...", highlight=False, soft_wrap=True)
    return contextlib.nullcontext()


def check_logits(precision: Precision, difference: float) -> None:
    """Raise ModelError if `difference` can't come from rounding alone (it may be NaN)."""
    limit = MAX_DIFFERENCE_FP32 if precision == "fp32" else math.inf
    if not difference <= limit or math.isinf(difference):
        raise ModelError(
            f"The exported graph's logits differ from the model's by up to {difference:.3g}; "
            f"allowed is {limit:g}. This kind of model cannot be exported."
        )


def _encode_prompts(tokenizer: Tokenizer, text: dict[str, Any], context: int) -> list[list[int]]:
    template = ChatTemplate(
        text["chat_template"], bos_token=text["bos_token"], eos_token=text["eos_token"]
    )
    longest = max(1, context // 2)
    return [template.encode([Message("user", prompt)], tokenizer)[:longest] for prompt in _PROMPTS]


def _compare_held_out(
    args: Args, model: Any, folder: Path, tokenizer: Tokenizer
) -> LossComparison | None:
    if args.held_out is None:
        return None
    window = min(args.window, model.config.max_position_embeddings)
    if args.held_out.is_dir():
        windows = read_shards(args.held_out, window, args.held_out_tokens)
    else:
        ids = (i for text in read_texts(args.held_out) for i in tokenizer.encode(text))
        windows = cut_windows(ids, window, args.held_out_tokens)
    return compare_loss(model, OnnxGraph(folder, batch=_LOSS_BATCH, max_len=window), windows)


def _print_report(
    args: Args, report: ParityReport, files: Sequence[Path], console: Console
) -> None:
    size = sum(path.stat().st_size for path in files) / 1e6
    greedy = report.greedy
    say = functools.partial(console.print, highlight=False, soft_wrap=True)
    say(f"{len(files)} files, {size:.1f} MB, weights {args.precision}")
    say(
        f"Greedy: {greedy.num_equal} of {greedy.num_tokens} tokens equal, "
        f"{greedy.num_identical_prompts} of {greedy.num_prompts} answers identical, "
        f"largest logit difference {greedy.max_logit_difference:.2g}"
    )
    if report.loss is None:
        say("Loss: not compared (give --held-out)")
        return
    say(
        f"Loss on {report.loss.num_tokens} held-out tokens: {report.loss.model:.4f} -> "
        f"{report.loss.exported:.4f} ({report.loss.increase:+.4f} nats)"
    )
    if not report.has_passed:
        logger.warning("export exceeds the loss limit: precision=%s", args.precision)
        say(
            f"WARNING: that is more than the {MAX_LOSS_INCREASE[args.precision]} nats allowed for "
            f"{args.precision}. Choose a wider precision.",
            style="bold red",
        )


@contextlib.contextmanager
def replace_folder(target: Path) -> Iterator[Path]:
    """Give a new folder that takes the place of `target` if, and only if, nothing goes wrong.

    The new folder is built beside the target, so `target` is whole at every moment, except that
    it is missing (and lies beside itself as ``.NAME.old``) between two renames; a run killed just
    there is repaired by the next one.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    old = target.with_name(f".{target.name}.old")
    if old.exists() and not target.exists():
        old.rename(target)
    for left in (old, *_find_stale(target)):
        shutil.rmtree(left, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=f".{target.name}.new.", dir=target.parent))
    try:
        yield new
        new.chmod(0o755)
        if target.exists():
            target.rename(old)
        new.rename(target)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        if old.exists() and not target.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _find_stale(target: Path) -> list[Path]:
    """Return what killed exports left behind; younger folders may belong to one that runs."""
    yesterday = time.time() - 24 * 3600
    left = target.parent.glob(f".{target.name}.new.*")
    return [folder for folder in left if folder.stat().st_mtime < yesterday]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage from the command line."""
    args = parse_args(Args, "training.export", Args.__doc__, argv)
    console = Console()
    export(args, console)
    console.print(f"Exported to {args.out}", highlight=False, markup=False)


if __name__ == "__main__":
    run_stage(main)
