"""`moderators eval`: how good the moderators are on labelled texts, and which of two is better."""

import asyncio
import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chat.errors import InvalidRequest
from webapp.commands.figures import Bar, print_comparison, print_fairness, print_report
from webapp.commands.flags import add_action, add_settings, use_settings
from webapp.commands.paper import naming, tell

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from moderation.chain import Chain
    from moderation.evaluation.dataset import Sample
    from moderation.evaluation.report import Report
    from moderation.evaluation.runner import Run
    from webapp.settings import Settings

_MOST_RESAMPLES = 100_000


def add_eval(actions: "_SubParsersAction[ArgumentParser]") -> None:
    """Declare the action."""
    parser = add_action(actions, "eval", "measure moderators on labelled texts")
    parser.add_argument(
        "--data", metavar="FILE", type=Path, help="JSON lines with text or messages, and labels"
    )
    parser.add_argument(
        "--fairness", action="store_true", help="compare groups of people on sentences of our own"
    )
    parser.add_argument(
        "--against", metavar="NAMES", help="compare with these moderators, separated by commas"
    )
    parser.add_argument(
        "--against-policy", metavar="NAME", help="the policy of the other side (default: the same)"
    )
    parser.add_argument(
        "--stage",
        choices=("input", "output"),
        default="input",
        help="of rows that don't say: questions or answers (default: %(default)s)",
    )
    parser.add_argument(
        "--sample", metavar="N", type=_count, help="draw so many rows of --data at random"
    )
    parser.add_argument(
        "--resamples",
        metavar="N",
        type=_count,
        default=500,
        help="for the intervals; 0 leaves them out (default: %(default)s)",
    )
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="write figures and pictures")
    parser.add_argument(
        "--pictures", choices=("png", "svg"), default="png", help="default: %(default)s"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    add_settings(parser, "moderators", "moderator_config", "policy")
    use_settings(parser, "moderation_timeout_s", "moderator_memory_mb", "database_url")


def _count(text: str) -> int:
    if text.isdecimal() and int(text) <= _MOST_RESAMPLES:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not a number from 0 to {_MOST_RESAMPLES:,}")


def run_eval(arguments: Namespace, settings: "Settings") -> int:
    """Measure, print, and write what was asked for."""
    if arguments.data is None and not arguments.fairness:
        raise InvalidRequest("Name a file of labelled texts with --data, or ask for --fairness.")
    if arguments.sample is not None and arguments.data is None:
        raise InvalidRequest(
            "--sample draws rows of --data, and there is none; --fairness compares all of its "
            "sentences. Leave it out, or name a file with --data."
        )
    if arguments.out is not None and arguments.out.exists() and not arguments.out.is_dir():
        raise InvalidRequest(f"{arguments.out} is a file; --out names a folder.")
    if arguments.out is not None:  # rather told now than after an hour
        with naming(arguments.out):
            arguments.out.mkdir(parents=True, exist_ok=True)
    try:
        from moderation.evaluation import plots  # noqa: F401 (both packages are there, or neither)
    except ModuleNotFoundError as error:
        raise InvalidRequest(
            f"The package {error.name} is missing; evaluation needs what requirements-train.txt "
            "lists."
        ) from error
    with ExitStack() as stack:
        chains = _open_chains(stack, arguments, settings)
        result = _measure(arguments, chains)
    if arguments.json:
        print(json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False))
    return 0


def _open_chains(
    stack: ExitStack, arguments: Namespace, settings: "Settings"
) -> dict[str, "Chain"]:
    from webapp.commands.judges import open_chain

    names = settings.moderators
    chains = {",".join(names): stack.enter_context(open_chain(settings))}
    if arguments.against is None and arguments.against_policy is None:
        return chains
    others = tuple(each.strip() for each in (arguments.against or ",".join(names)).split(","))
    title = ",".join(others)
    if arguments.against_policy is not None:
        settings = settings.model_copy(update={"policy": arguments.against_policy})
        title += f" ({arguments.against_policy})"
    if title in chains:
        raise InvalidRequest(
            f"--against names what is measured already ({title}); name other moderators, "
            "or another policy with --against-policy."
        )
    return chains | {title: stack.enter_context(open_chain(settings, others))}


