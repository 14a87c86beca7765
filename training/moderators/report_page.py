"""The moderation report as Markdown: figures, what they mean, and where they end."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moderation.evaluation.dataset import UNSAFE
from moderation.evaluation.disguises import DISGUISES
from moderation.evaluation.fairness import Fairness
from moderation.evaluation.metrics import METRICS, Estimate, Figures, wilson
from moderation.evaluation.report import TITLES, show
from training.moderators.findings import ALL, Findings, Plan, Refusals
from training.moderators.identity_swap import Swap

_KINDS = {"held out": "Held out", "source": "Source", "language": "Language", "tag": "Tag"}
# The categories of OpenAI's test set, over which its users take the mean.
_EIGHT = (
    "sexual",
    "hate",
    "violence",
    "harassment",
    "self-harm",
    "sexual/minors",
    "hate/threatening",
    "violence/graphic",
)
_MOST_SLICES = 40
_LIMITS = """\
## Limits

- These texts were held out by source and by template, but they come from the same public packs as
  the training data. On the texts of your users the moderators do worse; how much worse only your
  own labelled texts can say (`moderators eval --data`, see [evaluation.md](evaluation.md)).
- The share of harmful texts here is far higher than in an ordinary chat. AUPRC and precision depend
  on that share; recall and false positives don't.
- Labels come from many people with many ideas of what is hateful, and some are plainly wrong. A row
  counts only for the categories that its pack says something about.
- "Unsafe" is any of the thirteen harmful categories of OpenAI, jailbreak or injection. A row that
  is known to be free of a few of them only counts as safe: some of the false positives are none.
- Categories with few positives (see the table) have wide intervals. Read the interval, not the
  value.
- The classifiers learnt from English. On other languages they abstain, as far as those are noticed;
  such texts are judged by the rules of that language alone, if there are any. The sentences in
  other scripts below only show that ordinary text is let be.
- The sentences about groups of people are templates of our own. That no group is treated unlike
  the others there doesn't prove that none is in real talk; nor do they name every group there is.
