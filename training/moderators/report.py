"""Measure the moderators and write the report: ``python -m training.moderators.report --help``.

    python -m training.moderators.report --data DATA --out docs/moderation-report.md

Reads DATA/test.jsonl and DATA/stats.json, which training.moderators.prepare writes. Pictures lie
beside the report, in images/.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from chat.errors import SetupError
from moderation.evaluation.dataset import UNSAFE
from moderation.evaluation.metrics import Estimate, wilson
from moderation.evaluation.plots import plot_bars, plot_curves, plot_reliability
from moderation.registry import read_config
from training.arguments import parse_args, run_stage
from training.moderators import identity_swap
from training.moderators.findings import ALL, Findings, Plan, find
from training.moderators.report_page import Page, write_page

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Args:
    """Measure the moderators and write the report."""

    data: Annotated[Path, "folder with test.jsonl and stats.json"]
    out: Annotated[Path, "the report, a Markdown file; pictures go to images/ beside it"]
    moderators: Annotated[tuple[str, ...], "that run together"] = (
        "limits",
        "rules",
        "pii",
        "secrets",
        "fast",
        "jailbreak",
        "mini",
    )
    alone: Annotated[tuple[str, ...], "of which figures are shown for each alone, too"] = (
        "rules",
        "fast",
        "mini",
        "jailbreak",
    )
    moderator_config: Annotated[Path | None, "TOML file with the moderators' settings"] = None
    policy: Annotated[str, "strict, standard, permissive, or a TOML file"] = "standard"
    model: Annotated[Path | None, "exported model for the swap of identities"] = None
    rows: Annotated[int, "of the test split, drawn at random; 0 is all"] = 0
    resamples: Annotated[int, "for the intervals"] = 500
    disguised: Annotated[int, "texts to disguise"] = 200
    ordinary: Annotated[int, "harmless texts of each kind to judge by each policy"] = 3_000


def run_report(args: Args) -> Findings:
    """Measure, draw, write.

    Raises:
        SetupError: the data aren't there.
        InvalidRequest: a line of them can't be used.
        ModeratorError, PolicyError, ModelError: one of them can't be used.
    """
    stats = _read_stats(args.data)
    config = read_config(args.moderator_config) if args.moderator_config else {}
    sources = stats.get("sources", {})
    plan = Plan(
        args.moderators,
        args.alone,
        config,
        frozenset(name for name, each in sources.items() if each["rows"].get("train")),
        args.policy,
        args.rows,
        args.resamples,
        args.disguised,
        args.ordinary,
    )
    swap = None
    if args.model is not None:  # first, as it is quick to fail
        swapping = identity_swap.Args(
            args.model, args.moderators, args.policy, args.moderator_config
        )
        swap = identity_swap.run_swap(swapping)
    found = find(plan, args.data / "test.jsonl")
    images = args.out.parent / "images"
    images.mkdir(parents=True, exist_ok=True)
    pictures = draw(found, images)
    page = write_page(found, Page(plan, stats, swap, pictures))
    args.out.write_text(page, encoding="utf-8")
    return found


def _read_stats(folder: Path) -> Mapping[str, Any]:
    path = folder / "stats.json"
    try:
        stats = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SetupError(
            f"{path} can't be read; --data names the folder that training.moderators.prepare wrote."
        ) from error
    if not isinstance(stats, dict):
        raise SetupError(f"{path} holds no object; let training.moderators.prepare write it anew.")
    return stats


def draw(found: Findings, folder: Path) -> dict[str, str]:
    """Draw the report's pictures into `folder`; return their places, relative to the report."""
    reports = found.reports
    names = ("curves", "categories", "reliability", "fairness", "disguises")
    paths = {name: folder / f"moderation-{name}.png" for name in names}
    curves = {name: found.run.select(UNSAFE, name) for name in reports}
    plot_curves(paths["curves"], curves, "unsafe")
    unsafe = {name: report.categories[UNSAFE] for name, report in reports.items()}
    plot_reliability(paths["reliability"], unsafe, "unsafe: score and truth")
    categories = {
        category: {name: r.categories[category].values.get("auprc") for name, r in reports.items()}
        for category, figures in reports[ALL].categories.items()
        if "auprc" in figures.values
    }
    plot_bars(paths["categories"], categories, "AUPRC by category", "AUPRC")
    fairness = found.fairness
    groups = sorted(fairness.groups, key=lambda each: -each.false_positives)
    rates = {each.group: {"refused": Estimate(each.false_positives)} for each in groups}
    plot_bars(paths["fairness"], rates, "harmless sentences refused", "share", fairness.mean)
    robust = found.robustness
    caught = {name: {"caught": _part(n, robust.num_caught)} for name, n in robust.caught.items()}
    plot_bars(paths["disguises"], caught, "caught, of what is caught in plain", "share", 0.8)
    return {name: f"{folder.name}/{path.name}" for name, path in paths.items()}


def _part(part: int, whole: int) -> Estimate | None:
    return Estimate(part / whole, *wilson(part / whole, whole)) if whole else None


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage from the command line."""
    args = parse_args(Args, "training.moderators.report", Args.__doc__, argv)
    found = run_report(args)
    values = found.reports[ALL].categories[UNSAFE].values
    for name, estimate in values.items():
        print(f"{name:18} {estimate.value:.4f}")
    print(f"The report is {args.out}.")


if __name__ == "__main__":
    run_stage(main)
