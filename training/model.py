"""The shapes of the chat model, and its loss.

A Llama (Touvron et al. 2023): RMSNorm, SwiGLU, rotary positions, grouped-query attention, tied
embeddings, no biases. It exports cleanly and any tool that knows Llama can read it.
"""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

from chat.errors import ModelError, SettingsError

# (inputs, targets, weights, documents) -> sum of the weighted losses, in nats
LossFunction = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Shape:
    """The dimensions of a model."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    feed_forward: int


SHAPES: Mapping[str, Shape] = {
    "nano": Shape(64, 2, 2, 1, 176),  # for trying out the pipeline
    "XS": Shape(256, 6, 4, 2, 704),
    "S": Shape(384, 12, 6, 2, 1024),
    "M": Shape(512, 8, 8, 4, 1408),
}


def build_config(
    name: str, vocab_size: int, *, context: int = 1024, end_ids: Sequence[int] = (0, 4, 5)
) -> LlamaConfig:
    """Return the configuration of a named shape; `end_ids` = end of text, of a message, padding.

    Raises:
        SettingsError: there is no shape of that name.
    """
    if name not in SHAPES:
        raise SettingsError(f"There is no model shape '{name}'; choose from {', '.join(SHAPES)}.")
    shape = SHAPES[name]
    end_of_text, end_of_message, pad = end_ids
    return LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=shape.hidden,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=context,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        attention_bias=False,
        mlp_bias=False,
        bos_token_id=None,
        eos_token_id=[end_of_message, end_of_text],
        pad_token_id=pad,
    )


def build_model(config: LlamaConfig, *, attention: str = "eager") -> LlamaForCausalLM:
    """Return a model with fresh weights, in float32."""
    model = LlamaForCausalLM._from_config(config, attn_implementation=attention)
    return model.float()


def load_model(folder: Path, *, attention: str = "eager") -> LlamaForCausalLM:
    """Return the model saved in `folder`, in float32.

    Raises:
        ModelError: there is no model, or it can't be read.
    """
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} holds no model; give a folder with config.json.")
    try:
        model = LlamaForCausalLM.from_pretrained(
            folder, attn_implementation=attention, dtype=torch.float32, local_files_only=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"The model in {folder} cannot be read: {error}") from error
    return model


def choose_device(name: str) -> torch.device:
    """Return the device of that name; "auto" is a GPU if there is one.

    Raises:
        SettingsError: there is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SettingsError(f"'{name}' is no device; use cpu, cuda or auto.") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SettingsError(f"There is no GPU for --device {name}; use cpu or auto.")
    return device


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the type of the matrix products; "auto" is bfloat16 where the hardware has it."""
    if name == "auto":
        # Without these instructions bfloat16 on a CPU is slower than float32.
        cpu = torch.cpu.get_capabilities()
        is_fast = device.type == "cuda" or bool(
            cpu.get("avx512_bf16") or cpu.get("amx_bf16") or cpu.get("arm_bf16")
        )
        name = "bfloat16" if is_fast else "float32"
    return {"bfloat16": torch.bfloat16, "float32": torch.float32}[name]


def default_attention(device: torch.device) -> str:
    """Return the faster way to attend: on a CPU, plain matrix products beat the fused kernel."""
    return "sdpa" if device.type == "cuda" else "eager"


def document_mask(documents: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return the mask to add to attention scores, [rows, 1, length, length].

    A token sees itself and what stands before it in its own document.
    """
    length = documents.size(1)
    positions = torch.arange(length, device=documents.device)
    is_seen = (documents[:, :, None] == documents[:, None, :]) & (
        positions[:, None] >= positions[None, :]
    )
    hidden = torch.finfo(dtype).min
    mask = torch.zeros(is_seen.shape, dtype=dtype, device=documents.device)
    return mask.masked_fill(~is_seen, hidden)[:, None]


def make_loss(model: LlamaForCausalLM, precision: torch.dtype) -> LossFunction:
    """Return the function that sums the weighted cross-entropy of a batch, in nats."""
    is_mixed = precision != torch.float32

    def sum_losses(
        inputs: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, documents: torch.Tensor
    ) -> torch.Tensor:
        with torch.autocast(inputs.device.type, precision, enabled=is_mixed):
            mask = document_mask(documents, precision)
            logits = model(input_ids=inputs, attention_mask=mask, use_cache=False).logits
        losses = torch.nn.functional.cross_entropy(
            logits.float().flatten(0, 1), targets.flatten(), reduction="none"
        )
        return (losses * weights.flatten()).sum()

    return sum_losses


def count_parameters(model: torch.nn.Module) -> int:
    """Return the number of weights, tied ones once."""
    return sum(p.numel() for p in model.parameters())


def describe_environment(device: torch.device) -> dict[str, Any]:
    """Return the versions and the hardware that a run depends on."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
    }