- A disguise that we didn't think of is not in the table.
- Moderators see one message and what was said before it. They don't know who asks, or why.
"""


@dataclass(frozen=True, slots=True)
class Page:
    """What the page is made of, beside the findings."""

    plan: Plan
    stats: Mapping[str, Any]
    swap: Swap | None
    pictures: Mapping[str, str]


def write_page(found: Findings, page: Page) -> str:
    """Return the report as Markdown."""
    parts = [
        _opening(found, page),
        _in_short(found, page),
        _compared(found, page),
        _by_category(found, page),
        _slices(found),
        _calibration(found, page),
        _harmless(found),
        _latency(found),
        _fairness(found, page),
        _disguises(found, page),
        _swapped(page.swap),
        _data(page.stats),
        _LIMITS,
        _repeat(page),
    ]
    return "\n".join(part for part in parts if part)


def _opening(found: Findings, page: Page) -> str:
    report = found.reports[ALL]
    return (
        "# How good the moderation is\n\n"
        "Made by `python -m training.moderators.report`; don't edit it by hand. Measured on "
        f"{report.num_rows:,} texts\nthat no moderator was trained on or calibrated by, as they "
        f"are served: by the policy `{report.policy}`\n(version `{report.policy_version}`), with "
        "its groups and bands. Brackets hold 95 % intervals, from a\nbootstrap that draws whole "
        "families of texts (templates, dialogues, posts), as their rows say nearly\nthe same. "
        "There are no harmful texts on this page, only figures.\n"
        + (f"\n{report.num_failed:,} texts failed.\n" if report.num_failed else "")
    )


def _in_short(found: Findings, page: Page) -> str:
    categories = found.reports[ALL].categories
    values = categories[UNSAFE].values
    robust = found.robustness
    worst = min(DISGUISES, key=lambda name: robust.caught[name])
    rows = [
        ("", "measured"),
        *((f"unsafe texts: {TITLES[name]}", show(values.get(name), name)) for name in METRICS[:4]),
        ("mean AUPRC of OpenAI's first eight categories", _mean_of_eight(categories)),
        ("unsafe texts refused", show(values.get("recall"), "recall")),
        ("safe texts refused", show(values.get("fpr"), "fpr")),
    ]
    rows += [
        (f"{each.kind} refused, policy `{page.plan.policy}`", _rate(each, page.plan.policy))
        for each in found.ordinary
        if each.num_texts
    ]
    rows += [
        (
            f"of what is caught in plain, caught as {worst} (the worst disguise)",
            _share(robust.caught[worst], robust.num_caught),
        ),
        (
            "of all groups of people, the farthest from the mean rate of harmless texts refused",
            f"{100 * found.fairness.spread:.1f} points",
        ),
        *_short_latency(found),
    ]
    return "## In short\n\n" + table(rows)


def _mean_of_eight(categories: Mapping[str, Figures]) -> str:
    found = [categories[name].values.get("auprc") for name in _EIGHT if name in categories]
    said = [each.value for each in found if each is not None]
    return f"{sum(said) / len(said):.3f} (of {len(said)})" if said else "–"


def _short_latency(found: Findings) -> list[tuple[str, str]]:
    length = next(iter(found.latency[ALL]), "")
    rows = []
    for name, times in found.latency.items():
        if length in times:
            shown = f"{times[length].p50_ms:.1f} / {times[length].p95_ms:.1f} ms"
            rows.append((f"p50 / p95 on one core, {length}: {name}", shown))
    return rows


def _rate(each: Refusals, policy: str) -> str:
    refused = each.refused.get(policy, 0)
    low, high = wilson(refused / max(each.num_texts, 1), each.num_texts)
    rate = refused / max(each.num_texts, 1)
    return f"{rate:.2%} [{low:.2%}, {high:.2%}] ({refused:,} of {each.num_texts:,})"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%} ({part} of {whole})" if whole else "–"


def _compared(found: Findings, page: Page) -> str:
    reports = found.reports
    text = "## The moderators compared\n\nEach alone, and all of them as shipped. Over all harmful "
    text += "categories:\n\n" + _figures({n: r.categories[UNSAFE] for n, r in reports.items()}, "")
    for category in ("jailbreak", "injection"):
        each = {n: r.categories[category] for n, r in reports.items() if category in r.categories}
        if any(figures.num_positives for figures in each.values()):
            text += f"\n{category.capitalize()} alone:\n\n" + _figures(each, "")
    gains = {f"{ALL} − {each.second}": each.differences.get(UNSAFE, {}) for each in found.gains}
    text += "\nWhat all together gain over one of them (paired intervals):\n\n"
    text += table([("", *TITLES.values()), *(_gain(name, row) for name, row in gains.items())])
    return text + _picture(page, "curves", "precision over recall, and recall over false positives")


def _gain(name: str, row: Mapping[str, Estimate]) -> tuple[str, ...]:
    return (name, *(show(row.get(metric), metric, is_signed=True) for metric in METRICS))


def _figures(figures: Mapping[str, Figures], title: str) -> str:
    rows: list[tuple[str, ...]] = [(title, "rows", "positive", *TITLES.values())]
    for name, each in figures.items():
        shown = (show(each.values.get(metric), metric) for metric in METRICS)
        rows.append((name, f"{each.num_rows:,}", f"{each.num_positives:,}", *shown))
    return table(rows)


def _by_category(found: Findings, page: Page) -> str:
    report = found.reports[ALL]
    figures = {k: v for k, v in report.categories.items() if not k.startswith(UNSAFE)}
    return (
        "## By category\n\nAll together. F1, recall and FPR are those at the threshold of the "
        f"policy `{report.policy}`.\n\n"
        + _figures(figures, "category")
        + _picture(page, "categories", "AUPRC by category and moderator")
    )


def _slices(found: Findings) -> str:
    text = "## By source, language and tag\n\nShares of unsafe and of safe texts that are refused."
    text += " Slices of fewer than 20 texts are left out.\n"
    for kind, title in _KINDS.items():
        slices = found.reports[ALL].slices.get(kind, {})
        largest = sorted(slices.items(), key=lambda each: -each[1].num_rows)[:_MOST_SLICES]
        if largest:
            text += f"\n{_slice_table(title, dict(largest))}"
    return text


def _slice_table(title: str, slices: Mapping[str, Figures]) -> str:
    rows: list[tuple[str, ...]] = [
        (title, "rows", "unsafe", "AUPRC", "unsafe refused", "safe refused")
    ]
    for name, each in slices.items():
        shown = (show(each.values.get(metric), metric) for metric in ("auprc", "recall", "fpr"))
        rows.append((name, f"{each.num_rows:,}", f"{each.num_positives:,}", *shown))
    return table(rows)


def _calibration(found: Findings, page: Page) -> str:
    rows: list[tuple[str, ...]] = [("", "ECE, unsafe", "ECE, mean of categories")]
    for name, report in found.reports.items():
        each = [f for k, f in report.categories.items() if not k.startswith(UNSAFE)]
        errors = [f.values["ece"].value for f in each if "ece" in f.values]
        mean = f"{sum(errors) / len(errors):.3f}" if errors else "–"
        rows.append((name, show(report.categories[UNSAFE].values.get("ece")), mean))
    return (
        "## Calibration\n\nOf the texts with a score near 0.7, are about 70 % really harmful? ECE "
        'is how far off that is on\naverage. The scores of "unsafe" are stretched so that the '
        "policy acts at 0.5, whatever the category.\n\n"
        + table(rows)
        + _picture(page, "reliability", "score, and share that is really unsafe")
    )


def _harmless(found: Findings) -> str:
    policies = list(found.ordinary[0].refused) if found.ordinary else []
    rows: list[tuple[str, ...]] = [("harmless texts", *(f"`{name}`" for name in policies))]
    for each in found.ordinary:
        if each.num_texts:
            rows.append((each.kind, *(_rate(each, name) for name in policies)))
    return "## Harmless texts refused\n\nBy each policy that comes with Palaver.\n\n" + table(rows)


def _latency(found: Findings) -> str:
    lengths = list(dict.fromkeys(length for each in found.latency.values() for length in each))
    rows: list[tuple[str, ...]] = [("p50 / p95 in ms", *lengths)]
    for name, times in found.latency.items():
        cells = (
            f"{times[length].p50_ms:.2f} / {times[length].p95_ms:.2f}" if length in times else "–"
            for length in lengths
        )
        rows.append((name, *cells))
    return (
        "## Time on one core\n\nThe whole check, normaliser and all, one text at a time, the "
        "process kept to one core. Each line\nnormalises anew, so they don't add up.\n\n"
        + table(rows)
    )


def _fairness(found: Findings, page: Page) -> str:
    fairness = found.fairness
    rows: list[tuple[str, ...]] = [
        ("group", "about", "harmless refused", "from the mean", "noted", "hostile refused")
    ]
    for each in sorted(fairness.groups, key=lambda each: -each.false_positives):
        rows.append(
            (
                each.group,
                each.dimension,
                f"{each.false_positives:.1%}",
                f"{100 * (each.false_positives - fairness.mean):+.1f}",
                f"{each.noted:.1%}",
                f"{each.protected:.1%}",
            )
        )
    kinds = ", ".join(f"{kind} {share:.1%}" for kind, share in fairness.by_kind.items())
    num = fairness.groups[0].num_harmless
    return (
        f"## Groups of people\n\n{num} harmless sentences of our own about each of "
        f"{len(fairness.groups)} groups. On average {fairness.mean:.1%} of\nthem are refused. "
        f"{_farthest(fairness)}\nRefused by kind of sentence: {kinds}.\n(The hostile ones "
        "should be.)\n\n"
        + table(rows)
        + _picture(page, "fairness", "harmless sentences refused, by group")
    )


def _farthest(fairness: Fairness) -> str:
    if not fairness.spread:
        return "No group is treated unlike another."
    distance = f"{100 * fairness.spread:.1f} points from the mean"
    verdict = "within the 5 points allowed" if fairness.is_fair else "**more than the 5 allowed**"
    return f"The farthest are {fairness.worst.group}, {distance}: {verdict}."


def _disguises(found: Findings, page: Page) -> str:
    robust = found.robustness
    rows: list[tuple[str, ...]] = [
        ("disguise", "caught, of those caught in plain", "refused, of harmless that pass")
    ]
    for name in robust.caught:
        rows.append(
            (
                name,
                _share(robust.caught[name], robust.num_caught),
                _share(robust.alarmed[name], robust.num_passed),
            )
        )
    scripts: list[tuple[str, ...]] = [("script", "ordinary sentences refused")]
    scripts += [(name, f"{part} of {whole}") for name, (part, whole) in found.scripts.items()]
    return (
        "## Disguises and scripts\n\nThe same texts, hidden in thirteen ways.\n\n"
        + table(rows)
        + "\nOrdinary sentences in other scripts, which are no disguise:\n\n"
        + table(scripts)
        + _picture(page, "disguises", "caught under each disguise")
    )


def _swapped(swap: Swap | None) -> str:
    if swap is None:
        return ""
    rows: list[tuple[str, ...]] = [("of an answer", "mean", "highest", "lowest", "by chance")]
    for name, each in swap.measures.items():
        ends = (f"{each.high:.2f} ({each.highest})", f"{each.low:.2f} ({each.lowest})")
        rows.append((name, f"{each.mean:.2f}", *ends, f"{each.chance:.3f}"))
    return (
        "## The model's answers under swapped identities\n\n"
        f"The model `{swap.model}` answered {swap.num_questions} questions about each of "
        f"{swap.num_groups} groups, greedily; {swap.share_same:.0%} of\nthe answers to a question "
        "are the same but for the group's name. Means over a group's answers:\nhow many decline or "
        "don't know, how many words they have, how many of them are pleasant and\nunpleasant (by a "
        'short list), and the highest score of any moderator. "By chance" is how often\nshuffled '
        "answers lie as far apart: below 0.05, the groups are really treated differently. A small\n"
        "model's answers hang on single words of the question, so the ends lie far apart either "
        "way.\n\n" + _told_apart(swap) + "\n\n" + table(rows)
    )


def _told_apart(swap: Swap) -> str:
    names = [name for name, each in swap.measures.items() if each.chance < 0.05]
    if not names:
        return "Nothing measured differs by more than chance."
    return f"**More than by chance differ: {', '.join(names)}.**"


def _data(stats: Mapping[str, Any]) -> str:
    rows: list[tuple[str, ...]] = [("source", "licence", "train", "calibration", "test")]
    for name, source in sorted(stats.get("sources", {}).items()):
        counts = source.get("rows", {})
        licence = source.get("licence", "") + (" (test only)" if source.get("share_alike") else "")
        splits = (f"{counts.get(split, 0):,}" for split in ("train", "calibration", "test"))
        rows.append((name, licence, *splits))
    totals = stats.get("rows", {})
    rows.append(("all", "", *(f"{totals.get(s, 0):,}" for s in ("train", "calibration", "test"))))
    return (
        "## Training data\n\nRows by source and split. A family of rows (a template, a dialogue, a "
        "topic) is in one split only,\nand no row of one split shares seven words running with a "
        "row of another. The classifiers learn from\nthe first column, their thresholds and "
        "calibration from the second; this page is about the third.\n\n" + table(rows)
    )


def _repeat(page: Page) -> str:
    return (
        "## To repeat it\n\nWith the packages of requirements-train.txt; DATA is what "
        "`training.moderators.prepare` wrote:\n\n```\n"
        "python -m training.moderators.report --data DATA --out docs/moderation-report.md\n"
        f"python -m webapp moderators eval --data DATA/test.jsonl --policy {page.plan.policy}\n"
        "python -m webapp moderators eval --fairness\n"
        "python -m training.moderators.identity_swap --model exported_models/palaver\n```\n"
    )


def _picture(page: Page, name: str, meaning: str) -> str:
    return f"\n![{meaning}]({page.pictures[name]})\n" if name in page.pictures else ""


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return rows as a table of Markdown; the first holds the titles."""
    lines = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
