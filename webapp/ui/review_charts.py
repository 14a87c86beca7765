"""Pictures of what moderators did, drawn on the server as SVG, each with its numbers as text."""

import itertools
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from html import escape

from chat.review import ActionCount
from webapp.exploring import ACTIONS, NUM_BINS, STAGES, Change, Exploration, Question
from webapp.review import Activity
from webapp.ui.language import Words
from webapp.ui.review_list import judged, pairs, quoted, select
from webapp.ui.review_query import DAYS, Address

SERIES = ("category", "moderator")
# More would be colours that nobody can tell apart; the smallest become one.
MOST_SERIES = 6
WIDTH, HEIGHT = 720, 230
LEFT, TOP, BOTTOM = 58, 16, 30


def activity_form(address: Address, words: Words) -> str:
    """Return the form that says what the chart shows."""
    kinds = [(kind, words(f"review_{kind}")) for kind in SERIES]
    return (
        '<form class="fields" method="get" action="review">'
        '<input type="hidden" name="view" value="actions">'
        f"{_days(address, words)}"
        f"{select('by', kinds, address['by'] or 'category', words, is_optional=False)}"
        f'<button class="yes">{escape(words("review_show"))}</button></form>'
    )


def _days(address: Address, words: Words) -> str:
    days = pairs(map(str, DAYS))
    return select("days", days, str(address.num_days), words, is_optional=False)


def activity(found: Activity, address: Address, words: Words) -> str:
    """Return the chart of what was done (beyond letting pass), its legend and its numbers."""
    by = address["by"] if address["by"] in SERIES else "category"
    acted = [count for count in found.counts if count.action != "allow"]
    csv = f"/review/actions.csv?days={address.num_days}"
    download = f'<p class="ways"><a href="{csv}" download>{escape(words("review_csv"))}</a></p>'
    if not acted:
        return f'<p role="status">{escape(words("review_nothing"))}</p>{download}'
    counts, names = _count(acted, by, words)
    times = _times(found)
    title = words("review_chart", since=f"{found.since:%Y-%m-%d}", until=f"{found.until:%Y-%m-%d}")
    legend = "".join(
        f'<li><svg viewBox="0 0 10 10" aria-hidden="true"><rect class="series-{place}" width="10" '
        f'height="10"/></svg>{escape(name)} <b>{sum(counts[at, name] for at in times):,}</b></li>'
        for place, name in enumerate(names)
    )
    return (
        f'<figure class="chart"><figcaption>{escape(title)}</figcaption>'
        f"{_draw_bars(times, names, counts, _form(found), title)}"
        f'<ul class="legend">{legend}</ul></figure>{download}'
        f"<details><summary>{escape(words('review_table'))}</summary>"
        f"{_table(times, names, counts, _form(found), words)}</details>"
    )


def _count(
    acted: Sequence[ActionCount], by: str, words: Words
) -> tuple[Counter[tuple[datetime, str]], list[str]]:
    totals: Counter[str] = Counter()
    for count in acted:
        totals[getattr(count, by) or "–"] += count.count
    names = [name for name, _ in totals.most_common(MOST_SERIES)]
    rest = words("review_rest")
    counts: Counter[tuple[datetime, str]] = Counter()
    for count in acted:
        name = getattr(count, by) or "–"
        counts[count.at, name if name in names else rest] += count.count
    return counts, names + [rest] * (len(totals) > len(names))


def _times(found: Activity) -> list[datetime]:
    step = timedelta(hours=1) if found.bucket == "hour" else timedelta(days=1)
    times = [found.since]
    while times[-1] + step < found.until:
        times.append(times[-1] + step)
    return times


def _form(found: Activity) -> str:
    return "%d %H:%M" if found.bucket == "hour" else "%m-%d"


def _draw_bars(
    times: Sequence[datetime],
    names: Sequence[str],
    counts: Counter[tuple[datetime, str]],
    form: str,
    title: str,
) -> str:
    top = _round_up(max(sum(counts[at, name] for name in names) for at in times))
    tall = HEIGHT - TOP - BOTTOM
    step = (WIDTH - LEFT - 8) / len(times)
    parts = [_axis(top)]
    every = -(-len(times) // 6)
    for place, at in enumerate(times):
        x, y = LEFT + place * step, float(HEIGHT - BOTTOM)
        for series, name in enumerate(names):
            if count := counts[at, name]:
                height = tall * count / top
                y -= height
                parts.append(
                    f'<rect class="series-{series}" x="{x + step * 0.12:.1f}" y="{y:.1f}" '
                    f'width="{step * 0.76:.1f}" height="{height:.1f}">'
                    f"<title>{escape(f'{at:{form}} {name}: {count}')}</title></rect>"
                )
        if place % every == 0:
            parts.append(
                f'<text x="{x + step / 2:.1f}" y="{HEIGHT - 8}" text-anchor="middle">'
                f"{at:{form}}</text>"
            )
    return _svg("".join(parts), title)


def _svg(body: str, title: str) -> str:
    return (
        f'<svg class="picture" role="img" aria-label="{quoted(title)}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}">{body}</svg>'
    )


def _axis(top: int) -> str:
    tall = HEIGHT - TOP - BOTTOM
    lines = []
    for mark in (0, top // 2, top):
        y = HEIGHT - BOTTOM - tall * mark / top
        lines.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{mark:,}</text>'
        )
    return "".join(lines)


def _round_up(count: int) -> int:
    """Return an even, round number from `count` up, for the end of an axis."""
    ends = (int(digit * 10**power) for power in itertools.count() for digit in (2, 4, 6, 10))
    return next(end for end in ends if end >= count)


def _table(
    times: Sequence[datetime],
    names: Sequence[str],
    counts: Counter[tuple[datetime, str]],
    form: str,
    words: Words,
) -> str:
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row">{at:{form}}</th>'
        + "".join(f"<td>{counts[at, name]:,}</td>" for name in names)
        + "</tr>"
        for at in times
        if any(counts[at, name] for name in names)
    )
    head = f'<th scope="col">{escape(words("review_time"))}</th>{heads}'
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="wide">{table}</div>'


