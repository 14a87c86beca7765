"""What goes with the files of an export: a data card for people, a manifest for programs.

The card is README.md as the Hugging Face Hub shows it: YAML front matter, then Markdown
(https://huggingface.co/docs/hub/datasets-cards).
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any

from preferences.drops import MEANINGS, Options
from preferences.exports import Part
from preferences.files import Written, write_text
from preferences.splits import Split

SCHEMA = 1
_LANGUAGE = re.compile("[a-z]{2,3}")
# From, and the Hub's name for data sets with fewer rows than the next.
_SIZES = (
    (0, "n<1K"),
    (1_000, "1K<n<10K"),
    (10_000, "10K<n<100K"),
    (100_000, "100K<n<1M"),
    (1_000_000, "1M<n<10M"),
    (10_000_000, "10M<n<100M"),
)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#!~$&])")


@dataclass(frozen=True, slots=True)
class Card:
    """What to say of an export.

    ``consent`` tells in words what people agreed to, and in which version; ``licence`` is an
    identifier that the Hub knows, such as cc-by-4.0, or "other".
    """

    title: str
    created_at: datetime
    parts: tuple[Part, ...]
    options: Options = field(default_factory=Options)
    description: str = ""
    consent: str = ""
    licence: str = "other"
    languages: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    num_annotators: int = 0
    num_conversations: int = 0
    tags: tuple[str, ...] = ("human-feedback", "preference")


def write_card(card: Card, folder: Path) -> tuple[Path, Path]:
    """Write README.md and manifest.json beside the files of an export; return where they are.

    Raises:
        InvalidRequest: they can't be written.
    """
    readme, manifest = folder / "README.md", folder / "manifest.json"
    write_text(manifest, json.dumps(to_manifest(card, folder), indent=2) + "\n")
    write_text(readme, to_markdown(card, folder))
    return readme, manifest


def to_manifest(card: Card, folder: Path) -> dict[str, Any]:
    """Return what programs may want to know: options, counts, drops, files with their SHA-256."""
    options = card.options
    return {
        "schema": SCHEMA,
        "title": card.title,
        "created_at": card.created_at.isoformat(),
        "licence": card.licence,
        "consent": card.consent,
        "num_annotators": card.num_annotators,
        "num_conversations": card.num_conversations,
        "languages": list(card.languages),
        "models": list(card.models),
        "options": {
            "min_votes": options.min_votes,
            "min_agreement": options.min_agreement,
            "margin": options.margin,
            "include_weak": options.include_weak,
            "include_truncated": options.include_truncated,
            "include_unsafe": options.include_unsafe,
            "require_consent": options.require_consent,
            "split_shares": list(options.splits.shares),
            "split_salt": options.splits.salt,
        },
        "formats": [_part_of_manifest(part, folder) for part in card.parts],
    }


def _part_of_manifest(part: Part, folder: Path) -> dict[str, Any]:
    return {
        "name": part.format.name,
        "unit": part.format.unit,
        "num_in": part.num_in,
        "num_out": part.num_out,
        "num_rows": part.num_rows,
        "dropped": dict(sorted(part.dropped.items())),
        "columns": [
            {"name": column.name, "kind": column.kind, "meaning": column.meaning}
            for column in part.format.columns
        ],
        "files": [_file_of_manifest(split, file, folder) for split, file in part.files.items()],
    }


def _file_of_manifest(split: Split, file: Written, folder: Path) -> dict[str, Any]:
    return {
        "path": _relative(file.path, folder),
        "split": split,
        "num_rows": file.num_rows,
        "num_bytes": file.num_bytes,
        "sha256": file.sha256,
    }


def to_markdown(card: Card, folder: Path) -> str:
    """Return the data card: front matter for the Hub, then what people want to know."""
    lines = [
        "---",
        *_front_matter(card, folder),
        "---",
        "",
        f"# {_plain(card.title)}",
        "",
        _plain(card.description or "Human preferences, collected with Palaver."),
        "",
        f"Exported {card.created_at:%Y-%m-%d %H:%M %Z}.".replace(" .", "."),
        "",
        *_facts(card),
    ]
    for part in card.parts:
        lines += ["", *_section(part, folder)]
    return "\n".join(lines) + "\n"


def _front_matter(card: Card, folder: Path) -> Iterator[str]:
    # JSON's strings are YAML's.
    yield f"pretty_name: {json.dumps(card.title)}"
    yield f"license: {json.dumps(card.licence)}"
    known = sorted({code for code in card.languages if _LANGUAGE.fullmatch(code)})
    if known:
        yield f"language: {json.dumps(known)}"
    num_rows = sum(part.num_rows for part in card.parts)
    yield f"size_categories: [{json.dumps(_size_of(num_rows))}]"
    yield f"tags: {json.dumps(list(card.tags))}"
    # The Hub can't load empty files.
    listed = [part for part in card.parts if part.num_rows]
    if listed:
        yield "configs:"
    for part in listed:
        yield f"- config_name: {json.dumps(part.format.name)}"
        yield "  data_files:"
        for split, file in part.files.items():
            if file.num_rows:
                yield f"  - split: {split}"
                yield f"    path: {json.dumps(_relative(file.path, folder))}"


def _facts(card: Card) -> Iterator[str]:
    yield "## What is in it"
    yield ""
    yield f"- Annotators: {card.num_annotators:,}, under pseudonyms made with a secret key"
    yield f"- Conversations: {card.num_conversations:,}"
    if card.models:
        yield f"- Models: {', '.join(map(_plain, card.models))}"
    if card.languages:
        yield f"- Languages: {', '.join(map(_plain, card.languages))}"
    yield f"- Licence: {_plain(card.licence)}"
    yield f"- Consent: {_plain(card.consent or _consent_of(card.options))}"
    yield "- Splits: no prompt and no conversation is in more than one of them"


def _consent_of(options: Options) -> str:
    if options.require_consent:
        return "only what people agreed to be used like this"
    return "not asked for; what may be done with it is on whoever does it"


def _section(part: Part, folder: Path) -> Iterator[str]:
    yield f"## {part.format.name}"
    yield ""
    yield f"{part.format.description}."
    yield ""
    yield from _table(
        ("file", "split", "rows", "SHA-256"),
        (
            (f"`{_relative(file.path, folder)}`", split, f"{file.num_rows:,}", f"`{file.sha256}`")
            for split, file in part.files.items()
        ),
    )
    yield ""
    unit = part.format.unit
    yield f"Of {part.num_in:,} {unit}, {part.num_out:,} are in these rows. Left out:"
    yield ""
    if part.dropped:
        yield from _table(("reason", unit, "meaning"), _drops_of(part))
    else:
        yield "nothing."
    yield ""
    columns = ((f"`{c.name}`", c.kind, c.meaning) for c in part.format.columns)
    yield from _table(("column", "kind", "meaning"), columns)


def _drops_of(part: Part) -> Iterator[tuple[str, str, str]]:
    for reason, num in sorted(part.dropped.items(), key=lambda item: (-item[1], item[0])):
        yield f"`{reason}`", f"{num:,}", MEANINGS[reason]


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(titles)} |"
    yield f"|{'---|' * len(titles)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _plain(text: str) -> str:
    """Return a text on one line in which Markdown and HTML see no command."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def _size_of(num_rows: int) -> str:
    return next(name for least, name in reversed(_SIZES) if num_rows >= least)


def _relative(path: Path, folder: Path) -> str:
    return PurePath(path.relative_to(folder)).as_posix()
