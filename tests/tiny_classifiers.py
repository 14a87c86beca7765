"""Classifiers that know a few words, for tests: made in no time, loaded like real ones."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from moderation.classifiers.calibration import Calibration
from moderation.classifiers.features import FeatureSpec, extract
from moderation.classifiers.linear import KIND, WEIGHTS_FILE, Weights
from training.moderators.folder import write_artifact

SPEC = FeatureSpec(bits=16, min_chars=2, max_chars=4, max_words=1)


def write_linear(
    folder: Path,
    words: Mapping[str, str],
    categories: Sequence[str],
    *,
    names: str = "none",
    window: int = 400,
) -> Path:
    """Write a linear classifier that finds each word's category in a text with that word."""
    folder.mkdir(parents=True)
    rows = {}
    for word, category in words.items():
        for place in extract(word, SPEC)[0].tolist():
            rows.setdefault(place, np.zeros(len(categories), np.int8))
            rows[place][categories.index(category)] = 100
    places = sorted(rows)
    Weights(
        np.array(places, np.uint32),
        np.full(len(places), 16, np.uint8),
        np.array([rows[place] for place in places], np.int8),
        np.full(len(categories), 0.1, np.float32),
        np.full(len(categories), -3.0, np.float32),
    ).save(folder / WEIGHTS_FILE)
    write_artifact(
        folder,
        name=folder.name,
        kind=KIND,
        files=[WEIGHTS_FILE],
        categories=categories,
        calibration=Calibration((1.0,) * len(categories), (4.0,) * len(categories)),
        settings={"features": SPEC.to_json(), "names": names, "window": window},
        facts={},
    )
    return folder


def change_manifest(folder: Path, **changes: object) -> None:
    """Set keys of a folder's manifest.json; None takes one away."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8")) | changes
    kept = {name: value for name, value in manifest.items() if value is not None}
    path.write_text(json.dumps(kept), encoding="utf-8")
