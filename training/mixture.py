"""Which sources a model learns from, and how much of each: a TOML file.

[[source]]
name = "stories"
kind = "text"                              # a key of training.documents.CONVERTERS
files = ["pretrain/simple_stories.*"]      # globs, looked for in every data folder
weight = 4.0                               # share of the rows, relative to the others
split = "both"                             # or "train", "validation": all of it to that side
"""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeAlias

from chat.errors import SetupError
from training.documents import CONVERTERS, Document, read_documents
from training.joining import join_conversations

Split: TypeAlias = Literal["both", "train", "validation"]
_KEYS = ("name", "kind", "files", "weight", "split", "join")


@dataclass(frozen=True, slots=True)
class Source:
    """One named part of a mixture."""

    name: str
    kind: str
    files: tuple[str, ...]
    weight: float
    split: Split = "both"
    join: int = 1


def read_mixture(path: Path) -> list[Source]:
    """Return the sources of a mixture file.

    Raises:
        SetupError: the file is missing or broken, or a source in it makes no sense.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SetupError(f"The mixture {path} cannot be read: {error}.") from error
    sources = [_source(entry, path) for entry in table.get("source", [])]
    if not sources:
        raise SetupError(f"The mixture {path} has no [[source]]; add at least one.")
    names = [source.name for source in sources]
    if len(set(names)) < len(names):
        raise SetupError(f"The mixture {path} uses a name twice; every source needs its own.")
    return sources


def source_files(source: Source, folders: Sequence[Path]) -> list[Path]:
    """Return the files of a source, sorted.

    Raises:
        SetupError: nothing matches.
    """
    found = {path for folder in folders for glob in source.files for path in folder.glob(glob)}
    if not found:
        raise SetupError(
            f"Source '{source.name}' has no file {' or '.join(source.files)} in "
            f"{', '.join(map(str, folders))}; check the data folders."
        )
    return sorted(found)


def source_documents(source: Source, folders: Sequence[Path]) -> Iterator[Document]:
    """Yield the documents of all files of a source."""
    paths = source_files(source, folders)
    documents = chain.from_iterable(read_documents(path, source.kind) for path in paths)
    yield from join_conversations(documents, source.join) if source.join > 1 else documents


def _source(entry: dict[str, Any], path: Path) -> Source:
    unknown = sorted(set(entry) - set(_KEYS))
    if unknown:
        raise SetupError(f"'{unknown[0]}' in {path} is unknown; a source has {', '.join(_KEYS)}.")
    try:
        source = Source(
            name=str(entry["name"]),
            kind=str(entry["kind"]),
            files=tuple(entry["files"]),
            weight=float(entry["weight"]),
            split=entry.get("split", "both"),
            join=int(entry.get("join", 1)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SetupError(f"A source in {path} is incomplete: {error}.") from error
    if source.kind not in CONVERTERS:
        allowed = ", ".join(CONVERTERS)
        raise SetupError(f"Kind '{source.kind}' in {path} is unknown; allowed are {allowed}.")
    if source.weight < 0 or source.split not in ("both", "train", "validation"):
        raise SetupError(
            f"Source '{source.name}' in {path} needs a weight of at least 0 and a split of "
            "'both', 'train' or 'validation'."
        )
    return source
