"""How good a classifier is: what the cards and the logs say of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from training.moderators.corpus import Corpus

Figures = NDArray[np.float64]
_FALSE_POSITIVES = 0.01


def measure(corpus: Corpus, scores: Figures) -> dict[str, Any]:
    """Return per category what `scores` ``[N, C]`` are worth, and of all together.

    AUPRC and AUROC are over the texts whose label is known; "recall" is that at 1 % false
    positives; "flagged" the share of harmless texts with a score of 0.5 or more. "any" takes each
    text's highest score, against harmful or not.
    """
    table: dict[str, Any] = {}
    for place, category in enumerate(corpus.categories):
        known = corpus.known[:, place]
        labels = corpus.labels[known, place] > 0
        if labels.any() and not labels.all():
            table[category] = _measure_one(labels, scores[known, place])
    judged = corpus.known.any(axis=1)
    harmful = corpus.is_harmful[judged]
    if harmful.any() and not harmful.all():
        table["any"] = _measure_one(harmful, scores[judged].max(axis=1))
    return table


def measure_harmless(corpus: Corpus, scores: Figures) -> dict[str, float]:
    """Return the shares of ordinary and of hard harmless texts with any score of 0.5 or more."""
    is_flagged = scores.max(axis=1) >= 0.5
    groups = {"ordinary": corpus.is_ordinary, "hard": corpus.is_hard}
    return {
        name: round(float(is_flagged[group].mean()), 5)
        for name, group in groups.items()
        if group.any()
    }


def average(table: Mapping[str, Any]) -> float:
    """Return the mean AUPRC of the categories."""
    found = [row["auprc"] for name, row in table.items() if name != "any"]
    return float(np.mean(found)) if found else 0.0


def _measure_one(labels: NDArray[np.bool_], scores: Figures) -> dict[str, Any]:
    limit = np.quantile(scores[~labels], 1.0 - _FALSE_POSITIVES, method="higher")
    counts = {"positives": int(labels.sum()), "texts": len(labels)}
    figures = {
        "auprc": average_precision_score(labels, scores),
        "auroc": roc_auc_score(labels, scores),
        "recall": (scores[labels] > limit).mean(),
        "caught": (scores[labels] >= 0.5).mean(),
        "flagged": (scores[~labels] >= 0.5).mean(),
    }
    return counts | {name: round(float(value), 5) for name, value in figures.items()}
