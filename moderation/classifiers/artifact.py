"""A classifier's folder: manifest.json and weights, checked before anything of it is used."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chat.errors import ModeratorError
from moderation.classifiers.calibration import Calibration

FORMAT = 1
MANIFEST_FILE = "manifest.json"
FOLDER = Path(__file__).parents[2] / "exported_models" / "moderators"
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Artifact:
    """A folder that is what its manifest says.

    Attributes:
        path: the folder.
        version: changes whenever the weights do.
        categories: what the classifier judges, in the order of its outputs.
        calibration: how to read the outputs.
        settings: what else this kind of classifier needs to know.
    """

    path: Path
    version: str
    categories: tuple[str, ...]
    calibration: Calibration
    settings: Mapping[str, Any]

    @classmethod
    def open(cls, path: str | Path, kind: str) -> "Artifact":
        """Read the manifest in the folder `path` and check every file that it lists.

        Raises:
            ModeratorError: the folder isn't there, isn't a classifier of this kind, or was
                changed or cut short on its way; the message names it.
        """
        folder = Path(path)
        try:
            raw = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
            if (raw["format"], raw["kind"]) != (FORMAT, kind):
                raise ValueError(
                    f"it holds a {raw['kind']!r} of format {raw['format']}, not a {kind!r} "
                    f"of format {FORMAT}"
                )
            for name, record in raw["files"].items():
                _check_file(folder / name, int(record["bytes"]), record["sha256"])
            categories = tuple(map(str, raw["categories"]))
            calibration = Calibration.from_json(raw["calibration"], categories)
            return cls(folder, str(raw["version"]), categories, calibration, raw["settings"])
        except OSError as error:
            name = Path(error.filename or folder).name
            raise broken(folder, f"{name}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise broken(folder, describe(error)) from error


def broken(folder: Path, cause: str) -> ModeratorError:
    """Return the error that says what is wrong with a classifier's folder, and what to do."""
    return ModeratorError(
        f"The classifier in the folder {folder} can't be used: {cause}. Fetch the folder again "
        "whole, or train and export it anew; see docs/moderators.md."
    )


def describe(error: Exception) -> str:
    """Return what an error says, in words even for a key that is missing."""
    return f"{error} is missing" if isinstance(error, KeyError) else f"{error}".rstrip(".")


def _check_file(path: Path, num_bytes: int, sha256: str) -> None:
    found = path.stat().st_size
    if found != num_bytes:
        raise ValueError(f"{path.name} has {found} bytes and should have {num_bytes}")
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            digest.update(piece)
    if digest.hexdigest() != sha256:
        raise ValueError(f"{path.name} isn't the file that was exported: its SHA-256 differs")
