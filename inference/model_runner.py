"""The ONNX graph and the memory it works on: the only place of the engine with onnxruntime."""

import contextlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from chat.errors import ModelError, SetupError
from inference.kv_cache import PARTS, KVCache
from inference.model_dir import Manifest, ModelDir

Device = Literal["auto", "cuda", "cpu"]
CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Binding:
    """A graph bound to its arrays; only the arrays' contents change from run to run."""

    io: Any
    input_ids: NDArray[np.int64]
    seqlens_k: NDArray[np.int32]
    total_length: NDArray[np.int32]
    logits: NDArray[np.float32]

    def fill(self, input_ids: Sequence[int], num_cached: Sequence[int] | int) -> None:
        self.input_ids[:] = np.reshape(input_ids, self.input_ids.shape)
        # GroupQueryAttention wants lengths, the new tokens included, minus one.
        self.seqlens_k[:] = num_cached
        np.add(self.seqlens_k, self.input_ids.shape[1] - 1, out=self.seqlens_k)
        self.total_length[...] = self.seqlens_k.max() + 1


class ModelRunner:
    """Runs a graph over slots of a key/value cache. Not for use from two threads at once."""

    def __init__(self, session: Any, manifest: Manifest, context_length: int):
        """Take over `session`, whose graph must be as the manifest says.

        Raises:
            ModelError: an input or output that the manifest names isn't in the graph.
        """
        _check_graph(session, manifest)
        self._session = session
        self._inputs, self._outputs = manifest.inputs, manifest.outputs
        self._num_layers = manifest.num_layers
        self.vocab_size = manifest.vocab_size
        self.provider: str = session.get_providers()[0]
        self.cache = KVCache(
            num_layers=manifest.num_layers,
            num_kv_heads=manifest.num_kv_heads,
            max_length=context_length,
            head_dim=manifest.head_dim,
        )
        self._logits = np.empty((0, manifest.vocab_size), np.float32)
        self._decode_bindings: dict[int, _Binding] = {}

    @classmethod
    def load(
        cls,
        model: ModelDir,
        *,
        device: Device = "auto",
        threads: int = 0,
        context_length: int | None = None,
    ) -> "ModelRunner":
        """Load the graph of `model` on `device` ("auto": CUDA if there is one) with `threads`.

        0 threads means one for each processor that this process may use.

        Raises:
            ModelError: the graph can't be loaded, or CUDA was asked for and isn't there.
            SetupError: two packages of onnxruntime are installed over each other.
        """
        check_installation()
        session = _open_session(model.model_path, device, threads or count_processors())
        context_length = context_length or model.manifest.context_length
        return cls(session, model.manifest, context_length)

    def reserve(self, num_slots: int) -> None:
        """Make sure that slots 0 to `num_slots` - 1 exist."""
        if self.cache.reserve(num_slots):
            self._logits = np.empty((self.cache.num_slots, self.vocab_size), np.float32)
            self._decode_bindings.clear()

    def prefill(self, slot: int, input_ids: Sequence[int], num_cached: int) -> NDArray[np.float32]:
        """Read `input_ids` into `slot`, behind the `num_cached` tokens that are there.

        Returns the logits [vocab] after the last of them, valid until the next prefill.
        """
        logits = np.empty((1, self.vocab_size), np.float32)
        binding = self._bind(slot, 1, len(input_ids), logits)
        binding.fill(input_ids, num_cached)
        self._session.run_with_iobinding(binding.io)
        row: NDArray[np.float32] = logits[0]
        return row

    def decode(self, input_ids: Sequence[int], num_cached: Sequence[int]) -> NDArray[np.float32]:
        """Read one token for each of the first slots, which hold `num_cached` tokens each.

        Returns logits [slots, vocab], valid until the next decode.
        """
        num_slots = len(input_ids)
        binding = self._decode_bindings.get(num_slots)
        if binding is None:
            binding = self._bind(0, num_slots, 1, self._logits[:num_slots])
            self._decode_bindings[num_slots] = binding
        binding.fill(input_ids, num_cached)
        self._session.run_with_iobinding(binding.io)
        return binding.logits

    def move(self, source: int, target: int, num_tokens: int) -> None:
        """Copy what is cached of `num_tokens` tokens from slot `source` to slot `target`."""
        self.cache.move(source, target, num_tokens)

    def _bind(
        self, slot: int, num_slots: int, num_tokens: int, logits: NDArray[np.float32]
    ) -> _Binding:
        io = self._session.io_binding()
        binding = _Binding(
            io,
            np.zeros((num_slots, num_tokens), np.int64),
            np.zeros(num_slots, np.int32),
            np.zeros((), np.int32),
            logits,
        )
        for name, array in (
            ("input_ids", binding.input_ids),
            ("seqlens_k", binding.seqlens_k),
            ("total_sequence_length", binding.total_length),
        ):
            _bind_input(io, self._inputs[name], array.dtype, array.shape, array.ctypes.data)
        _bind_output(io, self._outputs["logits"], logits.shape, logits.ctypes.data)
        self._bind_cache(io, slot, num_slots)
        return binding

    def _bind_cache(self, io: Any, slot: int, num_slots: int) -> None:
        # Past and present are the same memory: the graph appends in place.
        shape = self.cache.shape(num_slots)
        for layer in range(self._num_layers):
            for part in PARTS:
                address = self.cache.address(layer, part, slot)
                past = self._inputs[f"past_{part}"].replace("{layer}", str(layer))
                present = self._outputs[f"present_{part}"].replace("{layer}", str(layer))
                _bind_input(io, past, np.float32, shape, address)
                _bind_output(io, present, shape, address)


