"""The loss on held-out documents, per source."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from training.model import LossFunction
from training.packing import Batch, RowMixer
from training.shards import open_shards

_SEED = 0


def validate(
    loss: LossFunction,
    shards: Path,
    *,
    shape: tuple[int, int],
    max_rows: int,
    loss_on: str,
    device: torch.device,
    pad_id: int,
) -> dict[str, float]:
    """Return the mean held-out loss in nats per token of each source, and "all", their mean.

    `shape` is (rows, length) of a forward pass. "all" is weighted as the sources are in training.
    The same rows are read each time.
    """
    opened = open_shards(shards, "validation")
    mixer = RowMixer(opened, shape[1], _SEED, pad_id)
    found: dict[str, float] = {}
    total, shares = 0.0, 0.0
    for index, shard in enumerate(opened):
        num_rows = min(max_rows, mixer.num_rows_of(index))
        batches = [mixer.batch_of(index, shape[0]) for _ in range(max(1, num_rows // shape[0]))]
        mean, _ = mean_loss(loss, batches, loss_on, device)
        if mean is None:
            continue
        found[shard.entry.source] = mean
        total += mean * shard.entry.weight
        shares += shard.entry.weight
    if shares:
        found["all"] = total / shares
    return found


def mean_loss(
    loss: LossFunction, batches: Sequence[Batch], loss_on: str, device: torch.device
) -> tuple[float | None, float]:
    """Return (mean loss in nats per counted token or None, number of counted tokens)."""
    total, num_counted = 0.0, 0.0
    with torch.no_grad():
        for batch in batches:
            weights = batch_weights(batch, loss_on)
            total += float(loss(*to_tensors(batch, weights, device)))
            num_counted += float(weights.sum())
    return (total / num_counted if num_counted else None), num_counted


def batch_weights(batch: Batch, loss_on: str) -> npt.NDArray[np.float32]:
    """Return which targets count, [rows, length]: an assistant's words only, or all."""
    return batch.weights if loss_on == "assistant" else batch.is_predicted.astype(np.float32)


def to_tensors(
    batch: Batch, weights: npt.NDArray[np.float32], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return a batch as the arguments of a loss function."""
    arrays = (batch.inputs, batch.targets, weights, batch.documents)
    inputs, targets, counted, documents = (
        torch.from_numpy(np.ascontiguousarray(each)).to(device) for each in arrays
    )
    return inputs, targets, counted, documents
