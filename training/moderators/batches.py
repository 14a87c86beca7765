"""What the encoder reads in which order: drawn by weight, roughened a little, sorted by length."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from training.moderators.corpus import Corpus
from training.moderators.weighing import weigh_labels, weigh_texts

_MAX_REPEATS = 4
_SORTED_AT_ONCE = 50  # batches
# Batches have few different shapes, because the products are compiled anew for each.
_ROUNDED = 8
_NOISY_SHARE = 0.08
_JOINED_SHARE = 0.08
_JOINED_CHARS = 300


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts of like length: ids ``[B, S]`` padded with 0, lengths ``[B]``; labels and how much
    each counts ``[B, C]``.
    """

    ids: torch.Tensor
    lengths: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is read at once: `max_tokens` of a text, `rows` of a batch."""

    max_tokens: int = 128
    rows: int = 64


class BatchMaker:
    """Makes the batches of a pass over a corpus; the same seed and pass give the same ones."""

    def __init__(self, corpus: Corpus, tokenizer: Tokenizer, limits: Limits, seed: int):
        """Prepare for `corpus`; `tokenizer` is set to truncate."""
        self._corpus = corpus
        self._tokenizer = tokenizer
        self._limits = limits
        self._seed = seed
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(limits.max_tokens)
        self._draw = weigh_texts(corpus)
        label_weights = weigh_labels(corpus, self._draw) / np.maximum(self._draw, 1e-9)[:, None]
        self._label_weights = label_weights.astype(np.float32)
        # With what a text may be joined without its labels becoming wrong.
        self._harmless = np.flatnonzero(corpus.known.all(axis=1) & corpus.is_harmless)

    def make(self, number: int) -> list[Batch]:
        """Return the batches of pass `number`."""
        rng = np.random.default_rng([self._seed, number])
        chosen = self._draw_rows(rng)
        ids = self._encode([self._roughen(int(row), rng) for row in chosen])
        groups = list(_group(len(chosen), [len(each) for each in ids], self._limits.rows))
        return [
            self._collate(chosen[groups[place]], [ids[each] for each in groups[place]])
            for place in rng.permutation(len(groups))
        ]

    def plain(self) -> Iterator[Batch]:
        """Yield all texts once as they are, in their order."""
        for start in range(0, len(self._corpus), self._limits.rows):
            texts = self._corpus.texts[start : start + self._limits.rows]
            yield self._collate(np.arange(start, start + len(texts)), self._encode(texts))

    def _draw_rows(self, rng: np.random.Generator) -> NDArray[np.intp]:
        """Return each text as often as its weight says, on average."""
        counts = np.floor(self._draw + rng.random(len(self._draw))).astype(np.intp)
        rows = np.repeat(np.arange(len(counts)), np.minimum(counts, _MAX_REPEATS))
        return rng.permutation(rows)

    def _roughen(self, row: int, rng: np.random.Generator) -> str:
        """Return the text, now and then with a slip of the keyboard or beside another text."""
        text = self._corpus.texts[row]
        kind = rng.random()
        if kind < _NOISY_SHARE:
            return slip(text, rng)
        if kind < _NOISY_SHARE + _JOINED_SHARE and len(self._harmless):
            other = self._corpus.texts[int(rng.choice(self._harmless))][:_JOINED_CHARS]
            return f"{other} {text}" if rng.random() < 0.5 else f"{text} {other}"
        return text

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        safe = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        return [encoding.ids for encoding in self._tokenizer.encode_batch(safe)]

    def _collate(self, rows: NDArray[np.intp], ids: Sequence[Sequence[int]]) -> Batch:
        lengths = torch.tensor([len(each) for each in ids])
        width = -(-int(lengths.max()) // _ROUNDED) * _ROUNDED
        padded = torch.zeros(len(ids), width, dtype=torch.long)
        for place, each in enumerate(ids):
            padded[place, : len(each)] = torch.tensor(each)
        return Batch(
            padded,
            lengths,
            torch.from_numpy(self._corpus.labels[rows]),
            torch.from_numpy(self._label_weights[rows]),
        )


def slip(text: str, rng: np.random.Generator) -> str:
    """Return `text` with some neighbouring letters swapped, doubled or dropped."""
    chars = list(text)
    for place in np.flatnonzero(rng.random(len(chars)) < 0.04):
        kind = rng.integers(3)
        if kind == 0 and place + 1 < len(chars):
            chars[place], chars[place + 1] = chars[place + 1], chars[place]
        elif kind == 1:
            chars[place] = ""
        else:
            chars[place] *= 2
    return "".join(chars)


def _group(total: int, lengths: Sequence[int], rows: int) -> Iterator[NDArray[np.intp]]:
    """Yield places of like length, `rows` at a time; only the very last may be fewer."""
    for start in range(0, total, rows * _SORTED_AT_ONCE):
        part = range(start, min(start + rows * _SORTED_AT_ONCE, total))
        places = np.array(sorted(part, key=lengths.__getitem__), np.intp)
        yield from (places[first : first + rows] for first in range(0, len(places), rows))
