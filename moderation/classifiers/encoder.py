"""The encoder of the moderator "mini" in onnxruntime: the only place of moderation with it."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tokenizers import Tokenizer

from moderation.classifiers.artifact import Artifact, broken, describe

KIND = "encoder"
MODEL_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
_CPU = "CPUExecutionProvider"
_NUM_ENDS = 2  # one piece that opens a text and one that closes it
_OVERLAP_SHARE = 4
_BATCH_TOKENS = 1024
_NUM_REMEMBERED = 512

Figures = NDArray[np.float32]


class EncoderModel:
    """Judges short texts. Safe to use from several threads.

    What was judged lately is remembered by its digest, because a growing answer is judged again
    and again, and most of its windows haven't changed.
    """

    def __init__(self, session: Any, tokenizer: Tokenizer, num_outputs: int, max_tokens: int):
        """Judge with a graph that has the inputs "input_ids" and "lengths"."""
        self._session = session
        self._tokenizer = tokenizer
        self._num_outputs = num_outputs
        self._max_tokens = max_tokens
        self._opening, self._closing = tokenizer.encode("").ids
        self._remembered = _Memory(_NUM_REMEMBERED)

    @classmethod
    def load(cls, artifact: Artifact) -> "EncoderModel":
        """Load the graph and the tokenizer in a checked folder, for one thread of the processor.

        Raises:
            ModeratorError: they are broken or don't fit one another.
        """
        try:
            tokenizer = Tokenizer.from_file(str(artifact.path / TOKENIZER_FILE))
            tokenizer.no_padding()
            tokenizer.no_truncation()
            max_tokens = int(artifact.settings["max_tokens"])
            session = _open_session(artifact.path / MODEL_FILE)
            _check_graph(session, len(artifact.categories))
            return cls(session, tokenizer, len(artifact.categories), max_tokens)
        except Exception as error:  # neither library has a root for its errors
            raise broken(artifact.path, describe(error)) from error

    def judge(self, texts: Sequence[str]) -> Figures:
        """Return raw figures ``[texts, categories]``: of each text the worst of its windows."""
        windows = [self._cut(text) for text in texts]
        every = list(dict.fromkeys(window for each in windows for window in each))
        found = dict(zip(every, self._judge_windows(every), strict=True))
        rows = [np.max([found[window] for window in each], axis=0) for each in windows]
        return np.array(rows, np.float32).reshape(len(rows), self._num_outputs)

    def _cut(self, text: str) -> list[tuple[int, ...]]:
        """Return the text's tokens in windows that overlap by a quarter."""
        safe = text.encode("utf-8", "replace").decode("utf-8")
        ids = self._tokenizer.encode(safe, add_special_tokens=False).ids
        room = self._max_tokens - _NUM_ENDS
        step = room - room // _OVERLAP_SHARE
        last = max(0, len(ids) - room)
        starts = [*range(0, last, step), last]
        return [(self._opening, *ids[at : at + room], self._closing) for at in starts]

    def _judge_windows(self, windows: Sequence[tuple[int, ...]]) -> list[Figures]:
        keys = [_digest(window) for window in windows]
        found = self._remembered.find(keys)
        new = [place for place, key in enumerate(keys) if key not in found]
        new.sort(key=lambda place: len(windows[place]))
        while new:
            size = max(1, _BATCH_TOKENS // len(windows[new[min(len(new), 8) - 1]]))
            batch, new = new[:size], new[size:]
            figures = self._run([windows[place] for place in batch])
            found |= {keys[place]: row for place, row in zip(batch, figures, strict=True)}
            self._remembered.keep({keys[place]: found[keys[place]] for place in batch})
        return [found[key] for key in keys]

    def _run(self, windows: Sequence[tuple[int, ...]]) -> Figures:
        lengths = np.array([len(window) for window in windows], np.int32)
        ids = np.zeros((len(windows), lengths.max()), np.int64)
        for row, window in zip(ids, windows, strict=True):
            row[: len(window)] = window
        figures: Figures = self._session.run(None, {"input_ids": ids, "lengths": lengths})[0]
        return figures


class _Memory:
    """The last figures by key; the one asked for longest ago goes first."""

    def __init__(self, size: int):
        self._size = size
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, Figures] = OrderedDict()

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Figures]:
        with self._lock:
            found = {key: self._kept[key] for key in keys if key in self._kept}
            for key in found:
                self._kept.move_to_end(key)
        return found

    def keep(self, figures: dict[bytes, Figures]) -> None:
        with self._lock:
            self._kept.update(figures)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)


def _digest(window: tuple[int, ...]) -> bytes:
    # The memory holds no text of conversations, nor what could be turned back into it easily.
    return hashlib.blake2b(np.array(window, np.int32).tobytes(), digest_size=16).digest()


def _open_session(path: Path) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = True
    return ort.InferenceSession(str(path), options, providers=[_CPU])


def _check_graph(session: Any, num_outputs: int) -> None:
    inputs = sorted(tensor.name for tensor in session.get_inputs())
    if inputs != ["input_ids", "lengths"]:
        raise ValueError(f"{MODEL_FILE} has the inputs {', '.join(inputs)}")
    width = session.get_outputs()[0].shape[-1]
    if width != num_outputs:
        raise ValueError(f"{MODEL_FILE} has {width} outputs for {num_outputs} categories")
