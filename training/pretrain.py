"""Pretrain a model from fresh weights: ``python -m training.pretrain --help``.

    python -m training.pretrain --shards runs/xs/shards --tokenizer runs/xs/tokenizer \
        --model XS --out runs/xs/pretrain --steps 2500 --compile

Learns to predict every token of the mixture. Run the same command again to go on after a stop.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from transformers import LlamaForCausalLM

from training.arguments import parse_args, run_stage
from training.model import build_config, build_model
from training.tokenizer import END_OF_MESSAGE, END_OF_TEXT, PAD, load_tokenizer, token_id
from training.trainer import EXIT_STOPPED, LoopArgs, Outcome, train


@dataclass(frozen=True, slots=True)
class Args(LoopArgs):
    """Pretrain a model from fresh weights."""

    model: Annotated[str, "shape of the model: nano, XS, S or M"] = "XS"
    context: Annotated[int, "largest number of positions that the model will be served with"] = 1024


def pretrain(args: Args) -> Outcome:
    """Train fresh weights on all tokens; leaves them in ``out/model``.

    Raises:
        SettingsError: the shape or the device doesn't exist.
        SetupError: the shards are missing, or the run folder belongs to other arguments.
        ModelError: the tokenizer can't be read.
    """

    def make_model(attention: str) -> LlamaForCausalLM:
        tokenizer = load_tokenizer(args.tokenizer)
        ends = tuple(token_id(tokenizer, token) for token in (END_OF_TEXT, END_OF_MESSAGE, PAD))
        size = tokenizer.get_vocab_size()
        config = build_config(args.model, size, context=args.context, end_ids=ends)
        return build_model(config, attention=attention)

    return train(args, make_model, loss_on="all")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage from the command line."""
    outcome = pretrain(parse_args(Args, "training.pretrain", Args.__doc__, argv))
    return 0 if outcome.is_finished else EXIT_STOPPED


if __name__ == "__main__":
    run_stage(main)
