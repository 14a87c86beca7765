"""How much each text and each label counts: sources and kinds in sensible shares."""

import numpy as np
from numpy.typing import NDArray

from training.moderators.corpus import Corpus

# Of a source's texts so many count in full; of those beyond, ever less.
_FULL_SOURCE = 2000
# What harmless texts weigh together, as a share of all; and how much of that the hard ones.
_HARMLESS_SHARE = 0.5
_HARD_SHARE = 0.45
# No category's positive labels weigh more than so many times what they are.
_MAX_LIFT = 8.0
_POSITIVE_SHARE = 0.12


def weigh_texts(corpus: Corpus) -> NDArray[np.float64]:
    """Return a weight for each text, 1 on average.

    A source of n texts weighs as its square root beyond the first thousands, so that the largest
    don't drown the others; then harmless, hard and harmful texts are brought to their shares.
    """
    _, numbers, counts = np.unique(corpus.sources, return_inverse=True, return_counts=True)
    weights = np.sqrt(np.minimum(1.0, _FULL_SOURCE / counts))[numbers]
    is_hard, is_harmful = corpus.is_hard, corpus.is_harmful
    shares = (
        (is_harmful, 1.0 - _HARMLESS_SHARE),
        (is_hard, _HARMLESS_SHARE * _HARD_SHARE),
        (~is_hard & ~is_harmful, _HARMLESS_SHARE * (1.0 - _HARD_SHARE)),
    )
    for group, share in shares:
        total = weights[group].sum()
        if total:
            weights[group] *= share / total
    scaled: NDArray[np.float64] = weights * (len(weights) / weights.sum())
    return scaled


def weigh_labels(corpus: Corpus, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a weight for each label ``[N, C]``: 0 if unknown, more for rare positives."""
    found = corpus.known * weights[:, None]
    is_positive = (corpus.labels > 0) & corpus.known
    positives = (found * is_positive).sum(axis=0)
    negatives = (found * ~is_positive).sum(axis=0)
    wanted = negatives * _POSITIVE_SHARE / (1.0 - _POSITIVE_SHARE)
    lifts = np.clip(wanted / np.maximum(positives, 1e-9), 1.0, _MAX_LIFT)
    lifted: NDArray[np.float64] = np.where(is_positive, found * lifts, found)
    return lifted
