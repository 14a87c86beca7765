"""Train and export the linear classifiers: "fast", and "jailbreak" with weights of its own.

    python -m training.moderators.linear --data DIR --out exported_models/moderators

Features of all texts are counted, the rare ones dropped, a first regression says which of the
others matter, and a second one is fitted on those alone. Its weights are rounded to 8 bits, its
scores calibrated on the calibration split, and figures measured on the test split.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from moderation.categories import TRAINED_CATEGORIES
from moderation.classifiers.artifact import Artifact
from moderation.classifiers.calibration import Calibration
from moderation.classifiers.features import FeatureSpec, extract
from moderation.classifiers.linear import (
    DESCRIBERS,
    KIND,
    WEIGHTS_FILE,
    WINDOW_CHARS,
    FeatureReader,
    LinearModel,
    Weights,
    encode_rareness,
)
from training.arguments import parse_args, run_stage
from training.export import replace_folder
from training.moderators.calibrating import fit_calibration
from training.moderators.card import write_card
from training.moderators.corpus import Corpus, read_corpus
from training.moderators.figures import average, measure, measure_harmless
from training.moderators.fitting import fit_logistic
from training.moderators.folder import write_artifact
from training.moderators.weighing import weigh_labels, weigh_texts
from training.progress import ProgressReport, track

logger = logging.getLogger(__name__)

_LARGEST_CODE = 127
# The length of the features of a short insult or of four common words; "no" has 6.
SHORTEST = 20.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """What sets one linear classifier apart from another."""

    name: str
    title: str
    categories: tuple[str, ...]
    spec: FeatureSpec
    names: str
    num_features: int
    strength: float


RECIPES = {
    "fast": Recipe(
        "fast",
        "a first look at every text, in a millisecond",
        TRAINED_CATEGORIES,
        FeatureSpec(20, 2, 5, 2),
        "structure",
        200_000,
        4.0,
    ),
    "jailbreak": Recipe(
        "jailbreak",
        "attempts to talk the model out of its rules, and instructions hidden in texts",
        ("jailbreak", "injection"),
        FeatureSpec(20, 2, 5, 3),
        "structure",
        200_000,
        4.0,
    ),
}


@dataclass(frozen=True, slots=True)
class Args:
    """Train and export the linear classifiers."""

    data: Annotated[Path, "folder with train, calibration and test.jsonl"]
    out: Annotated[Path, "folder of the classifiers' folders"] = Path("exported_models/moderators")
    only: Annotated[Literal["both", "fast", "jailbreak"], "which to train"] = "both"
    min_texts: Annotated[int, "features in fewer texts than this are dropped"] = 4
    smoothing: Annotated[float, "how far labels are moved from 0 and 1"] = 0.02
    max_steps: Annotated[int, "steps of the minimiser"] = 80
    note: Annotated[str, "words about the data, for the card"] = ""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage from the command line."""
    args = parse_args(Args, "training.moderators.linear", Args.__doc__, argv)
    for name, recipe in RECIPES.items():
        if args.only in ("both", name):
            train(args, recipe)


