"""Fine-tune a model on conversations: ``python -m training.sft --help``.

    python -m training.sft --shards runs/xs/sft_shards --tokenizer runs/xs/tokenizer \
        --model runs/xs/pretrain/model --out runs/xs/sft --steps 1000 --compile

Only an assistant's words, and the ``<|end|>`` after them, count in the loss. Run the same command
again to go on after a stop.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from training.arguments import parse_args, run_stage
from training.model import load_model
from training.trainer import EXIT_STOPPED, LoopArgs, Outcome, train


@dataclass(frozen=True, slots=True, kw_only=True)
class Args(LoopArgs):
    """Fine-tune a model on conversations."""

    model: Annotated[Path, "folder with the weights to start from"]
    learning_rate: Annotated[float, "peak learning rate"] = 1e-3
    floor: Annotated[float, "last learning rate, as a fraction of the peak"] = 0.0


def finetune(args: Args) -> Outcome:
    """Train the weights in `model` on what assistants say; leaves them in ``out/model``.

    Raises:
        SettingsError: the device doesn't exist.
        SetupError: the shards are missing, or the run folder belongs to other arguments.
        ModelError: the model to start from can't be read.
    """
    return train(
        args,
        lambda attention: load_model(args.model, attention=attention),
        loss_on="assistant",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage from the command line."""
    outcome = finetune(parse_args(Args, "training.sft", Args.__doc__, argv))
    return 0 if outcome.is_finished else EXIT_STOPPED


if __name__ == "__main__":
    run_stage(main)
