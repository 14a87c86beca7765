"""Weights in blocks of 8-bit or 4-bit integers (MatMulNBits and GatherBlockQuantized)."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from chat.errors import ModelError
from training.layers import MATMULS, find_head, is_weight
from training.rewrite import add_initializer

Precision = Literal["fp32", "int8", "int4"]
BLOCK = 32
# The products are made of 8-bit activations: the fast path of onnxruntime on CPUs.
_ACCURACY_INT8 = 4
# Shares of a block's largest weight tried as the end of the 4-bit range: cutting the largest
# weight off a little often costs less than rounding all others coarsely. The last one is plain
# rounding to -7 ... 7.
_SHARES = (*(0.7 + 0.025 * i for i in range(15)), 8 / 7)


@dataclass(frozen=True, slots=True)
class QuantisedWeight:
    """A matrix ``[n, k]`` in blocks along k: value = (code - zero point) * scale.

    ``codes`` is uint8 ``[n, k / 32, 32 * bits / 8]`` (of two 4-bit codes the first is the lower
    half of the byte), ``scales`` float32 ``[n, k / 32]``; the zero point is ``2 ** (bits - 1)``.
    """

    codes: NDArray[np.uint8]
    scales: NDArray[np.float32]
    bits: int

    def restore(self) -> NDArray[np.float32]:
        """Return the matrix that the codes stand for, float32 ``[n, k]``."""
        codes = self.codes
        if self.bits == 4:
            codes = np.stack([codes & 15, codes >> 4], axis=-1).reshape(*codes.shape[:2], BLOCK)
        centred = codes.astype(np.float32) - np.float32(1 << (self.bits - 1))
        restored: NDArray[np.float32] = centred * self.scales[..., None]
        return restored.reshape(codes.shape[0], -1)


def quantise_weight(weight: NDArray[np.float32], bits: int) -> QuantisedWeight:
    """Quantise the matrix ``[n, k]``, k a multiple of 32, to 8 or 4 bits, block by block.

    Raises:
        ModelError: k isn't a multiple of 32.
    """
    n, k = weight.shape
    if k % BLOCK:
        raise ModelError(
            f"A weight matrix has {k} input features; for int8 and int4 that must be a multiple "
            f"of {BLOCK}. Export with --precision fp32."
        )
    blocks = weight.reshape(n, k // BLOCK, BLOCK)
    scales = _scale_int8(blocks) if bits == 8 else _scale_int4(blocks)
    codes = _round(blocks, scales, bits) + np.float32(1 << (bits - 1))
    packed: NDArray[np.uint8] = codes.astype(np.uint8)
    if bits == 4:
        packed = packed[..., 0::2] | (packed[..., 1::2] << np.uint8(4))
    return QuantisedWeight(np.ascontiguousarray(packed), scales, bits)


def _scale_int8(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    largest: NDArray[np.float32] = np.abs(blocks).max(axis=-1) / np.float32(127)
    return largest


def _scale_int4(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the scales ``[n, blocks]`` of the least squared error that a short search finds.

    The codes reach from -8 to 7, so the largest weight goes to -8: a scale may be negative. Each
    share of `_SHARES` gives codes, and least squares the best scale for these codes.
    """
    where = np.abs(blocks).argmax(axis=-1)[..., None]
    largest = np.take_along_axis(blocks, where, axis=-1)[..., 0]
    best = np.zeros_like(largest)
    least = np.full(largest.shape, np.inf, np.float32)
    for share in _SHARES:
        codes = _round(blocks, largest * np.float32(share / -8), 4)
        squares = np.square(codes).sum(axis=-1)
        scales = (codes * blocks).sum(axis=-1) / np.where(squares == 0, np.float32(1), squares)
        error = np.square(codes * scales[..., None] - blocks).sum(axis=-1)
        best = np.where(error < least, scales, best)
        least = np.minimum(error, least)
    return best


def _round(
    blocks: NDArray[np.float32], scales: NDArray[np.float32], bits: int
) -> NDArray[np.float32]:
    safe = np.where(scales == 0, np.float32(1), scales)[..., None]
    half = 1 << (bits - 1)
    codes: NDArray[np.float32] = np.clip(np.rint(blocks / safe), -half, half - 1)
    return codes