def train(args: Args, recipe: Recipe) -> Artifact:
    """Train one classifier, write its folder below ``args.out``, and return it as loaded anew.

    Raises:
        SetupError: the data isn't there.
    """
    corpus = read_corpus(args.data, "train", recipe.categories)
    print(f"{recipe.name}: {len(corpus)} texts to learn from", flush=True)
    places, rareness = count_features(corpus.texts, recipe, args.min_texts)
    features = read_features(corpus.texts, recipe, places, rareness)
    scaled = scale_rows(features)
    first, _ = _fit(args, recipe, corpus, scaled, max(10, args.max_steps // 3))
    kept = choose_features(scaled, first, recipe.num_features)
    del scaled
    features = scale_rows(features[:, kept])
    table, biases = _fit(args, recipe, corpus, features, args.max_steps)
    weights = quantise(places[kept], rareness[kept], table, biases)
    return _export(args, recipe, weights)


def count_features(
    texts: Sequence[str], recipe: Recipe, min_texts: int
) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Return the places of the features in at least `min_texts` texts, and their rareness."""
    counts = np.zeros(1 << recipe.spec.bits, np.int32)
    find_names = DESCRIBERS[recipe.names]
    for text in track(texts, f"{recipe.name}: counting features"):
        counts[extract(text, recipe.spec, find_names(text))[0]] += 1
    places = np.flatnonzero(counts >= min(min_texts, max(1, len(texts) // 10)))
    return places.astype(np.uint32), encode_rareness((counts[places] + 1) / (len(texts) + 1))


def read_features(
    texts: Sequence[str],
    recipe: Recipe,
    places: NDArray[np.uint32],
    rareness: NDArray[np.uint8],
) -> csr_matrix:
    """Return the features of all texts, not yet scaled, float32 ``[N, F]``."""
    reader = FeatureReader(recipe.spec, places, rareness, recipe.names)
    rows = [reader.weigh(text) for text in track(texts, f"{recipe.name}: reading features")]
    ends = np.cumsum([0, *(len(columns) for columns, _ in rows)])
    columns = np.concatenate([columns for columns, _ in rows])
    values = np.concatenate([values for _, values in rows])
    return csr_matrix((values, columns, ends), shape=(len(texts), len(places)))


def scale_rows(features: csr_matrix) -> csr_matrix:
    """Return features ``[N, F]`` as runtime reads them: see `FeatureReader`."""
    lengths = np.sqrt(np.asarray(features.multiply(features).sum(axis=1), np.float64).ravel())
    scales = (1.0 / np.maximum(lengths, SHORTEST)).astype(np.float32)
    return csr_matrix(features.multiply(scales[:, None]), dtype=np.float32)


def choose_features(
    features: csr_matrix, table: NDArray[np.float32], num_kept: int
) -> NDArray[np.intp]:
    """Return the features that move some category's figure most over all texts, ascending."""
    squares = features.multiply(features).sum(axis=0)
    moved = np.abs(table).max(axis=1) * np.sqrt(np.asarray(squares).ravel())
    return np.sort(np.argsort(-moved, kind="stable")[:num_kept])


def quantise(
    places: NDArray[np.uint32],
    rareness: NDArray[np.uint8],
    table: NDArray[np.float32],
    biases: NDArray[np.float32],
) -> Weights:
    """Return the weights in 8 bits; the largest of a category may be cut off a little."""
    ends = np.quantile(np.abs(table), 0.9999, axis=0) if len(table) else np.ones(table.shape[1])
    scales = np.maximum(ends, 1e-9).astype(np.float32) / np.float32(_LARGEST_CODE)
    codes = np.clip(np.rint(table / scales), -_LARGEST_CODE, _LARGEST_CODE).astype(np.int8)
    return Weights(places, rareness, codes, scales, biases.astype(np.float32))


def _fit(
    args: Args, recipe: Recipe, corpus: Corpus, features: csr_matrix, max_steps: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    targets = corpus.labels * (1.0 - args.smoothing) + args.smoothing * 0.5
    weights = weigh_labels(corpus, weigh_texts(corpus))
    with ProgressReport(f"{recipe.name}: fitting", max_steps) as report:
        return fit_logistic(
            features,
            targets.astype(np.float32),
            weights,
            strength=recipe.strength,
            max_steps=max_steps,
            show=lambda step, loss: report.show(step, f"loss {loss:.0f}"),
        )


def _export(args: Args, recipe: Recipe, weights: Weights) -> Artifact:
    model = LinearModel(weights, recipe.spec, recipe.names, shortest=SHORTEST)
    calibrating = read_corpus(args.data, "calibration", recipe.categories)
    calibration = fit_calibration(calibrating, model.judge(calibrating.texts))
    test = read_corpus(args.data, "test", recipe.categories)
    figures = _measure(test, model, calibration)
    with replace_folder(args.out / recipe.name) as folder:
        weights.save(folder / WEIGHTS_FILE)
        settings = {
            "features": recipe.spec.to_json(),
            "names": recipe.names,
            "window": WINDOW_CHARS,
            "shortest": SHORTEST,
        }
        manifest = write_artifact(
            folder,
            name=recipe.name,
            kind=KIND,
            files=[WEIGHTS_FILE],
            categories=recipe.categories,
            calibration=calibration,
            settings=settings,
            facts={"figures": figures},
        )
        write_card(folder, manifest, title=recipe.title, data=args.data, note=args.note)
    return Artifact.open(args.out / recipe.name, KIND)


def _measure(corpus: Corpus, model: LinearModel, calibration: Calibration) -> dict[str, object]:
    scores = calibration.score(model.judge(corpus.texts))
    table = measure(corpus, scores)
    harmless = measure_harmless(corpus, scores)
    for name, row in table.items():
        print(f"{name:24s} {row}", flush=True)
    print(f"mean AUPRC {average(table):.4f}; harmless texts flagged: {harmless}", flush=True)
    return {"categories": table, "harmless": harmless}


if __name__ == "__main__":
    run_stage(main)
