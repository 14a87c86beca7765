"""The folder of a trained classifier, as moderation.classifiers.artifact reads it."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from moderation.classifiers.artifact import FORMAT, MANIFEST_FILE
from moderation.classifiers.calibration import Calibration
from training.manifest import describe_files, write_manifest

# Goes up when the same weights would be read in another way.
_RELEASE = "1"


def write_artifact(
    folder: Path,
    *,
    name: str,
    kind: str,
    files: Sequence[str],
    categories: Sequence[str],
    calibration: Calibration,
    settings: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Write manifest.json beside the `files` already in `folder`, and return what it says.

    The version follows from what the files hold and how they are read. `facts` are for people.
    """
    records = describe_files([folder / file for file in files])
    manifest = {
        "format": FORMAT,
        "kind": kind,
        "name": name,
        "version": "",
        "categories": list(categories),
        "calibration": calibration.to_json(categories),
        "settings": dict(settings),
        "files": records,
        **facts,
    }
    identity = repr([records, manifest["calibration"], manifest["settings"]]).encode()
    manifest["version"] = f"{_RELEASE}.{hashlib.sha256(identity).hexdigest()[:8]}"
    assert MANIFEST_FILE == "manifest.json"
    write_manifest(folder, manifest)
    return manifest