def quantise_graph(model: ir.Model, precision: Precision) -> None:
    """Quantise all weight matrices of `model` in place; ``fp32`` leaves them as they are.

    The embedding and the head get 8 bits in both precisions. Where they are one matrix, their
    codes are equal byte for byte, so that they are stored once.

    Raises:
        ModelError: a matrix cannot be cut into blocks.
    """
    if precision == "fp32":
        return
    graph = model.graph
    head = find_head(graph)
    done: dict[str, QuantisedWeight] = {}
    for node in list(graph):
        if node.op_type in MATMULS and is_weight(node.inputs[1]):
            bits = 8 if precision == "int8" or node is head else 4
            _replace_matmul(graph, node, bits, done)
        elif node.op_type == "Gather" and is_weight(node.inputs[0]):
            _replace_gather(graph, node, done)
    _drop_unused_weights(graph)


def _replace_matmul(graph: Any, node: Any, bits: int, done: dict[str, QuantisedWeight]) -> None:
    weight = node.inputs[1]
    rows = _read_rows(node)
    n, k = rows.shape
    name = f"{weight.name}.{bits}"
    codes, scales = _add_weight(graph, name, _quantise_once(name, rows, bits, done))
    attributes = {
        "K": k,
        "N": n,
        "bits": bits,
        "block_size": BLOCK,
        "accuracy_level": _ACCURACY_INT8,
    }
    _swap(graph, node, "MatMulNBits", [node.inputs[0], codes, scales], attributes)


def _read_rows(node: Any) -> NDArray[np.float32]:
    """Return the weights of a product as ``[outputs, inputs]``."""
    array: NDArray[np.float32] = node.inputs[1].const_value.numpy()
    given = {name: attribute.value for name, attribute in node.attributes.items()}
    is_plain = given.get("alpha", 1.0) == 1.0 and not any(
        given.get(name, 0) for name in ("transA", "transBatchA", "transBatchB")
    )
    if array.ndim != 2 or not is_plain:
        raise ModelError(
            f"The product {node.name} has an unusual form and cannot be quantised; "
            "export with --precision fp32."
        )
    return array if given.get("transB", 0) else np.ascontiguousarray(array.T)


def _replace_gather(graph: Any, node: Any, done: dict[str, QuantisedWeight]) -> None:
    weight = node.inputs[0]
    name = f"{weight.name}.8"
    rows = weight.const_value.numpy()
    quantised = _quantise_once(name, rows, 8, done)
    _, scales = _add_weight(graph, name, quantised)
    # The same bytes as the head's in another shape: the writer of the data files stores both once.
    table = f"{weight.name}.table"
    flat = add_initializer(graph, table, quantised.codes.reshape(rows.shape))
    attributes = {"bits": 8, "block_size": BLOCK, "gather_axis": 0, "quantize_axis": 1}
    _swap(graph, node, "GatherBlockQuantized", [flat, node.inputs[1], scales], attributes)


def _quantise_once(
    name: str, rows: NDArray[np.float32], bits: int, done: dict[str, QuantisedWeight]
) -> QuantisedWeight:
    if name not in done:
        done[name] = quantise_weight(rows, bits)
    return done[name]


def _add_weight(graph: Any, name: str, quantised: QuantisedWeight) -> tuple[Any, Any]:
    """Return the values of codes and scales, the ones already there if a weight is used twice."""
    parts: dict[str, NDArray[Any]] = {
        f"{name}.codes": quantised.codes,
        f"{name}.scales": quantised.scales,
    }
    codes, scales = (
        graph.initializers.get(key) or add_initializer(graph, key, array)
        for key, array in parts.items()
    )
    return codes, scales


def _swap(
    graph: Any, node: Any, op_type: str, inputs: list[Any], attributes: dict[str, int]
) -> None:
    output = ir.Value(name=f"{node.outputs[0].name}.{op_type}", type=node.outputs[0].type)
    new = ir.node(
        op_type, inputs, attributes, domain="com.microsoft", outputs=[output], name=node.name
    )
    old = node.outputs[0]
    output.shape = old.shape
    ir.convenience.replace_nodes_and_values(graph, node, [node], [new], [old], [output])


def _drop_unused_weights(graph: Any) -> None:
    for name, value in list(graph.initializers.items()):
        if not value.uses():
            del graph.initializers[name]
