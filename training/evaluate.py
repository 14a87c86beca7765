"""Say how good a model is: ``python -m training.evaluate --help``.

    python -m training.evaluate --model runs/xs/sft/model --shards runs/xs/sft_shards

Prints the held-out loss and bits per byte of each source, the rate of right answers to held-out
probes, and a few conversations to read.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import transformers

from chat.types import Message
from training.arguments import parse_args, run_stage
from training.documents import to_message
from training.generation import Responder
from training.generator.probes import run_probes
from training.model import (
    choose_device,
    choose_precision,
    count_parameters,
    default_attention,
    load_model,
    make_loss,
)
from training.packing import Batch, RowMixer
from training.shards import open_shards
from training.tokenizer import count_bytes, load_tokenizer
from training.validation import batch_weights, mean_loss

logger = logging.getLogger(__name__)

SAMPLE_CONVERSATIONS: Sequence[Sequence[str]] = (
    ("Hello!", "What is your name?"),
    ("Hi, my name is Ingrid.", "What is my name?"),
    ("What is 7 plus 5?", "And 12 + 9?"),
    ("What is the capital of Norway?", "Which language do people speak there?"),
    ("Tell me a short story about a fox.",),
    ("What will the weather be like tomorrow?",),
    ("What does the word 'brave' mean?",),
    ("Thank you, goodbye!",),
)


@dataclass(frozen=True, slots=True)
class Args:
    """Print the held-out loss of a model, and how it talks."""

    model: Annotated[Path, "folder with the weights and the tokenizer"]
    shards: Annotated[Path | None, "folder made by training.data, for the loss"] = None
    loss_on: Annotated[Literal["all", "assistant"], "tokens that count in the loss"] = "assistant"
    rows: Annotated[int, "rows per forward pass"] = 8
    length: Annotated[int, "tokens per row"] = 256
    max_rows: Annotated[int, "rows of each source, at most"] = 64
    probes: Annotated[bool, "ask the mechanical checks of training.generator.probes"] = True
    temperature: Annotated[float, "of the sampled conversations; 0 is greedy"] = 0.0
    device: Annotated[str, "cpu, cuda, or auto"] = "auto"


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The held-out loss of one source."""

    source: str
    nats_per_token: float
    bits_per_byte: float
    num_tokens: int


def measure(args: Args, shards: Path) -> list[HeldOut]:
    """Return the held-out losses of each source.

    Raises:
        ModelError: the model can't be read.
        SetupError: the shards can't be read.
    """
    device = choose_device(args.device)
    model = load_model(args.model, attention=default_attention(device)).to(device).eval()
    loss = make_loss(model, choose_precision("auto", device))
    byte_counts = np.asarray(count_bytes(load_tokenizer(args.model)), dtype=np.int64)
    opened = open_shards(shards, "validation")
    mixer = RowMixer(opened, args.length, 0, int(model.config.pad_token_id))
    found = []
    for index, shard in enumerate(opened):
        wanted = min(args.max_rows, mixer.num_rows_of(index)) // args.rows
        batches = [mixer.batch_of(index, args.rows) for _ in range(max(1, wanted))]
        mean, num_tokens = mean_loss(loss, batches, args.loss_on, device)
        if mean is not None:
            num_bytes = sum(_count_bytes(batch, args.loss_on, byte_counts) for batch in batches)
            bits = mean * num_tokens / math.log(2) / max(1, num_bytes)
            found.append(HeldOut(shard.entry.source, mean, bits, int(num_tokens)))
    return found


def converse(responder: Responder, said: Sequence[str], temperature: float) -> list[Message]:
    """Return a conversation in which a person says `said`, whatever the model answers."""
    messages: list[Message] = []
    for text in said:
        messages.append(Message("user", text))
        messages.append(Message("assistant", responder.answer(messages, temperature=temperature)))
    return messages


def probe(responder: Responder) -> dict[str, tuple[int, int]]:
    """Return (passed, total) for each category of the mechanical checks, answered greedily."""

    def answer(turns: Sequence[Mapping[str, str]]) -> str:
        return responder.answer([to_message(turn) for turn in turns], max_new_tokens=160)

    return run_probes(answer)


def _print_scores(scores: Mapping[str, tuple[int, int]]) -> None:
    passed, total = (sum(each) for each in zip(*scores.values(), strict=True))
    print(f"\n{'probes':24} {'passed':>10}")
    for name, (right, asked) in {**scores, "all": (passed, total)}.items():
        print(f"{name:24} {right:4} of {asked:3} {right / asked:6.0%}")


def _count_bytes(batch: Batch, loss_on: str, byte_counts: "np.ndarray") -> int:
    is_counted = batch_weights(batch, loss_on) > 0
    return int(byte_counts[batch.targets[is_counted]].sum())


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage from the command line."""
    args = parse_args(Args, "training.evaluate", Args.__doc__, argv)
    transformers.utils.logging.disable_progress_bar()
    if args.shards:
        print(f"{'source':24} {'nats/token':>10} {'bits/byte':>10} {'tokens':>8}")
        for row in measure(args, args.shards):
            print(
                f"{row.source:24} {row.nats_per_token:10.3f} {row.bits_per_byte:10.3f} "
                f"{row.num_tokens:8}"
            )
    device = choose_device(args.device)
    model = load_model(args.model, attention=default_attention(device)).to(device)
    print(f"\n{count_parameters(model) / 1e6:.1f} M parameters")
    responder = Responder(model, args.model)
    if args.probes:
        _print_scores(probe(responder))
    for said in SAMPLE_CONVERSATIONS:
        print()
        for message in converse(responder, said, args.temperature):
            print(f"{message.role:>9}: {message.content}")


if __name__ == "__main__":
    run_stage(main)
