"""An ONNX graph on disk: a small model.onnx, and its weights in data files of a bounded size."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from chat.errors import ModelError
from training.rewrite import add_initializer

# Shapes and axes stay in model.onnx, where onnxruntime wants to read them early.
_INLINE_BYTES = 1024
_ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a tensor's bytes lie."""

    file: str
    offset: int


def save_external(model: ir.Model, folder: Path, *, max_bytes: int) -> list[Path]:
    """Write ``model.onnx`` and ``model.onnx.data.0`` ... and return their paths.

    No data file exceeds `max_bytes`: a larger tensor is cut along its first axis, and the graph
    joins the parts when it is loaded. Tensors with equal bytes are stored once.

    Raises:
        ModelError: one row of a tensor alone exceeds `max_bytes`.
    """
    graph = model.graph
    _cut_large(graph, max_bytes)
    writer = _Writer(folder, max_bytes)
    for value in list(graph.initializers.values()):
        tensor = value.const_value
        if tensor.nbytes >= _INLINE_BYTES:
            place = writer.add(tensor.tobytes())
            value.const_value = ir.ExternalTensor(
                place.file,
                place.offset,
                tensor.nbytes,
                tensor.dtype,
                shape=tensor.shape,
                name=value.name,
                base_dir=folder,
            )
    ir.save(model, folder / "model.onnx")
    return [folder / "model.onnx", *writer.files]


class _Writer:
    """Appends tensors to the first data file with room, each different content once."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._sizes: list[int] = []
        self._places: dict[bytes, _Place] = {}

    @property
    def files(self) -> list[Path]:
        return [self._path(index) for index in range(len(self._sizes))]

    def add(self, content: bytes) -> _Place:
        key = hashlib.sha256(content).digest()
        if key not in self._places:
            self._places[key] = self._append(content)
        return self._places[key]

    def _append(self, content: bytes) -> _Place:
        starts = [math.ceil(size / _ALIGNMENT) * _ALIGNMENT for size in self._sizes]
        fitting = (i for i, s in enumerate(starts) if s + len(content) <= self._max_bytes)
        index = next(fitting, len(starts))
        if index == len(starts):
            starts.append(0)
            self._sizes.append(0)
        with self._path(index).open("ab") as file:
            file.write(bytes(starts[index] - self._sizes[index]))
            file.write(content)
        self._sizes[index] = starts[index] + len(content)
        return _Place(self._path(index).name, starts[index])

    def _path(self, index: int) -> Path:
        return self._folder / f"model.onnx.data.{index}"


def _cut_large(graph: Any, max_bytes: int) -> None:
    for name, value in list(graph.initializers.items()):
        if value.const_value.nbytes <= max_bytes:
            continue
        array = value.const_value.numpy()
        parts = [
            add_initializer(graph, f"{name}.part.{index}", part)
            for index, part in enumerate(_cut(array, max_bytes))
        ]
        joined = ir.Value(name=f"{name}.joined", type=value.type, shape=value.shape)
        node = ir.node("Concat", parts, {"axis": 0}, outputs=[joined], name=f"{name}.join")
        graph.insert_before(next(iter(graph)), node)
        ir.convenience.replace_all_uses_with(value, joined)
        del graph.initializers[name]


def _cut(array: NDArray[Any], max_bytes: int) -> Iterator[NDArray[Any]]:
    row_bytes = array.nbytes // array.shape[0]
    rows = max_bytes // row_bytes
    if rows == 0:
        raise ModelError(
            f"One row of a weight takes {row_bytes} bytes, more than the {max_bytes} that a data "
            "file may have; allow larger files."
        )
    return (np.ascontiguousarray(array[i : i + rows]) for i in range(0, array.shape[0], rows))
