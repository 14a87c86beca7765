"""A tiny random Llama as a model folder, and the same model in plain numpy: no torch needed.

The graph has the shape that the exporter writes: GroupQueryAttention over a shared key/value
buffer, rotary embeddings inside it, logits of the last position only, tied embeddings.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tokenizers
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[np.float32]

END_OF_TEXT, SYSTEM, USER, ASSISTANT, END = range(5)
SPECIAL_TOKENS = ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
NORM_EPSILON = 1e-5
ROPE_THETA = 10_000.0


@dataclass(frozen=True, slots=True)
class TinyShape:
    """The sizes of a Llama; the defaults run in well under a millisecond."""

    vocab_size: int = 300
    hidden_size: int = 32
    num_layers: int = 2
    num_heads: int = 4
    num_kv_heads: int = 2
    head_dim: int = 16
    intermediate_size: int = 64
    context_length: int = 128


@dataclass(frozen=True, slots=True)
class TinyModel:
    """The weights, by name; `weights["embed"]` is also the head (tied)."""

    shape: TinyShape
    weights: dict[str, Array] = field(repr=False)

    @classmethod
    def random(cls, shape: TinyShape = TinyShape(), *, seed: int = 0) -> "TinyModel":
        """Draw weights with a spread that keeps greedy continuations from repeating at once."""
        rng = np.random.default_rng(seed)
        hidden, inner = shape.hidden_size, shape.intermediate_size
        wide, narrow = shape.num_heads * shape.head_dim, shape.num_kv_heads * shape.head_dim

        def matrix(rows: int, columns: int) -> Array:
            return (rng.standard_normal((rows, columns)) / rows**0.5).astype(np.float32)

        weights: dict[str, Array] = {
            # Small, or the tied head would always answer with the token that was just read.
            "embed": (0.1 * rng.standard_normal((shape.vocab_size, hidden))).astype(np.float32),
            "norm": np.full(hidden, 10, np.float32),
        }
        for i in range(shape.num_layers):
            weights |= {
                f"{i}.norm1": (1 + 0.1 * rng.standard_normal(hidden)).astype(np.float32),
                f"{i}.norm2": (1 + 0.1 * rng.standard_normal(hidden)).astype(np.float32),
                f"{i}.q": matrix(hidden, wide),
                f"{i}.k": matrix(hidden, narrow),
                f"{i}.v": matrix(hidden, narrow),
                f"{i}.o": matrix(wide, hidden),
                f"{i}.gate": matrix(hidden, inner),
                f"{i}.up": matrix(hidden, inner),
                f"{i}.down": matrix(inner, hidden),
            }
        return cls(shape, weights)

    # ---- the reference: all positions at once, no cache -------------------------------------

    def logits(self, ids: Sequence[int]) -> Array:
        """Return the logits [vocab] after the last of `ids`, computed from scratch."""
        w = self.weights
        x = w["embed"][np.asarray(ids)]
        for i in range(self.shape.num_layers):
            x = x + self._attend(_normalise(x, w[f"{i}.norm1"]), i)
            h = _normalise(x, w[f"{i}.norm2"])
            gate = h @ w[f"{i}.gate"]
            x = x + (gate / (1 + np.exp(-gate)) * (h @ w[f"{i}.up"])) @ w[f"{i}.down"]
        result: Array = _normalise(x[-1:], w["norm"])[0] @ w["embed"].T
        return result

    def greedy(self, prompt: Sequence[int], num_tokens: int) -> list[int]:
        """Return the greedy continuation of `prompt`, stop tokens and all."""
        ids = list(prompt)
        for _ in range(num_tokens):
            ids.append(int(self.logits(ids).argmax()))
        return ids[len(prompt) :]

    def _attend(self, x: Array, layer: int) -> Array:
        s, w, length = self.shape, self.weights, len(x)
        q = _rotate((x @ w[f"{layer}.q"]).reshape(length, s.num_heads, s.head_dim))
        k = _rotate((x @ w[f"{layer}.k"]).reshape(length, s.num_kv_heads, s.head_dim))
        v = (x @ w[f"{layer}.v"]).reshape(length, s.num_kv_heads, s.head_dim)
        group = s.num_heads // s.num_kv_heads
        k, v = k.repeat(group, axis=1), v.repeat(group, axis=1)
        scores = np.einsum("qhd,khd->hqk", q, k) / s.head_dim**0.5
        scores = np.where(np.tri(length, dtype=bool), scores, -np.inf)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = np.einsum("hqk,khd->qhd", scores / scores.sum(-1, keepdims=True), v)
        result: Array = mixed.reshape(length, -1) @ w[f"{layer}.o"]
        return result

    # ---- the model folder -------------------------------------------------------------------

    def save(self, folder: Path, *, name: str = "tiny") -> Path:
        """Write model.onnx, tokenizer.json and manifest.json into `folder`; return it."""
        folder.mkdir(parents=True, exist_ok=True)
        onnx.save(build_graph(self), str(folder / "model.onnx"))
        build_tokenizer(self.shape.vocab_size).save(str(folder / "tokenizer.json"))
        write_manifest(folder, manifest_fields(self.shape, name))
        return folder


def write_manifest(folder: Path, fields: dict[str, Any]) -> None:
    """Write manifest.json with the sizes and checksums of the files as they now are."""
    names = ("model.onnx", "tokenizer.json")
    contents = {name: (folder / name).read_bytes() for name in names}
    files = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in contents.items()
    }
    (folder / "manifest.json").write_text(json.dumps({**fields, "files": files}))


def manifest_fields(shape: TinyShape, name: str) -> dict[str, Any]:
    """Return the manifest, all but its `files`."""
    return {
        "format": 1,
        "name": name,
        "architecture": "llama",
        "context_length": shape.context_length,
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden_size,
        "num_layers": shape.num_layers,
        "num_heads": shape.num_heads,
        "num_kv_heads": shape.num_kv_heads,
        "head_dim": shape.head_dim,
        "precision": "fp32",
        "kv_dtype": "float32",
        "stop_token_ids": [END, END_OF_TEXT],
        "chat_template": CHAT_TEMPLATE,
        "bos_token": "",
        "eos_token": "<|endoftext|>",
        "inputs": {
            "input_ids": "input_ids",
            "seqlens_k": "seqlens_k",
            "total_sequence_length": "total_sequence_length",
            "past_key": "past_key_values.{layer}.key",
            "past_value": "past_key_values.{layer}.value",
        },
        "outputs": {
            "logits": "logits",
            "present_key": "present.{layer}.key",
            "present_value": "present.{layer}.value",
        },
        "generation": {"temperature": 0.6, "top_k": 40, "repetition_penalty": 1.1},
        "model_file": "model.onnx",
        "tokenizer_file": "tokenizer.json",
        "parameters": 1,
    }


def build_tokenizer(vocab_size: int) -> tokenizers.Tokenizer:
    """Return a byte-level tokenizer of `vocab_size` ids: 5 special, 256 bytes, letter pairs."""
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    letters = "etaoinshrdlcumwfgypbvkxjqz" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    pairs = [(a, b) for a in letters for b in letters] + [(a, a) for a in "!?.,"]
    room = vocab_size - len(SPECIAL_TOKENS) - len(alphabet)
    merges = pairs[:room]
    merges += [("Ġ", a + b) for a, b in pairs][: room - len(merges)]
    tokens = [*SPECIAL_TOKENS, *alphabet, *("".join(pair) for pair in merges)]
    vocab = {token: i for i, token in enumerate(tokens)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return tokenizer


def build_graph(model: TinyModel) -> onnx.ModelProto:
    """Return the ONNX graph of `model`."""
    s, nodes = model.shape, []
    buffer = ["batch", s.num_kv_heads, "max_length", s.head_dim]
    inputs = [
        helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"]),
        helper.make_tensor_value_info("seqlens_k", TensorProto.INT32, ["batch"]),
        helper.make_tensor_value_info("total_sequence_length", TensorProto.INT32, []),
    ]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", s.vocab_size])]
    for i in range(s.num_layers):
        for part in ("key", "value"):
            past, present = f"past_key_values.{i}.{part}", f"present.{i}.{part}"
            inputs.append(helper.make_tensor_value_info(past, TensorProto.FLOAT, buffer))
            outputs.append(helper.make_tensor_value_info(present, TensorProto.FLOAT, buffer))

    def add(op: str, takes: list[str], gives: str, domain: str = "", **attributes: Any) -> str:
        gives_all = gives.split()
        nodes.append(helper.make_node(op, takes, gives_all, domain=domain, **attributes))
        return gives_all[0]

    norm = {"epsilon": NORM_EPSILON, "axis": -1, "stash_type": 1}
    x = add("Gather", ["embed", "input_ids"], "embedded")
    for i in range(s.num_layers):
        x = _add_layer(add, s, i, x, norm)
    x = add("Gather", [x, "last"], "last_hidden", axis=1)
    x = add("SimplifiedLayerNormalization", [x, "norm"], "last_normed", **norm)
    add("Gemm", [x, "embed"], "logits", transB=1)

    angles = _angles(s.context_length, s.head_dim)
    constants = {
        **model.weights,
        "cos": np.cos(angles).astype(np.float32),
        "sin": np.sin(angles).astype(np.float32),
        "last": np.array(-1, np.int64),
    }
    initialisers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initialisers)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def _add_layer(add: Any, s: TinyShape, i: int, x: str, norm: dict[str, Any]) -> str:
    h = add("SimplifiedLayerNormalization", [x, f"{i}.norm1"], f"{i}.h1", **norm)
    q, k, v = (add("MatMul", [h, f"{i}.{name}"], f"{i}.{name}_out") for name in "qkv")
    past = [f"past_key_values.{i}.{part}" for part in ("key", "value")]
    mixed = add(
        "GroupQueryAttention",
        [q, k, v, *past, "seqlens_k", "total_sequence_length", "cos", "sin"],
        f"{i}.mixed present.{i}.key present.{i}.value",
        domain="com.microsoft",
        num_heads=s.num_heads,
        kv_num_heads=s.num_kv_heads,
        do_rotary=1,
    )
    x = add("Add", [x, add("MatMul", [mixed, f"{i}.o"], f"{i}.attended")], f"{i}.x1")
    h = add("SimplifiedLayerNormalization", [x, f"{i}.norm2"], f"{i}.h2", **norm)
    gate = add("MatMul", [h, f"{i}.gate"], f"{i}.gate_out")
    up = add("MatMul", [h, f"{i}.up"], f"{i}.up_out")
    silu = add("Mul", [gate, add("Sigmoid", [gate], f"{i}.sigmoid")], f"{i}.silu")
    inner = add("Mul", [silu, up], f"{i}.inner")
    return str(add("Add", [x, add("MatMul", [inner, f"{i}.down"], f"{i}.mlp")], f"{i}.x2"))


def _normalise(x: Array, weight: Array) -> Array:
    result: Array = x / np.sqrt((x**2).mean(-1, keepdims=True) + NORM_EPSILON) * weight
    return result


def _angles(length: int, head_dim: int) -> NDArray[np.float64]:
    frequencies = ROPE_THETA ** (-np.arange(0, head_dim, 2) / head_dim)
    return np.outer(np.arange(length), frequencies)


def _rotate(x: Array) -> Array:
    angles = _angles(x.shape[0], x.shape[2])[:, None]
    cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    first, second = np.split(x, 2, axis=-1)
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
