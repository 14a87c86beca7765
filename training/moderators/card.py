"""MODEL_CARD.md of a classifier: what it judges, learnt from, and can't do."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

_LIMITS = """\
## Limits

- It reads English. In other languages it knows some words and little else; the word lists of the
  moderator "rules" and a guard model serve those better.
- It judges wording. Irony, allusion, pictures, what was said before and what everybody knows are
  beyond it.
- It makes mistakes in both directions, and more of them on texts unlike those it learnt from. It
  must not be the only ground for a decision about a person.
- Texts about groups of people, quotations, and medical, legal, security and history questions
  were given special care; check the figures for them in docs/moderation-report.md before you rely
  on them.
- A score of 0.5 is the point at which the policy "standard" may act, not a probability of harm in
  your traffic: how much of it is harmful only you can know.
"""
_ATTRIBUTION = """\
Sources whose name begins with "generated" were written for Palaver; docs/moderation-report.md says
where the others come from. None of their texts is part of the weights' folder.
"""
_USE = """\
## Use

Palaver loads it by the name "{name}" (see docs/moderators.md). It runs on the processor, in one
thread, and sends nothing anywhere.
"""


def write_card(
    folder: Path, manifest: Mapping[str, Any], *, title: str, data: Path, note: str = ""
) -> None:
    """Write MODEL_CARD.md into `folder`.

    `data` is the folder of the training data, whose stats.json names sources and licences.
    """
    parts = [
        f"# {manifest['name']}\n\nA classifier of texts for Palaver: {title}.\n",
        _describe_size(manifest),
        _describe_figures(manifest.get("figures", {})),
        _describe_data(data),
        f"## Notes\n\n{note}\n" if note else "",
        _LIMITS,
        _USE.format(name=manifest["name"]),
    ]
    text = "\n".join(part for part in parts if part)
    (folder / "MODEL_CARD.md").write_text(text, encoding="utf-8")


def _describe_size(manifest: Mapping[str, Any]) -> str:
    size = sum(record["bytes"] for record in manifest["files"].values()) / 1e6
    rows = [
        ("Version", manifest["version"]),
        ("Kind", manifest["kind"]),
        ("Size on disk", f"{size:.1f} MB"),
        ("Categories", ", ".join(manifest["categories"])),
        ("Licence", "Apache-2.0"),
        *((name, value) for name, value in manifest.get("about", {}).items()),
    ]
    return "## What it is\n\n" + _table(("", ""), rows)


def _describe_figures(figures: Mapping[str, Any]) -> str:
    rows = [
        (
            name,
            f"{int(row['positives']):,}",
            f"{int(row['texts']):,}",
            f"{row['auprc']:.3f}",
            f"{row['auroc']:.3f}",
            f"{row['recall']:.3f}",
            f"{row['caught']:.3f}",
            f"{row['flagged']:.4f}",
        )
        for name, row in figures.get("categories", {}).items()
    ]
    head = ("", "harmful", "texts", "AUPRC", "AUROC", "recall at 1 % FPR", "caught", "flagged")
    harmless = "".join(
        f"- Of the {name} harmless texts, {share:.2%} reach 0.5 in any category.\n"
        for name, share in figures.get("harmless", {}).items()
    )
    if not rows:
        return ""
    return (
        "## Figures\n\nOn texts held out by source and by template, each category over the texts "
        'whose label is known; "any" is the highest score. "caught" and "flagged" are the shares '
        "of harmful and of other texts that reach 0.5. These texts resemble the training data; "
        "docs/moderation-report.md says how it does elsewhere.\n\n"
        + _table(head, rows)
        + f"\n{harmless}"
    )


def _describe_data(data: Path) -> str:
    """Return the sources that `training.moderators.prepare` counted, or nothing without them."""
    try:
        stats = json.loads((data / "stats.json").read_text(encoding="utf-8"))
        rows = [
            (name, f"{source['rows']['train']:,}", source["licence"])
            for name, source in sorted(stats["sources"].items())
            if source["rows"].get("train")
        ]
        total = stats["rows"]["train"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""
    table = _table(("source", "texts", "licence"), rows)
    return f"## Training data\n\n{total:,} texts.\n\n{table}\n{_ATTRIBUTION}"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)
