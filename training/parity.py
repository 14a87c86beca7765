"""Does the exported graph say what the model says? Greedy agreement, and loss on held-out text."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from chat.errors import SetupError
from training.shards import open_shards

Tokens = NDArray[np.int64]

# In fp32 the two differ by the order of additions only.
MAX_DIFFERENCE_FP32 = 1e-2
# How much worse than the model an export may be on held-out text, in nats per token.
MAX_LOSS_INCREASE = {"fp32": 0.001, "int8": 0.02, "int4": 0.06}
_BATCH = 8


class Graph(Protocol):
    """An exported graph with its key/value buffers."""

    def run(self, ids: Tokens, totals: NDArray[np.int32]) -> NDArray[np.float32]:
        """Feed ``[batch, seq]`` ids; return the logits of each last token ``[batch, vocab]``.

        ``totals`` ``[batch]`` is how many tokens each sequence has after these.
        """
        ...


@dataclass(frozen=True, slots=True)
class Agreement:
    """Greedy decoding along the model's own path: the graph's choices against the model's."""

    num_prompts: int
    num_tokens: int
    num_equal: int
    num_identical_prompts: int
    max_logit_difference: float

    @property
    def share(self) -> float:
        """The share of equal choices."""
        return self.num_equal / max(1, self.num_tokens)


@dataclass(frozen=True, slots=True)
class LossComparison:
    """Mean loss on held-out text in nats per token."""

    num_tokens: int
    model: float
    exported: float

    @property
    def increase(self) -> float:
        return self.exported - self.model


def continue_greedily(model: Any, prompt: Sequence[int], num_tokens: int) -> list[int]:
    """Return the model's `num_tokens` likeliest tokens after `prompt`, one after another."""
    with torch.inference_mode():
        output = model.generate(
            torch.tensor([list(prompt)]),
            attention_mask=torch.ones((1, len(prompt)), dtype=torch.int64),
            do_sample=False,
            repetition_penalty=1.0,
            max_new_tokens=num_tokens,
            eos_token_id=None,
            pad_token_id=0,
        )
    ids: list[int] = output[0, len(prompt) :].tolist()
    return ids


def compare_greedy(
    model: Any, graph: Graph, prompts: Sequence[Sequence[int]], num_tokens: int
) -> Agreement:
    """Decode `prompts` with `model` and follow its path with `graph` (of batch 1), token by token.

    Following the model's path, the choices are equal up to the end exactly if free-running
    decoding would give equal text.
    """
    equal: list[bool] = []
    num_identical, differences = 0, [0.0]
    for prompt in prompts:
        answer = continue_greedily(model, prompt, num_tokens)
        wanted = _model_logits(model, [*prompt, *answer])[len(prompt) - 1 : -1]
        got = _graph_logits(graph, prompt, answer)
        differences.append(np.abs(wanted - got).max())
        hits = got.argmax(axis=-1) == np.asarray(answer)
        num_identical += bool(hits.all())
        equal += hits.tolist()
    # numpy's maximum, unlike Python's, is NaN if any is.
    largest = float(np.max(differences))
    return Agreement(len(prompts), len(equal), sum(equal), num_identical, largest)


def _model_logits(model: Any, ids: Sequence[int]) -> NDArray[np.float32]:
    with torch.inference_mode():
        logits: NDArray[np.float32] = model(torch.tensor([list(ids)])).logits[0].numpy()
    return logits


def _graph_logits(
    graph: Graph, prompt: Sequence[int], answer: Sequence[int]
) -> NDArray[np.float32]:
    """Return the logits that precede each token of `answer`, ``[tokens, vocab]``."""
    total = len(prompt)
    rows = [graph.run(np.array([prompt], np.int64), np.array([total], np.int32))]
    for token in answer[:-1]:
        total += 1
        rows.append(graph.run(np.array([[token]], np.int64), np.array([total], np.int32)))
    return np.concatenate(rows)


def compare_loss(model: Any, graph: Graph, windows: Tokens) -> LossComparison:
    """Compare the losses on ``[windows, length]`` tokens; `graph` has a batch of 8.

    The graph reads one token at a time, as it does when it serves.
    """
    model_loss, graph_loss, num_tokens = 0.0, 0.0, 0
    for start in range(0, len(windows), _BATCH):
        rows = windows[start : start + _BATCH]
        model_loss += _sum_model_loss(model, rows)
        graph_loss += _sum_graph_loss(graph, rows)
        num_tokens += rows[:, 1:].size
    return LossComparison(num_tokens, model_loss / num_tokens, graph_loss / num_tokens)


def _sum_model_loss(model: Any, rows: Tokens) -> float:
    with torch.inference_mode():
        logits = model(torch.from_numpy(rows)).logits[:, :-1]
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), torch.from_numpy(rows[:, 1:]).flatten(), reduction="sum"
        )
    return float(loss)


def _sum_graph_loss(graph: Graph, rows: Tokens) -> float:
    # The graph's buffers have a fixed batch: a short last batch is filled up and not counted.
    filled = np.concatenate([rows, np.repeat(rows[:1], _BATCH - len(rows), axis=0)])
    loss = 0.0
    for position in range(rows.shape[1] - 1):
        totals = np.full(_BATCH, position + 1, np.int32)
        logits = graph.run(filled[:, position : position + 1], totals).astype(np.float64)
        logits = logits[: len(rows)]
        top = logits.max(axis=-1, keepdims=True)
        normaliser = np.log(np.exp(logits - top).sum(axis=-1)) + top[:, 0]
        loss += float((normaliser - logits[np.arange(len(rows)), rows[:, position + 1]]).sum())
    return loss


def read_texts(path: Path) -> list[str]:
    """Return the texts of a plain file, or of a JSONL file's ``text`` fields.

    Raises:
        SetupError: the file cannot be read as either.
    """
    try:
        source = path.read_text(encoding="utf-8")
        if path.suffix != ".jsonl":
            return [source]
        return [json.loads(line)["text"] for line in source.splitlines() if line.strip()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SetupError(
            f"{path} is not held-out text: {error}; give a .txt file or a .jsonl file with the "
            'field "text".'
        ) from error


def read_shards(folder: Path, length: int, max_tokens: int) -> Tokens:
    """Return windows ``[windows, length]`` of validation tokens, as many from each source.

    Raises:
        SetupError: the folder has no validation shards, or none fills a window.
    """
    shards = open_shards(folder, "validation")
    count = max(1, max_tokens // len(shards) // length)
    parts = [
        np.asarray(shard.tokens[: count * length], np.int64)[: len(shard.tokens) // length * length]
        for shard in shards
    ]
    return cut_windows(np.concatenate(parts), length, max_tokens)


def cut_windows(ids: Iterable[int], length: int, max_tokens: int) -> Tokens:
    """Return `ids` as ``[windows, length]``, at most `max_tokens` in all.

    Raises:
        SetupError: there isn't enough for one window.
    """
    tokens = np.fromiter(ids, np.int64)[:max_tokens]
    count = len(tokens) // length
    if count == 0:
        raise SetupError(
            f"The held-out text has {len(tokens)} tokens; give at least {length} of them."
        )
    return tokens[: count * length].reshape(count, length)
