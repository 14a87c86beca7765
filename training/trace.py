"""A transformers causal language model, traced to an ONNX graph by transformers' own exporter."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import torch

from chat.errors import ModelError
from training.rewrite import AttentionSpec, rewrite

# transformers' classes, which mypy is told to skip.
Model = Any

# What sets these apart from a plain Llama can't be expressed in the rewritten attention.
_REFUSED_PARTS = {
    "q_norm": "query norms",
    "k_norm": "key norms",
    "q_layernorm": "query norms",
    "k_layernorm": "key norms",
    "sinks": "attention sinks",
}


def load_model(checkpoint: Path) -> Model:
    """Load a checkpoint folder as a float32 model on the CPU, ready to be traced.

    Raises:
        ModelError: the folder holds no causal language model, or one that can't be exported.
    """
    from transformers import AutoModelForCausalLM

    if not (checkpoint / "config.json").is_file():
        raise ModelError(f"{checkpoint} has no config.json; name a checkpoint folder.")
    try:
        with _quiet():
            model = AutoModelForCausalLM.from_pretrained(
                checkpoint, dtype=torch.float32, attn_implementation="sdpa", local_files_only=True
            )
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{checkpoint} cannot be loaded as a causal model: {error}") from error
    model.eval()
    check_exportable(model)
    return model


def check_exportable(model: Model) -> None:
    """Raise ModelError if `model` does what the rewritten attention would get wrong."""
    config = model.config
    rope = getattr(config, "rope_parameters", None) or {}
    rope_type = rope.get("rope_type", "default")
    if rope_type != "default" or rope.get("partial_rotary_factor", 1.0) != 1.0:
        raise _refuse(f"scaled or partial rotary embedding ({rope_type})")
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    has_window = getattr(config, "sliding_window", None) and (
        kinds != {"full_attention"} or not hasattr(config, "layer_types")
    )
    if has_window or kinds - {"full_attention"}:
        raise _refuse("sliding windows")
    if not all(getattr(config, "no_rope_layers", None) or [1]):
        raise _refuse("layers without rotary embedding")
    if getattr(config, "attn_logit_softcapping", None):
        raise _refuse("soft-capped attention")
    for name, _ in model.named_parameters():
        for part, what in _REFUSED_PARTS.items():
            if part in name.split("."):
                raise _refuse(what)


def _refuse(what: str) -> ModelError:
    return ModelError(f"This model has {what}, which cannot be exported; use a plain Llama model.")


def export_graph(model: Model) -> ir.Model:
    """Trace `model` and rewrite its attention; see `training.rewrite` for inputs and outputs.

    Raises:
        ModelError: the model's attention has a form that can't be rewritten.
    """
    spec = describe_attention(model)
    graph = trace(model)
    rewrite(graph, spec)
    return graph


def trace(model: Model) -> ir.Model:
    """Trace `model` with a cache, batch, length and cache length left open.

    Raises:
        ModelError: the exporter fails.
    """
    from transformers.exporters import OnnxConfig, OnnxExporter

    config = OnnxConfig(dynamic=True, ort_fusions="cpu")
    try:
        with _quiet():
            exported = OnnxExporter().export(model, _sample_inputs(model), config=config)
    except RuntimeError as error:
        raise ModelError(f"This model cannot be traced: {error}") from error
    program: ir.Model = exported.program
    return program


def _sample_inputs(model: Model) -> dict[str, Any]:
    """Return inputs whose sizes all differ and exceed 1, so that none is taken for a constant."""
    from transformers import DynamicCache

    batch, past, new = 2, 5, 3
    spec = _read_sizes(model)
    cache = DynamicCache(config=model.config)
    for layer in range(spec["num_layers"]):
        shape = (batch, spec["num_kv_heads"], past, spec["head_dim"])
        cache.update(torch.zeros(shape), torch.zeros(shape), layer)
    return {
        "input_ids": torch.ones((batch, new), dtype=torch.int64),
        "attention_mask": torch.ones((batch, past + new), dtype=torch.int64),
        "past_key_values": cache,
    }


def _read_sizes(model: Model) -> dict[str, int]:
    config = model.config
    heads = config.num_attention_heads
    return {
        "num_layers": config.num_hidden_layers,
        "num_heads": heads,
        "num_kv_heads": getattr(config, "num_key_value_heads", None) or heads,
        "head_dim": getattr(config, "head_dim", None) or config.hidden_size // heads,
    }


def describe_attention(model: Model) -> AttentionSpec:
    """Return what all attention layers share, with the rotary tables computed as torch does.

    Raises:
        ModelError: the model has no rotary embedding, or a scaled one.
    """
    sizes = _read_sizes(model)
    rotary = getattr(model.base_model, "rotary_emb", None)
    if rotary is None or getattr(rotary, "attention_scaling", 1.0) != 1.0:
        raise _refuse("positions other than plain rotary embedding")
    if rotary.inv_freq.shape != (sizes["head_dim"] // 2,):
        raise _refuse("rotary embedding of a part of each head")
    positions = torch.arange(model.config.max_position_embeddings, dtype=torch.float32)
    angles = torch.outer(positions, rotary.inv_freq.float())
    scale = next(
        (
            float(m.scaling)
            for m in model.modules()
            if hasattr(m, "scaling") and hasattr(m, "q_proj")
        ),
        sizes["head_dim"] ** -0.5,
    )
    cos, sin = (np.ascontiguousarray(f(angles).numpy()) for f in (torch.cos, torch.sin))
    return AttentionSpec(**sizes, scale=scale, cos=cos, sin=sin)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' progress notes and deprecations out of the user's terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