def explorer_form(address: Address, asked: Question, known: Sequence[str], words: Words) -> str:
    """Return the form that asks "what if"; its script asks again whenever it changes."""
    stages = [(stage, words(f"review_{stage}")) for stage in STAGES]
    options = pairs(sorted({*known, asked.category} - {""}))
    return (
        '<form class="fields" id="what-if" method="get" action="review">'
        '<input type="hidden" name="view" value="thresholds">'
        f"{select('category', options, asked.category, words, is_optional=False)}"
        f"{select('stage', stages, asked.stage, words, is_optional=False)}"
        f"{select('action', pairs(ACTIONS[1:]), asked.action, words, is_optional=False)}"
        f"{_days(address, words)}"
        f'<div class="slider"><label for="threshold">{escape(words("review_threshold"))}</label> '
        f'<output for="threshold">{asked.threshold:.2f}</output>'
        f'<input type="range" id="threshold" name="threshold" min="0" max="1" step="0.01" '
        f'value="{asked.threshold:.2f}"></div>'
        f'<noscript><button class="yes">{escape(words("review_show"))}</button></noscript></form>'
    )


def exploration(found: Exploration, words: Words) -> str:
    """Return what would have been: in numbers, as a picture, and in examples."""
    asked = found.question
    sums = words(
        "review_sums",
        texts=f"{found.num_texts:,}",
        scored=f"{found.num_scored:,}",
        category=asked.category,
        caught=f"{found.num_caught:,}",
        threshold=f"{asked.threshold:.2f}",
        acted=f"{found.num_acted:,}",
    )
    cut = f"<p>{escape(words('review_is_cut'))}</p>" if found.is_cut else ""
    rows = "".join(
        f"<tr><td>{place / NUM_BINS:.2f}–{(place + 1) / NUM_BINS:.2f}</td><td>{count:,}</td></tr>"
        for place, count in enumerate(found.bins)
        if count
    )
    heads = "".join(
        f'<th scope="col">{escape(words(key))}</th>' for key in ("review_score", "review_count")
    )
    changes = _changes("stricter", found.num_stricter, found.stricter, words) + _changes(
        "milder", found.num_milder, found.milder, words
    )
    return (
        f'<p class="sums" role="status">{escape(sums)}</p>{cut}'
        f'<figure class="chart"><figcaption>{escape(words("review_heights"))}</figcaption>'
        f"{_draw_scores(found, words)}</figure>"
        f"<details><summary>{escape(words('review_table'))}</summary><table><thead><tr>{heads}"
        f"</tr></thead><tbody>{rows}</tbody></table></details>{changes}"
    )


def _draw_scores(found: Exploration, words: Words) -> str:
    """Draw how many texts have which score. Heights are square roots: most scores are near 0."""
    tall = HEIGHT - TOP - BOTTOM - 14
    top = max(found.bins, default=0) ** 0.5 or 1.0
    step = (WIDTH - LEFT - 8) / NUM_BINS
    threshold = found.question.threshold
    line = LEFT + (WIDTH - LEFT - 8) * threshold
    parts = [f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 8}" y1="{HEIGHT - BOTTOM}" '
             f'y2="{HEIGHT - BOTTOM}"/>']  # fmt: skip
    for place, count in enumerate(found.bins):
        x = LEFT + place * step
        if count:
            height = max(tall * count**0.5 / top, 1.5)
            y = HEIGHT - BOTTOM - height
            side = "caught" if (place + 0.5) / NUM_BINS >= threshold else "passed"
            parts.append(
                f'<rect class="{side}" x="{x + 1:.1f}" y="{y:.1f}" width="{step - 2:.1f}" '
                f'height="{height:.1f}"/><text class="count" x="{x + step / 2:.1f}" '
                f'y="{y - 4:.1f}" text-anchor="middle">{count:,}</text>'
            )
        if place % 4 == 0:
            parts.append(
                f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">'
                f"{place / NUM_BINS:.1f}</text>"
            )
    parts.append(f'<text x="{WIDTH - 1}" y="{HEIGHT - 8}" text-anchor="end">1.0</text>')
    parts.append(
        f'<line class="threshold" data-left="{LEFT}" data-wide="{WIDTH - LEFT - 8}" '
        f'x1="{line:.1f}" x2="{line:.1f}" y1="{TOP - 8}" y2="{HEIGHT - BOTTOM + 4}"/>'
    )
    title = words("review_picture", category=found.question.category, threshold=f"{threshold:.2f}")
    return _svg("".join(parts), title)


def _changes(kind: str, num: int, shown: Sequence[Change], words: Words) -> str:
    heading = f"<h2>{escape(words(f'review_{kind}', count=f'{num:,}'))}</h2>"
    rows = "".join(
        f'<li><p><span class="action {quoted(change.before)}">{escape(change.before)}</span> → '
        f'<span class="action {quoted(change.after)}">{escape(change.after)}</span> '
        f"<small>{change.score:.2f} · {escape(change.verdict.verdict.moderator)}</small></p>"
        f"{judged(change.verdict.text, change.verdict.verdict.spans, words)}</li>"
        for change in shown
    )
    return f'{heading}<ol class="changes">{rows}</ol>' if rows else heading
