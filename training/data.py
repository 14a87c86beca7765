"""Turn JSONL files into token shards: ``python -m training.data --help``.

    python -m training.data --data DATA generated/ --mixture training/mixtures/xs.toml \
        --tokenizer runs/xs/tokenizer --out runs/xs/shards

Which documents are held out for validation is decided by a hash of each document, so it never
changes with the order of the files, and a document is never on both sides.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

import tokenizers

from training.arguments import parse_args, run_stage
from training.documents import Document
from training.mixture import Source, read_mixture, source_documents, source_files
from training.progress import track
from training.shards import ShardEntry, ShardWriter, write_index
from training.tokenizer import encode_documents, load_tokenizer

_BATCH = 512


@dataclass(frozen=True, slots=True)
class Args:
    """Turn the sources of a mixture into token shards."""

    data: Annotated[tuple[Path, ...], "folders in which the mixture's files are looked for"]
    mixture: Annotated[Path, "TOML file that names the sources and their weights"]
    tokenizer: Annotated[Path, "folder with tokenizer.json"]
    out: Annotated[Path, "folder for the shards"]
    validation: Annotated[float, "fraction of the documents that is held out"] = 0.01


def is_held_out(document: Document, source: Source, fraction: float) -> bool:
    """Say whether a document belongs to the validation split."""
    if source.split != "both":
        return source.split == "validation"
    return document.hash_fraction() < fraction


def write_source(
    source: Source,
    documents: Iterable[Document],
    tokenizer: tokenizers.Tokenizer,
    folder: Path,
    validation: float,
) -> list[ShardEntry]:
    """Write the train and the validation shard of one source."""
    with (
        ShardWriter(folder, source.name, "train") as train,
        ShardWriter(folder, source.name, "validation") as held_out,
    ):
        for batch in _batched(documents, _BATCH):
            encoded = encode_documents(batch, tokenizer)
            for document, (ids, mask) in zip(batch, encoded, strict=True):
                writer = held_out if is_held_out(document, source, validation) else train
                writer.add(ids, mask)
        return [writer.finish(source.weight) for writer in (train, held_out)]


def build_shards(args: Args) -> list[ShardEntry]:
    """Write all shards and shards.json.

    Raises:
        SetupError: the mixture or a row in a file is wrong.
        ModelError: the tokenizer can't be read.
    """
    tokenizer = load_tokenizer(args.tokenizer)
    sources = read_mixture(args.mixture)
    for source in sources:  # rather now than after minutes of work
        source_files(source, args.data)
    entries: list[ShardEntry] = []
    for source in sources:
        documents = track(source_documents(source, args.data), source.name)
        entries += write_source(source, documents, tokenizer, args.out, args.validation)
    about = {
        "tokenizer_sha256": _sha256(args.tokenizer / "tokenizer.json"),
        "mixture_sha256": _sha256(args.mixture),
        "validation": args.validation,
    }
    write_index(args.out, entries, about)
    return entries


def _batched(documents: Iterable[Document], size: int) -> Iterator[list[Document]]:
    iterator = iter(documents)
    while batch := list(islice(iterator, size)):
        yield batch


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage from the command line."""
    args = parse_args(Args, "training.data", Args.__doc__, argv)
    for entry in build_shards(args):
        print(
            f"{entry.source:24} {entry.split:10} {entry.num_documents:8} documents "
            f"{entry.num_tokens / 1e6:8.2f} M tokens   weight {entry.weight:g}"
        )


if __name__ == "__main__":
    run_stage(main)