def _bind_input(io: Any, name: str, dtype: Any, shape: tuple[int, ...], address: int) -> None:
    io.bind_input(name, "cpu", 0, np.dtype(dtype).type, shape, address)


def _bind_output(io: Any, name: str, shape: tuple[int, ...], address: int) -> None:
    io.bind_output(name, "cpu", 0, np.float32, shape, address)


def check_installation() -> None:
    """Refuse a setup in which one package of onnxruntime lies over another.

    Raises:
        SetupError: more than one of them is installed.
    """
    names = ("onnxruntime", "onnxruntime-gpu")
    found = [name for name in names if _is_installed(name)]
    if len(found) > 1:
        raise SetupError(
            f"Both {' and '.join(found)} are installed, and overwrite each other's files. "
            "Uninstall both, then install the requirements again."
        )


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def count_processors() -> int:
    """Return how many processors this process may use, container limits included."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        count = os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        if quota != "max":
            count = min(count, max(1, int(quota) // int(period)))
    return count


def _open_session(path: Path, device: Device, threads: int) -> Any:
    session = _create_session(path, _choose_providers(device), threads)
    provider = session.get_providers()[0]
    # Without a usable GPU onnxruntime falls back to the processor and only prints a warning.
    if device == "cuda" and provider != CUDA:
        raise ModelError(
            "The device cuda was asked for, but no usable CUDA GPU was found. "
            "Install the CUDA requirements and driver, or choose the device auto or cpu."
        )
    _logger.info("model loaded: provider=%s threads=%d", provider, threads)
    return session


def _choose_providers(device: Device) -> list[str]:
    if device == "cpu":
        return [CPU]
    if CUDA not in ort.get_available_providers():
        return [CPU]
    with contextlib.redirect_stdout(None):  # says on stdout which libraries it cannot find
        ort.preload_dlls()
    return [CUDA, CPU]


def _create_session(path: Path, providers: list[str], threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Threads that spin from one operator to the next make a small model half as fast again, but
    # on a busy machine they halve it, and between two runs they would only heat the room. Ten
    # microseconds have all of the gain and little of the loss.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.intra_op.spin_duration_us", "10")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    ort.set_default_logger_severity(4)
    try:
        return ort.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime has no root of its own for these
        raise ModelError(f"{path.name} cannot be loaded by onnxruntime: {error}") from error


def _check_graph(session: Any, manifest: Manifest) -> None:
    inputs = {tensor.name for tensor in session.get_inputs()}
    outputs = {tensor.name: tensor.shape for tensor in session.get_outputs()}
    for layer in range(manifest.num_layers):
        for wanted, found in ((manifest.inputs, inputs), (manifest.outputs, outputs)):
            for name in wanted.values():
                tensor = name.replace("{layer}", str(layer))
                if tensor not in found:
                    raise ModelError(
                        f"{manifest.model_file} has no tensor {tensor}, which the manifest "
                        "names. Export the model again."
                    )
    width = outputs[manifest.outputs["logits"]][-1]
    if isinstance(width, int) and width != manifest.vocab_size:
        raise ModelError(
            f"{manifest.model_file} has logits of {width} tokens, the manifest says "
            f"{manifest.vocab_size}. Export the model again."
        )
