"""Build the data that classifiers learn from: ``python -m training.moderators.prepare --help``.

    python -m training.moderators.prepare --data-dir PACKS --benign-dir CHATS --out DATA

Reads all packs and what the generator makes, maps their labels, drops what is there twice, and
splits by whole families and packs. Writes train, calibration and test.jsonl, and stats.json.

Share-alike packs are never trained on nor calibrated with unless asked: without
``--with-sharealike`` they only serve as tests.
"""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from moderation.categories import TRAINED_CATEGORIES
from training.arguments import parse_args, run_stage
from training.moderators.generator import generate
from training.moderators.ngrams import stable_fraction, text_key, word_runs
from training.moderators.rows import SPLITS, Row, Split, write_rows
from training.moderators.sources.catalog import SOURCES
from training.moderators.sources.lexicon import Lexicon, load_lexicon
from training.moderators.sources.source import Source
from training.progress import track

_GENERATED = Source("generated", "", "own work", lambda _, __: iter(()), held_out=0.08)
_LONGEST_CHARS = 8000


@dataclass(frozen=True, slots=True)
class Args:
    """Build the train, calibration and test rows of the moderators."""

    data_dir: Annotated[Path, "folder of the moderation packs"]
    benign_dir: Annotated[Path, "folder of the chat packs, for ordinary text"]
    out: Annotated[Path, "folder for train.jsonl, calibration.jsonl, test.jsonl and stats.json"]
    with_sharealike: Annotated[bool, "train on share-alike packs, too: don't ship that"] = False
    generate: Annotated[bool, "add the rows that the generator makes"] = True
    seed: Annotated[int, "for the generator, and for what is kept of a large pack"] = 0


@dataclass(slots=True)
class Tally:
    """What was dropped, and why, by source."""

    dropped: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    notes: list[str] = field(default_factory=list)

    def drop(self, row: Row, why: str) -> None:
        """Count a row that isn't kept."""
        self.dropped[row.source][why] += 1


def prepare(args: Args) -> dict[str, Any]:
    """Write the three files and stats.json, and return what is in stats.json.

    Raises:
        SetupError: a pack is missing or broken; names the file and the line.
    """
    tally = Tally()
    lexicon = load_lexicon(args.data_dir)
    rows = [row for source in SOURCES for row in read_source(source, args, lexicon, tally)]
    if args.generate:
        rows += read_generated(args.seed)
    rows = drop_repeats(rows, tally)
    rows = separate_splits(rows, tally)
    random.Random(args.seed).shuffle(rows)
    for split in SPLITS:
        write_rows(args.out / f"{split}.jsonl", (row for row in rows if row.split == split))
    stats = count_rows(rows, tally, args)
    (args.out / "stats.json").write_text(json.dumps(stats, indent=1) + "\n", encoding="utf-8")
    return stats


def read_source(source: Source, args: Args, lexicon: Lexicon, tally: Tally) -> list[Row]:
    """Return the rows of a source that are kept, each with its split."""
    is_chat_pack = source.is_benign and not source.place.startswith("sharealike/")
    folder = (args.benign_dir if is_chat_pack else args.data_dir) / source.place
    if source.is_sharealike and not _is_there(folder):
        tally.notes.append(f"{source.name} is share-alike and not there: left out")
        return []
    rows = [
        place_row(row, source, args)
        for row in track(source.read(folder, lexicon), source.name)
        if _is_usable(row, tally)
    ]
    # Without labels a row measures nothing: it is for self-training alone.
    rows = [row for row in rows if row.labels or row.split == "train"]
    kept = cap_rows(rows, source.most, args.seed)
    tally.dropped[source.name]["more than wanted of the pack"] += len(rows) - len(kept)
    return kept


def read_generated(seed: int) -> list[Row]:
    """Return the rows of the generator, with their splits."""
    rows = list(track(generate(seed), _GENERATED.name))
    splits = split_evenly(rows, _GENERATED.held_out)
    return [replace(row, split=splits[_unit(row)]) for row in rows]


def split_evenly(rows: Sequence[Row], held_out: float) -> dict[str, Split]:
    """Return the split of each family of phrases, so that every category has some in each split.

    What is said about groups of people is held out by group: each kind of statement is needed in
    training, and how a group that training never saw is treated is worth knowing.
    """
    total = Counter(category for row in rows for category, value in row.labels.items() if value)
    rarest: dict[str, str] = {}
    for row in rows:
        found = [category for category, value in row.labels.items() if value]
        named = [rarest[_unit(row)]] if _unit(row) in rarest else []
        rarest[_unit(row)] = min([*found, *named], key=lambda each: total[each] or len(rows),
                                 default="")  # fmt: skip
    splits: dict[str, Split] = {}
    for category in sorted(set(rarest.values())):
        units = sorted((u for u in rarest if rarest[u] == category), key=stable_fraction)
        num_held = max(1, round(held_out * len(units))) if len(units) >= 4 else 0
        for index, unit in enumerate(units):
            held: Split = "test" if index < num_held else "calibration"
            splits[unit] = held if index < 2 * num_held else "train"
    return splits