def _measure(arguments: Namespace, chains: Mapping[str, "Chain"]) -> dict[str, Any]:
    from moderation.evaluation.runner import judge

    async def run_all() -> "tuple[Run | None, Run | None]":
        run = None
        if arguments.data is not None:
            run = await judge(chains, _samples(arguments))
        return run, await judge(chains, _fairness_samples()) if arguments.fairness else None

    run, fairness_run = asyncio.run(run_all())  # one event loop, as a chain belongs to one
    result: dict[str, Any] = {}
    if run is not None:
        result |= _report(arguments, run)
    if fairness_run is not None:
        result["fairness"] = _report_fairness(arguments, fairness_run)
    if arguments.out is not None:
        from moderation.evaluation.report import write_json

        with naming(arguments.out):
            write_json(arguments.out / "report.json", result)
        tell(f"The figures are in {arguments.out}.")
    return result


def _samples(arguments: Namespace) -> "Iterable[Sample]":
    from moderation.evaluation.dataset import draw_samples, read_samples

    bar = Bar(arguments.data)
    samples = read_samples(arguments.data, arguments.stage, bar.advance)
    return bar.watch(draw_samples(samples, arguments.sample) if arguments.sample else samples)


def _fairness_samples() -> "Iterator[Sample]":
    from moderation.evaluation.fairness import fairness_samples

    return fairness_samples()


def _report(arguments: Namespace, run: "Run") -> dict[str, Any]:
    from moderation.evaluation.report import make_comparison, make_report

    names = list(run.outcomes)
    reports = [make_report(run, name, num_resamples=arguments.resamples) for name in names]
    if not arguments.json:
        for report in reports:
            print_report(report)
    comparison = None
    if len(names) == 2:
        comparison = make_comparison(run, *names, num_resamples=arguments.resamples)
        if not arguments.json:
            print_comparison(comparison)
    if arguments.out is not None:
        with naming(arguments.out):
            _write(arguments, run, reports)
    return {
        "data": arguments.data.name,
        "chains": [report.to_json() for report in reports],
        "comparison": comparison.to_json() if comparison else None,
    }


def _write(arguments: Namespace, run: "Run", reports: Sequence["Report"]) -> None:
    from moderation.evaluation import plots
    from moderation.evaluation.dataset import UNSAFE
    from moderation.evaluation.report import write_csv

    folder, suffix = arguments.out, arguments.pictures
    write_csv(folder / "figures.csv", reports)
    curves = {name: run.select(UNSAFE, name) for name in run.outcomes}
    plots.plot_curves(folder / f"curves.{suffix}", curves, "unsafe")
    overall = {report.name: report.categories[UNSAFE] for report in reports}
    plots.plot_reliability(folder / f"reliability.{suffix}", overall, "unsafe")
    by_category = {
        category: {
            report.name: report.categories[category].values.get("auprc") for report in reports
        }
        for category in reports[0].categories
    }
    plots.plot_bars(folder / f"categories.{suffix}", by_category, "AUPRC by category", "AUPRC")
    for kind, slices in reports[0].slices.items():
        rates = {
            name: {each: figures.values.get(each) for each in ("recall", "fpr")}
            for name, figures in list(slices.items())[:60]
        }
        plots.plot_bars(folder / f"by-{kind}.{suffix}", rates, f"by {kind}", "share refused")


def _report_fairness(arguments: Namespace, run: "Run") -> dict[str, Any]:
    from moderation.evaluation.fairness import judge_fairness

    found = {name: judge_fairness(run, name) for name in run.outcomes}
    if not arguments.json:
        for name, fairness in found.items():
            print_fairness(name, fairness)
    return {name: fairness.to_json() for name, fairness in found.items()}
