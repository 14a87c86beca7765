"""A linear classifier of hashed features in 8-bit weights: small, and done in a millisecond."""

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moderation.classifiers.artifact import Artifact, broken, describe
from moderation.classifiers.features import FeatureSpec, extract
from moderation.classifiers.structure import find_structures
from moderation.classifiers.windows import cut_windows

KIND = "linear"
WEIGHTS_FILE = "weights.npz"
WINDOW_CHARS = 1500
OVERLAP_CHARS = 200
_RARENESS_STEPS = 16.0

Describe = Callable[[str], tuple[str, ...]]
# What `Artifact.settings["names"]` may ask for beside runs of characters and words.
DESCRIBERS: Mapping[str, Describe] = {"none": lambda text: (), "structure": find_structures}


@dataclass(frozen=True, slots=True)
class Weights:
    """The numbers of a linear classifier over F features kept of all, and C categories.

    Attributes:
        places: uint32 ``[F]``, ascending: which places of the hashed features are kept.
        rareness: uint8 ``[F]``: ln(texts / texts with the feature) in sixteenths.
        codes: int8 ``[F, C]``, with one float32 scale for each category in ``scales``.
        biases: float32 ``[C]``.
    """

    places: NDArray[np.uint32]
    rareness: NDArray[np.uint8]
    codes: NDArray[np.int8]
    scales: NDArray[np.float32]
    biases: NDArray[np.float32]

    @classmethod
    def load(cls, path: Path) -> "Weights":
        """Read what `save` wrote.

        Raises:
            OSError, ValueError, KeyError: the file is missing or broken.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                weights = cls(*(arrays[name] for name in cls.__slots__))
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise ValueError(f"{path.name} is broken: {error}") from error
        num_kept, num_categories = weights.codes.shape
        shapes = [(num_kept,), (num_kept,), (num_categories,), (num_categories,)]
        others = (weights.places, weights.rareness, weights.scales, weights.biases)
        if [array.shape for array in others] != shapes:
            raise ValueError(f"the shapes in {path.name} don't fit one another")
        return weights

    def save(self, path: Path) -> None:
        """Write a compressed .npz; the same numbers give the same bytes."""
        with zipfile.ZipFile(path, "w") as archive:
            for name in self.__slots__:
                buffer = io.BytesIO()
                np.save(buffer, getattr(self, name), allow_pickle=False)
                entry = zipfile.ZipInfo(f"{name}.npy")
                archive.writestr(entry, buffer.getvalue(), zipfile.ZIP_DEFLATED, 9)


def encode_rareness(frequencies: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return ln(1 / share of texts) in sixteenths, from 1/16 on."""
    steps = np.rint(-np.log(frequencies) * _RARENESS_STEPS)
    return np.clip(steps, 1, 255).astype(np.uint8)


class FeatureReader:
    """Turns texts into the kept features and their values, of length 1 together.

    What says very little stays shorter: else a text of one common word would be taken for the whole
    of what that word was learnt with.
    """

    def __init__(
        self,
        spec: FeatureSpec,
        places: NDArray[np.uint32],
        rareness: NDArray[np.uint8],
        names: str = "none",
        shortest: float = 0.0,
    ):
        """Look up `places` of the features of `spec`; see `Weights` and `DESCRIBERS`.

        Values are divided by their length, or by `shortest` where that is more.
        """
        self._spec = spec
        self._describe = DESCRIBERS[names]
        self._rows = np.full(1 << spec.bits, -1, np.int32)
        self._rows[places] = np.arange(len(places), dtype=np.int32)
        self._rareness = rareness.astype(np.float32) / np.float32(_RARENESS_STEPS)
        self._shortest = shortest

    def weigh(self, text: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the rows of the features in `text`, ascending, and their values of any length."""
        places, counts = extract(text, self._spec, self._describe(text))
        rows = self._rows[places]
        is_kept = rows >= 0
        rows = rows[is_kept]
        return rows, (counts[is_kept] * self._rareness[rows]).astype(np.float32)

    def read(self, text: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the rows of the features in `text`, ascending, and their values."""
        rows, values = self.weigh(text)
        length = max(np.sqrt(np.square(values).sum(dtype=np.float64)), self._shortest)
        return rows, (values / np.float32(length or 1.0)).astype(np.float32)


class LinearModel:
    """Judges texts. Never changes, so any number of threads may use one."""

    def __init__(
        self,
        weights: Weights,
        spec: FeatureSpec,
        names: str = "none",
        *,
        window: int = WINDOW_CHARS,
        shortest: float = 0.0,
    ):
        """Judge with these weights; long texts by windows of `window` characters.

        For `shortest` see `FeatureReader`.
        """
        self._weights = weights
        self._window = window
        self._reader = FeatureReader(spec, weights.places, weights.rareness, names, shortest)

    @classmethod
    def load(cls, artifact: Artifact) -> "LinearModel":
        """Load the weights in a checked folder.

        Raises:
            ModeratorError: they are broken or don't fit the manifest.
        """
        settings: Mapping[str, Any] = artifact.settings
        try:
            weights = Weights.load(artifact.path / WEIGHTS_FILE)
            spec = FeatureSpec.from_json(settings["features"])
            if weights.codes.shape[1] != len(artifact.categories):
                raise ValueError(f"{WEIGHTS_FILE} has another number of categories")
            if len(weights.places) and weights.places.max() >= 1 << spec.bits:
                raise ValueError(f"{WEIGHTS_FILE} has places that the features don't")
            return cls(
                weights,
                spec,
                settings["names"],
                window=int(settings["window"]),
                shortest=float(settings.get("shortest", 0.0)),
            )
        except OSError as error:
            raise broken(artifact.path, f"{WEIGHTS_FILE}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise broken(artifact.path, describe(error)) from error

    def judge(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return raw figures ``[texts, categories]``: of each text the worst of its windows."""
        rows = [self._judge_whole(text) for text in texts]
        return np.array(rows, np.float64).reshape(len(rows), len(self._weights.biases))

    def judge_window(self, text: str) -> NDArray[np.float32]:
        """Return raw figures ``[categories]`` of a text that is short enough."""
        rows, values = self._reader.read(text)
        sums = values @ self._weights.codes[rows].astype(np.float32)
        figures: NDArray[np.float32] = sums * self._weights.scales + self._weights.biases
        return figures

    def _judge_whole(self, text: str) -> NDArray[np.float32]:
        overlap = min(OVERLAP_CHARS, self._window // 2)
        windows = cut_windows(text, self._window, overlap)
        worst: NDArray[np.float32] = np.max([self.judge_window(each) for each in windows], axis=0)
        return worst
