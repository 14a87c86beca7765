"""The encoder as an ONNX graph, with its matrices in 8 bits.

The graph is written node by node with onnxruntime's fused operators, so nothing has to be traced
and nothing searched for. Weights are 8-bit codes in blocks of 32 (``MatMulNBits``,
``GatherBlockQuantized``) and activations are rounded row by row: what a text's figures are doesn't
depend on the other texts of the batch.

Inputs: ``input_ids`` int64 ``[batch, seq]``, padded on the right, and ``lengths`` int32
``[batch]``. Output: ``figures`` float32 ``[batch, outputs]``.
"""

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes import common as passes

from training.moderators.network import Encoder
from training.quantise import BLOCK, quantise_weight
from training.rewrite import add_initializer

Value = Any
_CONTRIB = "com.microsoft"
_OPSETS = {"": 21, _CONTRIB: 1}
_IR_VERSION = 10
_ACCURACY_INT8 = 4
_BITS = 8


def make_graph(model: Encoder, *, precision: str = "int8") -> ir.Model:
    """Return `model` as a graph; `precision` is int8, or fp32 to compare with torch.

    Raises:
        ModelError: a matrix can't be cut into blocks of 32.
    """
    return _Writer(model, precision).write()


class _Writer:
    """Writes one graph."""

    def __init__(self, model: Encoder, precision: str):
        self._shape = model.shape
        self._is_int8 = precision == "int8"
        self._state = {name: tensor.detach().numpy() for name, tensor in model.named_parameters()}
        self._ids = _input("input_ids", ir.DataType.INT64, ["batch", "seq"])
        self._lengths = _input("lengths", ir.DataType.INT32, ["batch"])
        self._graph = ir.Graph(
            [self._ids, self._lengths], [], nodes=[], opset_imports=_OPSETS, name="encoder"
        )

    def write(self) -> ir.Model:
        hidden = self._embed()
        for number in range(self._shape.num_layers):
            hidden = self._layer(hidden, f"layers.{number}")
        figures = self._product(self._pool(hidden), "head", is_exact=True)
        figures.name = "figures"
        figures.type = ir.TensorType(ir.DataType.FLOAT)
        figures.shape = ir.Shape(["batch", self._shape.num_outputs])
        self._graph.outputs.append(figures)
        model = ir.Model(self._graph, ir_version=_IR_VERSION)
        passes.NameFixPass()(model)
        return model

    def _embed(self) -> Value:
        words = self._gather(self._state["words.weight"])
        zero, one, two = (self._integers(f"int.{n}", [n]) for n in range(3))
        shape = self._node("Shape", [self._ids])
        width = self._node("Slice", [shape, one, two, zero])
        table = self._weight("positions.weight")
        positions = self._node("Slice", [table, zero, width, zero])
        return self._norm(self._node("Add", [words, positions]), "norm")

    def _gather(self, table: NDArray[np.float32]) -> Value:
        if not self._is_int8:
            return self._node("Gather", [self._constant("words", table), self._ids])
        weight = quantise_weight(np.ascontiguousarray(table), _BITS)
        codes = self._constant("words.codes", weight.codes.reshape(table.shape))
        scales = self._constant("words.scales", weight.scales)
        attributes = {"bits": _BITS, "block_size": BLOCK, "gather_axis": 0, "quantize_axis": 1}
        return self._node(
            "GatherBlockQuantized", [codes, self._ids, scales], attributes, domain=_CONTRIB
        )

    def _layer(self, hidden: Value, name: str) -> Value:
        shape = self._shape
        width = shape.hidden_size
        sizes = self._integers("sizes", [width] * 3)
        joined = self._product(hidden, f"{name}.qkv")
        parts = self._nodes("Split", [joined, sizes], 3, {"axis": -1})
        mixed = self._node(
            "MultiHeadAttention",
            [*parts, None, self._lengths],
            {"num_heads": shape.num_heads},
            domain=_CONTRIB,
        )
        hidden = self._add_norm(self._product(mixed, f"{name}.mix"), hidden, f"{name}.mix_norm")
        inner = self._node("Gelu", [self._product(hidden, f"{name}.grow")], domain=_CONTRIB)
        return self._add_norm(self._product(inner, f"{name}.shrink"), hidden, f"{name}.norm")

    def _product(self, left: Value, name: str, *, is_exact: bool = False) -> Value:
        rows = self._state[f"{name}.weight"]  # [outputs, inputs]
        bias = self._weight(f"{name}.bias")
        if is_exact or not self._is_int8:
            turned = self._constant(f"{name}.turned", np.ascontiguousarray(rows.T))
            return self._node("Add", [self._node("MatMul", [left, turned]), bias])
        weight = quantise_weight(np.ascontiguousarray(rows), _BITS)
        codes = self._constant(f"{name}.codes", weight.codes)
        scales = self._constant(f"{name}.scales", weight.scales)
        attributes = {
            "K": rows.shape[1],
            "N": rows.shape[0],
            "bits": _BITS,
            "block_size": BLOCK,
            "accuracy_level": _ACCURACY_INT8,
        }
        inputs = [left, codes, scales, None, None, bias]
        return self._node("MatMulNBits", inputs, attributes, domain=_CONTRIB)

    def _norm(self, value: Value, name: str) -> Value:
        inputs = [value, self._weight(f"{name}.weight"), self._weight(f"{name}.bias")]
        return self._node("LayerNormalization", inputs, {"epsilon": self._shape.epsilon})

    def _add_norm(self, value: Value, skip: Value, name: str) -> Value:
        inputs = [value, skip, self._weight(f"{name}.weight"), self._weight(f"{name}.bias")]
        return self._node(
            "SkipLayerNormalization", inputs, {"epsilon": self._shape.epsilon}, domain=_CONTRIB
        )

    def _pool(self, hidden: Value) -> Value:
        """The mean over the tokens that are there."""
        one = self._integers("int.1", [1])
        shape = self._node("Shape", [self._ids])
        width = self._node("Gather", [shape, self._constant("at.1", np.array(1, np.int64))])
        zero, step = (self._constant(f"at.{n}.", np.array(n, np.int64)) for n in (0, 1))
        places = self._node("Range", [zero, width, step])
        lengths = self._node("Cast", [self._lengths], {"to": ir.DataType.INT64})
        column = self._node("Unsqueeze", [lengths, one])
        present = self._node("Less", [places, column])
        share = self._node("Cast", [present], {"to": ir.DataType.FLOAT})
        row = self._node("Unsqueeze", [share, one])  # [batch, 1, seq]
        summed = self._node("Squeeze", [self._node("MatMul", [row, hidden]), one])
        count = self._node("Cast", [column], {"to": ir.DataType.FLOAT})
        return self._node("Div", [summed, count])

    def _weight(self, name: str) -> Value:
        return self._constant(name, self._state[name])

    def _integers(self, name: str, values: list[int]) -> Value:
        return self._constant(name, np.array(values, np.int64))

    def _constant(self, name: str, array: NDArray[Any]) -> Value:
        found = self._graph.initializers.get(name)
        return found or add_initializer(self._graph, name, np.ascontiguousarray(array))

    def _node(
        self,
        op_type: str,
        inputs: list[Value],
        attributes: dict[str, Any] | None = None,
        domain: str = "",
    ) -> Value:
        return self._nodes(op_type, inputs, 1, attributes, domain)[0]

    def _nodes(
        self,
        op_type: str,
        inputs: list[Value],
        num_outputs: int,
        attributes: dict[str, Any] | None = None,
        domain: str = "",
    ) -> list[Value]:
        node = ir.node(op_type, inputs, attributes or {}, domain=domain, num_outputs=num_outputs)
        self._graph.append(node)
        return list(node.outputs)


def _input(name: str, dtype: Any, shape: list[str | int]) -> Value:
    return ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(dtype))