def place_row(row: Row, source: Source, args: Args) -> Row:
    """Return the row in the split that its source or its family decides."""
    split: Split = row.split
    if source.is_sharealike and not args.with_sharealike:
        split = "test"
    elif source.placing == "families":
        split = family_split(row.family, source.held_out)
    elif source.placing != "pack":
        split = source.placing
    return replace(row, split=split)


def family_split(family: str, held_out: float) -> Split:
    """Return the split of a family: it only depends on its name."""
    place = stable_fraction(family)
    if place < held_out:
        return "test"
    return "calibration" if place < 2 * held_out else "train"


def cap_rows(rows: list[Row], most: int, seed: int) -> list[Row]:
    """Return at most `most` of the rows, in order: half of them such that are worth more.

    Those are positives and hard negatives; where either kind runs short, the other fills up.
    """
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    telling = [index for index in order if _is_telling(rows[index])]
    plain = [index for index in order if not _is_telling(rows[index])]
    num_plain = min(len(plain), max(most // 2, most - len(telling)))
    chosen = plain[:num_plain] + telling[: most - num_plain]
    return [rows[index] for index in sorted(chosen)]


def drop_repeats(rows: Iterable[Row], tally: Tally) -> list[Row]:
    """Return the rows without those whose text was there before, what is trained on first.

    A text that two rows label differently keeps the labels on which they agree.
    """
    kept: dict[int, Row] = {}
    for row in sorted(rows, key=_precedence):
        key = text_key(row.text)
        first = kept.setdefault(key, row)
        if first is not row:
            tally.drop(row, "said before")
            kept[key] = replace(first, labels=_agreed(first, row))
    return list(kept.values())


def separate_splits(rows: list[Row], tally: Tally) -> list[Row]:
    """Return the rows without held-out ones that share seven words running with a trained one.

    Nor does a row of test share them with one of calibration.
    """
    seen: set[int] = set()
    kept: list[Row] = []
    for split in SPLITS:
        fresh: set[int] = set()
        for row in rows:
            if row.split != split:
                continue
            runs = set(word_runs(row.text))
            if not seen.isdisjoint(runs):
                tally.drop(row, "shares seven words running with a row of another split")
                continue
            fresh |= runs
            kept.append(row)
        seen |= fresh
    return kept


def count_rows(rows: Sequence[Row], tally: Tally, args: Args) -> dict[str, Any]:
    """Return what stats.json holds: rows by split, source and category, and what was dropped."""
    by_source: dict[str, Counter[str]] = defaultdict(Counter)
    by_split: dict[str, dict[str, Counter[str]]] = {
        split: {category: Counter() for category in TRAINED_CATEGORIES} for split in SPLITS
    }
    for row in rows:
        by_source[row.source][row.split] += 1
        by_source[row.source]["unlabelled"] += not row.labels
        for category, value in row.labels.items():
            by_source[row.source][f"{category}={value}"] += 1
            by_split[row.split][category]["positive" if value else "negative"] += 1
    sources = {source.name: source for source in SOURCES}
    return {
        "rows": dict(Counter(row.split for row in rows)),
        "seed": args.seed,
        "with_sharealike": args.with_sharealike,
        "categories": by_split,
        "sources": {
            name: {
                "licence": sources.get(name, _GENERATED).licence,
                "share_alike": sources.get(name, _GENERATED).is_sharealike,
                "rows": {key: count for key, count in counts.items() if count},
            }
            for name, counts in sorted(by_source.items())
        },
        "dropped": {
            name: {why: count for why, count in counts.items() if count}
            for name, counts in sorted(tally.dropped.items())
            if counts.total()
        },
        "notes": tally.notes,
    }


def _is_usable(row: Row, tally: Tally) -> bool:
    if not row.text.strip():
        tally.drop(row, "empty")
    elif len(row.text) > _LONGEST_CHARS:
        tally.drop(row, "too long")
    elif not row.labels and "unlabelled" not in row.tags:
        tally.drop(row, "no label is sure")
    else:
        return True
    return False


def _is_there(path: Path) -> bool:
    return path.exists() or path.with_name(path.name + ".zst").exists()


def _is_telling(row: Row) -> bool:
    return any(row.labels.values()) or "hard" in row.tags


def _unit(row: Row) -> str:
    groups = [tag for tag in row.tags if tag.startswith("identity:")]
    return groups[0] if groups else row.family


def _precedence(row: Row) -> tuple[int, int]:
    return SPLITS.index(row.split), not row.labels


def _agreed(first: Row, second: Row) -> dict[str, int]:
    labels = dict(second.labels) | dict(first.labels)
    return {
        category: value
        for category, value in labels.items()
        if second.labels.get(category, value) == value
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage from the command line."""
    args = parse_args(Args, "training.moderators.prepare", Args.__doc__, argv)
    stats = prepare(args)
    for split in SPLITS:
        print(f"{split:12} {stats['rows'].get(split, 0):7} rows")
        for category, counts in stats["categories"][split].items():
            print(f"  {category:24} {counts['positive']:7} yes {counts['negative']:7} no")


if __name__ == "__main__":
    run_stage(main)
