"""From logits to the next token, as transformers' chain of processors would draw it.

The order is transformers' own: repetition penalty, temperature, top-k, top-p, min-p. Sums are
taken in float64 over the few tokens that are left, so that no rounding decides at a boundary.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from chat.types import GenerationConfig

FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]
IdArray = NDArray[np.intp]

# Below this, softmax(logits / temperature) is one-hot but for exact ties: greedy.
GREEDY_TEMPERATURE = 1e-6
# The k-th largest of the maxima of many groups is a lower bound of the k-th largest logit, and
# much cheaper to find. With at least this many groups per token wanted few others slip through.
_GROUPS_PER_TOKEN = 4
_MIN_GROUP_SIZE = 16


class BadLogits(ArithmeticError):
    """The model's output holds NaN or infinity: nothing can be drawn from it."""


class Sampler:
    """Draws the tokens of one sequence.

    A draw depends on that sequence's logits, settings, seed and step alone: each sequence has a
    random generator of its own, and uses one number of it per token.
    """

    def __init__(self, config: GenerationConfig, prompt_ids: Iterable[int] = ()):
        """Start a sequence; the repetition penalty counts `prompt_ids` as said already."""
        self._config = config
        self._is_greedy = config.temperature < GREEDY_TEMPERATURE
        seed = None if config.seed is None else config.seed % 2**64
        self._random = np.random.Generator(np.random.PCG64(seed))
        self._penalises = config.repetition_penalty != 1.0
        self._seen = set(prompt_ids) if self._penalises else set()
        self._seen_ids = np.fromiter(self._seen, np.intp)

    def sample(self, logits: FloatArray) -> int:
        """Return the next token for `logits` [vocab], which are changed on the way.

        Raises:
            BadLogits: the largest logit is NaN or infinite.
        """
        if self._penalises:
            self._penalise(logits)
        token = self._argmax(logits) if self._is_greedy else self._draw(logits)
        if self._penalises and token not in self._seen:
            self._seen.add(token)
            self._seen_ids = np.append(self._seen_ids, token)
        return token

    def _penalise(self, logits: FloatArray) -> None:
        """Make tokens seen before less likely: https://arxiv.org/abs/1909.05858, section 4.1."""
        seen = logits[self._seen_ids]
        penalty = np.float32(self._config.repetition_penalty)
        logits[self._seen_ids] = np.where(seen < 0, seen * penalty, seen / penalty)

    def _argmax(self, logits: FloatArray) -> int:
        token = int(logits.argmax())
        _check_finite(logits[token])
        return token

    def _draw(self, logits: FloatArray) -> int:
        config = self._config
        ids = top_k_ids(logits, config.top_k) if 0 < config.top_k < len(logits) else None
        kept = logits if ids is None else logits[ids]
        largest = kept.max()
        _check_finite(largest)
        weights = np.exp((kept.astype(np.float64) - float(largest)) / config.temperature)
        if config.top_p < 1.0:
            ids, weights = _narrow(ids, weights, top_p_positions(weights, config.top_p))
        if config.min_p > 0.0:
            # The largest weight is 1, whatever was cut off below it.
            ids, weights = _narrow(ids, weights, np.flatnonzero(weights >= config.min_p))
        sums = weights.cumsum()
        position = int(sums.searchsorted(self._random.random() * sums[-1], side="right"))
        position = min(position, len(sums) - 1)
        return position if ids is None else int(ids[position])


def top_k_ids(logits: FloatArray, k: int) -> IdArray:
    """Return, in rising order, the ids of the `k` largest logits and of those equal to the last.

    `k` must lie between 1 and the number of logits.
    """
    candidates = np.flatnonzero(logits >= _lower_bound(logits, k))
    if len(candidates) <= k:
        # Fewer than k only if there are NaNs among the logits; those must come to light.
        return candidates if len(candidates) == k else np.arange(len(logits))
    values = logits[candidates]
    kth_largest = np.partition(values, len(values) - k)[len(values) - k]
    largest: IdArray = candidates[values >= kth_largest]
    return largest


def _lower_bound(logits: FloatArray, k: int) -> np.float32:
    num_groups = max(k * _GROUPS_PER_TOKEN, int(len(logits) ** 0.5))
    group_size = len(logits) // num_groups
    if group_size < _MIN_GROUP_SIZE:
        groups = logits
    else:
        # Group j holds the logits j, j + num_groups, j + 2 * num_groups, ... and the few left
        # over at the end are groups of one.
        split = group_size * num_groups
        maxima = logits[:split].reshape(group_size, num_groups).max(axis=0)
        groups = np.concatenate([maxima, logits[split:]])
    bound: np.float32 = np.partition(groups, len(groups) - k)[len(groups) - k]
    return bound


def top_p_positions(weights: DoubleArray, top_p: float) -> IdArray:
    """Return, in rising order, the positions of the fewest largest weights that hold `top_p`.

    A weight stays if those before it, in falling order, add up to less than `top_p` of the
    total; the largest always stays. Of equal weights the first are kept
    (https://arxiv.org/abs/1904.09751).
    """
    enough = top_p * weights.sum()
    num_top = 256
    while num_top < len(weights):
        # A whole vocabulary isn't worth sorting if a few weights hold nearly everything.
        bound = np.partition(weights, len(weights) - num_top)[len(weights) - num_top]
        top = np.flatnonzero(weights >= bound)
        if weights[top].sum() > enough:
            return top[_nucleus(weights[top], enough)]
        num_top *= 8
    return _nucleus(weights, enough)


def _nucleus(weights: DoubleArray, enough: float) -> IdArray:
    order = np.argsort(-weights, kind="stable")
    sums = weights[order].cumsum()
    num_kept = 1 + int(np.searchsorted(sums[:-1], enough, side="left"))
    return np.sort(order[:num_kept])


def _narrow(
    ids: IdArray | None, weights: DoubleArray, positions: IdArray
) -> tuple[IdArray, DoubleArray]:
    return positions if ids is None else ids[positions], weights[positions]


def _check_finite(largest: np.float32) -> None:
    if not np.isfinite(largest):
        raise BadLogits(f"The largest logit is {largest}.")
