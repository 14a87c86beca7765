"""Where things are in a traced graph: each layer's projections, and the head."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

from chat.errors import ModelError

# Values and nodes of onnx_ir, which mypy is told to skip.
Value = Any
Node = Any

MATMULS = frozenset({"MatMul", "FusedMatMul"})
# What may lie between a projection and the attention: moves of numbers, and rotary embedding
# (Mul, Add, Neg, Concat and Slice where it isn't one node). Only the first input carries data in
# the former.
_MOVES = frozenset(
    {"Reshape", "Transpose", "Slice", "Split", "Squeeze", "Unsqueeze", "Identity", "Expand"}
    | {"RotaryEmbedding", "Neg", "Cast"}
)
_MERGES = frozenset({"Mul", "Add", "Sub", "Concat"})


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer's ends: the projected query, key and value, and what the last projection reads."""

    query: Value
    key: Value
    value: Value
    out_projection: Node


def read_layer(graph: Any, layer: int) -> Layer:
    """Return the ends of the attention in layer number `layer` of a trace.

    Raises:
        ModelError: the attention has an unknown form.
    """
    present_key = find_output(graph, f"output.past_key_values.layers.{layer}.keys")
    present_value = find_output(graph, f"output.past_key_values.layers.{layer}.values")
    scores = _one(_next_matmuls(present_key), f"layer {layer}: the product of query and key")
    mixed = _one(_next_matmuls(present_value), f"layer {layer}: the product with the values")
    out_projection = _one(_next_matmuls(mixed.outputs[0]), f"layer {layer}: output projection")
    # The product's other input is the query: the one that doesn't come from the cache.
    queries = [p for value in scores.inputs for p in [find_projection(value)] if p is not None]
    keys = find_projection(present_key)
    values = find_projection(present_value)
    query = _one({q.name: q for q in queries if q is not keys}.values(), f"layer {layer}: query")
    if keys is None or values is None:
        raise unknown_form(f"layer {layer}: the projections of key and value")
    return Layer(query, keys, values, out_projection)


def find_projection(value: Value) -> Value | None:
    """Return the projection that `value` was made from, or None if there isn't one.

    Raises:
        ModelError: something between the two isn't a move or a rotation (a norm, say).
    """
    if is_projection(value):
        return value
    node = value.producer()
    if node is None or node.op_type == "Shape":
        return None
    sources = node.inputs[:1] if node.op_type in _MOVES else node.inputs
    found = {p.name: p for p in (find_projection(s) for s in sources if s is not None) if p}
    if not found:
        return None
    if node.op_type not in _MOVES | _MERGES:
        raise ModelError(
            f"The attention of this model applies {node.op_type} to queries or keys (a query/key "
            "norm, perhaps), which cannot be exported; use a model with plain rotary attention."
        )
    return _one(found.values(), f"the source of {value.name}")


def is_projection(value: Value) -> bool:
    """Say whether `value` is a weight matrix's product, its bias added, or a part of one."""
    node = value.producer()
    if node is None:
        return False
    if node.op_type in MATMULS:
        return is_weight(node.inputs[1])
    if node.op_type == "Split":
        return is_projection(node.inputs[0])
    if node.op_type == "Add":
        left, right = node.inputs
        return (is_weight(left) and is_projection(right)) or (
            is_weight(right) and is_projection(left)
        )
    return False


def is_weight(value: Value) -> bool:
    """Say whether `value` is a constant vector or matrix of floats."""
    constant = value.const_value
    return bool(
        constant is not None
        and constant.dtype == ir.DataType.FLOAT
        and len(constant.shape) >= 1
        and constant.size > 1
    )


def _next_matmuls(start: Value) -> list[Node]:
    """Return the first matrix products downstream of `start`, without looking past them."""
    found: dict[int, Node] = {}
    seen: set[int] = set()
    stack = [start]
    while stack:
        value = stack.pop()
        for node in _consumers(value):
            if id(node) in seen:
                continue
            seen.add(id(node))
            if node.op_type in MATMULS:
                found[id(node)] = node
            else:
                stack.extend(node.outputs)
    return list(found.values())


def _consumers(value: Value) -> Iterator[Node]:
    return (usage.node for usage in value.uses() if usage.node.op_type != "Shape")


def find_output(graph: Any, name: str) -> Value:
    """Return the graph's output `name`; without it the trace is of an unknown form (ModelError)."""
    return _one([value for value in graph.outputs if value.name == name], f"the output {name}")


def _one(found: Iterable[Any], what: str) -> Any:
    items = list(found)
    if len(items) != 1:
        raise unknown_form(what)
    return items[0]


def unknown_form(what: str) -> ModelError:
    """Return the error for a graph in which `what` isn't found."""
    return ModelError(
        f"The traced graph has an attention of an unknown form ({what} isn't where it should be); "
        "use a Llama-type model."
    )


def find_head(graph: Any) -> Node:
    """Return the matrix product that makes the logits.

    Raises:
        ModelError: the logits aren't a plain projection.
    """
    value = find_output(graph, "logits")
    if not is_projection(value):
        raise unknown_form("the head")
    node = value.producer()
    while node.op_type not in MATMULS:
        node = next(v for v in node.inputs if is_projection(v)).producer()
    return node
