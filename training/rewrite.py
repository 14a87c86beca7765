"""A traced causal language model, rewritten to attention over a shared key/value buffer.

The trace has one mask for the whole batch and joins keys and values by Concat, so it can serve
neither sequences of different lengths nor a buffer that stays in place. The rewrite finds, in each
layer, the projections that feed the attention and the projection that eats its result, and puts
one GroupQueryAttention (``com.microsoft``, onnxruntime) between them. Everything in between falls
away: rotary embedding, causal mask, attention mask, position ids, softmax.

Inputs of the result: ``input_ids`` int64 ``[batch, seq]``, ``seqlens_k`` int32 ``[batch]`` (tokens
of each sequence after this step, minus 1), ``total_sequence_length`` int32 scalar (the longest of
them, not minus 1), ``past_key_values.{i}.key/value`` float32 ``[batch, kv_heads, max_len,
head_dim]``. Outputs: ``logits`` float32 ``[batch, vocab]`` of each sequence's last token, and
``present.{i}.key/value``, to be bound to the same memory as the past ones.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes import common as passes

from training.layers import Layer, Value, find_head, find_output, read_layer, unknown_form


@dataclass(frozen=True, slots=True)
class AttentionSpec:
    """What every attention layer of the model has in common.

    ``cos`` and ``sin`` are float32 ``[max_positions, head_dim / 2]``.
    """

    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    scale: float
    cos: NDArray[np.float32]
    sin: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Shared:
    """The values that all attention nodes read."""

    seqlens_k: Value
    total_sequence_length: Value
    cos: Value
    sin: Value


def rewrite(model: ir.Model, spec: AttentionSpec) -> None:
    """Rewrite the trace `model` in place, as this module's head says.

    Raises:
        ModelError: the graph does something to queries or keys that this attention can't do.
    """
    graph = model.graph
    shared = _add_shared(graph, spec)
    # All layers are read before any is changed: the first change would cut the paths of others.
    layers = [read_layer(graph, layer) for layer in range(spec.num_layers)]
    for layer, parts in enumerate(layers):
        _put_attention(graph, layer, parts, spec, shared)
    _keep_last_position(graph, shared.seqlens_k)
    _drop_leftovers(model, spec.num_layers)


def _add_shared(graph: Any, spec: AttentionSpec) -> _Shared:
    seqlens_k = _value("seqlens_k", ir.DataType.INT32, ["batch"])
    total = _value("total_sequence_length", ir.DataType.INT32, [])
    graph.inputs.extend([seqlens_k, total])
    cos = add_initializer(graph, "cos_cache", spec.cos)
    sin = add_initializer(graph, "sin_cache", spec.sin)
    return _Shared(seqlens_k, total, cos, sin)


def _put_attention(
    graph: Any, layer: int, parts: Layer, spec: AttentionSpec, shared: _Shared
) -> None:
    shape: list[str | int] = ["batch", spec.num_kv_heads, "max_len", spec.head_dim]
    past = [
        _value(f"past_key_values.{layer}.{kind}", ir.DataType.FLOAT, shape)
        for kind in ("key", "value")
    ]
    present = [
        _value(f"present.{layer}.{kind}", ir.DataType.FLOAT, shape) for kind in ("key", "value")
    ]
    mixed = ir.Value(name=f"attention.{layer}", type=ir.TensorType(ir.DataType.FLOAT))
    node = ir.node(
        "GroupQueryAttention",
        [
            *_pack_projections(parts),
            *past,
            shared.seqlens_k,
            shared.total_sequence_length,
            shared.cos,
            shared.sin,
        ],
        {
            "num_heads": spec.num_heads,
            "kv_num_heads": spec.num_kv_heads,
            "scale": spec.scale,
            "do_rotary": 1,
            "rotary_interleaved": 0,
        },
        domain="com.microsoft",
        outputs=[mixed, *present],
        name=f"attention.{layer}",
    )
    graph.insert_before(parts.out_projection, node)
    parts.out_projection.replace_input_with(0, mixed)
    graph.inputs.extend(past)
    for kind, value in zip(("keys", "values"), present, strict=True):
        old = find_output(graph, f"output.past_key_values.layers.{layer}.{kind}")
        graph.outputs[list(graph.outputs).index(old)] = value


def _pack_projections(parts: Layer) -> list[Value | None]:
    """Return the attention's first three inputs: one if one product makes all three."""
    query, key, value = parts.query, parts.key, parts.value
    node = query.producer()
    if node.op_type == "Split" and [v.name for v in node.outputs] == [
        query.name,
        key.name,
        value.name,
    ]:
        return [node.inputs[0], None, None]
    return [query, key, value]


def _keep_last_position(graph: Any, seqlens_k: Value) -> None:
    """Gather each sequence's last token before the head, so that the head runs once for each.

    That token is the last column, or, where prompts of different lengths are padded on the right
    to start together, column ``seqlens_k``.
    """
    logits = find_output(graph, "logits")
    head = find_head(graph)
    one = add_initializer(graph, "last.one", np.array([1], np.int64))
    minus_one = add_initializer(graph, "last.axis", np.array([-1], np.int64))
    input_ids = next(v for v in graph.inputs if v.name == "input_ids")
    width = ir.node("Shape", [input_ids], {"start": 1, "end": 2}, name="last.width")
    column = ir.node("Sub", [width.outputs[0], one], name="last.column")
    length = ir.node("Cast", [seqlens_k], {"to": ir.DataType.INT64}, name="last.length")
    chosen = ir.node("Min", [length.outputs[0], column.outputs[0]], name="last.chosen")
    index = ir.node("Unsqueeze", [chosen.outputs[0], minus_one], name="last.index")
    hidden = ir.node(
        "GatherND", [head.inputs[0], index.outputs[0]], {"batch_dims": 1}, name="last.hidden"
    )
    graph.insert_before(head, [width, column, length, chosen, index, hidden])
    head.replace_input_with(0, hidden.outputs[0])
    logits.shape = ir.Shape(["batch", logits.shape[-1]])


def _drop_leftovers(model: ir.Model, num_layers: int) -> None:
    """Remove what nobody reads any more, and refuse if the trace's mask or cache is still read."""
    graph = model.graph
    passes.RemoveUnusedNodesPass()(model)
    keep = {"input_ids", "seqlens_k", "total_sequence_length"}
    keep |= {f"past_key_values.{i}.{kind}" for i in range(num_layers) for kind in ("key", "value")}
    for value in list(graph.inputs):
        if value.name in keep:
            continue
        if value.uses():
            raise unknown_form(f"a use of {value.name} outside the attention")
        graph.inputs.remove(value)
    next(v for v in graph.inputs if v.name == "input_ids").shape = ir.Shape(["batch", "seq"])
    kept = {id(value) for value in graph.outputs}
    for node in graph:
        for value in node.outputs:
            if id(value) not in kept:
                value.shape = None  # the trace's symbols mean nothing now
    model.opset_imports["com.microsoft"] = 1
    passes.ClearMetadataAndDocStringPass()(model)
    passes.NameFixPass()(model)
    passes.TopologicalSortPass()(model)


def add_initializer(graph: Any, name: str, array: NDArray[Any]) -> Value:
    """Add the constant `array` to `graph` and return its value."""
    tensor = ir.tensor(array, name=name)
    value = ir.Value(
        name=name, shape=tensor.shape, type=ir.TensorType(tensor.dtype), const_value=tensor
    )
    graph.register_initializer(value)
    return value


def _value(name: str, dtype: Any, shape: list[str | int]) -> Value:
    return ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(dtype))
