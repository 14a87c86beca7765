"""Write generated conversations to a .jsonl.zst file, or show some.

python -m training.generator --out FILE.jsonl.zst --conversations 100000 --seed 1 --data DIR
python -m training.generator --show 30
"""

import argparse
import io
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import zstandard
from rich.console import Console
from rich.progress import track

from training.arguments import run_stage
from training.generator.conversation import Row
from training.generator.stream import Args, generate

_LEVEL = 6


def parse_args(words: list[str] | None = None) -> Args:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.generator", description="Write simple conversations."
    )
    parser.add_argument("--out", type=Path, help="the .jsonl.zst file to write")
    parser.add_argument(
        "--conversations", type=int, default=10_000, help="how many to write (default: 10000)"
    )
    parser.add_argument("--seed", type=int, default=1, help="same seed, same rows (default: 1)")
    parser.add_argument("--data", type=Path, help="the folder with the chat data sets")
    parser.add_argument(
        "--split",
        choices=("train", "held_out"),
        default="train",
        help="values and phrasings to use",
    )
    parser.add_argument("--show", type=int, default=0, help="print this many and write nothing")
    found = parser.parse_args(words)
    if not found.show and not found.out:
        parser.error("give --out FILE to write conversations, or --show N to print some")
    return Args(**vars(found))


def write_rows(rows: Iterable[Row], path: Path) -> int:
    """Write rows to a .jsonl.zst file and return their number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    num_rows = 0
    with partial.open("wb") as raw:
        packer = zstandard.ZstdCompressor(level=_LEVEL).stream_writer(raw, closefd=False)
        with io.TextIOWrapper(packer, encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                num_rows += 1
    partial.replace(path)
    return num_rows


def show_rows(rows: Iterable[Row], console: Console) -> None:
    """Print conversations for reading."""
    for row in rows:
        console.print(f"--- {row['source']}", style="bold", markup=False)
        for message in cast(list[dict[str, str]], row["messages"]):
            console.print(f"{message['role'][:4]}: {message['content']}", markup=False)


def main(words: list[str] | None = None) -> None:
    """Run the command line."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    args = parse_args(words)
    console = Console(highlight=False, soft_wrap=True)
    if args.show or args.out is None:
        shown = Args(None, args.show, args.seed, args.data, args.split)
        show_rows(generate(shown), console)
        return
    rows = track(generate(args), "conversations", total=args.conversations, console=console)
    num_rows = write_rows(rows, args.out)
    console.print(f"wrote {num_rows} conversations to {args.out}")


if __name__ == "__main__":
    run_stage(main)
