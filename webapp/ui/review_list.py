"""The list of verdicts as HTML: what was judged, what was found, and what people say of it."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise

from chat.review import ACTED, ListedVerdict, Review, VerdictPage
from chat.types import Span
from webapp.exploring import ACTIONS, STAGES
from webapp.judgement import list_categories
from webapp.review import LONGEST_NOTE, MARKS
from webapp.ui.language import Words
from webapp.ui.review_query import OUTCOMES, VIEWS, Address
from webapp.ui.unseen import show

MOST_CHARS = 3_000
# How much is shown before the first finding of a long text.
BEFORE = 300
MOST_SCORES = 8
MOST_SPANS = 200
MOST_CHOICES = 6


def tabs(address: Address, words: Words) -> str:
    """Return the page's heading, and the way to its views."""
    links = "".join(_tab(view, words, is_current=view == address.view) for view in VIEWS)
    return (
        f'<h1>{escape(words("review"))}</h1><a class="back" href="./">'
        f"{escape(words('admin_back'))}</a>"
        f'<nav class="tabs" aria-label="{quoted(words("review"))}">{links}</nav>'
    )


def _tab(view: str, words: Words, *, is_current: bool) -> str:
    mark = ' aria-current="page"' if is_current else ""
    return f'<a href="review?view={view}"{mark}>{escape(words(f"review_{view}"))}</a>'


def filters(address: Address, values: Mapping[str, Sequence[str]], words: Words) -> str:
    """Return the form that says which verdicts to list: it makes the address."""
    # What nobody chose yet.
    action = address["action"] if "action" in address.fields else ACTED
    stages = [(stage, words(f"review_{stage}")) for stage in STAGES]
    actions = [(ACTED, words("review_acted")), *((name, name) for name in ACTIONS)]
    states = [("no", words("review_open")), ("yes", words("review_reviewed"))]
    fields = (
        date_field("from", address["from"], words),
        date_field("to", address["to"], words),
        select("stage", stages, address["stage"], words),
        select("category", pairs(values["category"]), address["category"], words),
        select("action", actions, action, words),
        select("moderator", pairs(values["moderator"]), address["moderator"], words),
        select("outcome", pairs(OUTCOMES), address["outcome"], words),
        select("reviewed", states, address["reviewed"], words),
        select("policy", pairs(values["policy_version"]), address["policy"], words),
        f'<label>{escape(words("review_search"))}<input type="search" name="search" maxlength="200"'
        f' dir="auto" value="{quoted(address["search"])}"></label>',
    )
    return (
        f'<form class="fields" method="get" action="review">{"".join(fields)}'
        f'<button class="yes">{escape(words("review_show"))}</button></form>'
    )


def page(found: VerdictPage, address: Address, me: str, words: Words) -> str:
    """Return the verdicts, and the ways to older ones and to a file of all reviews."""
    export = (
        f'<a href="/review/reviews.jsonl" download>{escape(words("review_export"))}</a>'
        f"<small>{escape(words('review_export_info'))}</small>"
    )
    if not found.verdicts:
        none = f'<p role="status">{escape(words("review_none"))}</p>'
        return f'{none}<p class="ways">{export}</p>'
    rows = "".join(_article(verdict, me, words) for verdict in found.verdicts)
    ways = ""
    if address["cursor"]:
        newest = quoted(address.to_query(cursor=""))
        ways += f'<a href="review{newest}">{escape(words("review_newest"))}</a>'
    if found.next_cursor:
        older = quoted(address.to_query(cursor=found.next_cursor))
        ways += f'<a rel="next" href="review{older}">{escape(words("review_older"))}</a>'
    return f'{categories()}{rows}<p class="ways">{ways}</p><p class="ways">{export}</p>'


def categories() -> str:
    """Return the names that a field for a category offers."""
    options = "".join(f'<option value="{quoted(name)}">' for name in list_categories())
    return f'<datalist id="known-categories">{options}</datalist>'


def _article(listed: ListedVerdict, me: str, words: Words) -> str:
    verdict = listed.verdict
    name = quoted(f"v-{listed.id}")
    category = f" <strong>{escape(verdict.category)}</strong>" if verdict.category else ""
    at = listed.at
    return (
        f'<article class="verdict" id="{name}" data-id="{quoted(listed.id)}">'
        f'<h2><span class="action {quoted(verdict.action)}">{escape(verdict.action)}</span>'
        f"{category} <small>{escape(words('review_' + verdict.stage))} · "
        f'<time datetime="{at.isoformat()}">{at:%Y-%m-%d %H:%M:%S}</time></small></h2>'
        f"{judged(listed.text, verdict.spans, words)}"
        f"{_facts(listed, words)}{_said(listed, me, words)}{_marking(listed, me, words)}</article>"
    )


def judged(text: str | None, spans: Iterable[Span], words: Words) -> str:
    """Return a text with what was found in it marked; a long one from the first finding on."""
    if text is None:
        return f'<p class="judged gone">{escape(words("review_gone"))}</p>'
    pieces = _cut(text, spans)
    start, end = _part(len(text), [span for span, _ in pieces])
    parts: list[str] = []
    last = start
    for (left, right), names in pieces:
        if right <= start or left >= end:
            continue
        parts.append(show(text[last:left]))
        found = show(text[max(left, start) : min(right, end)])
        parts.append(f'<mark title="{quoted(names)}">{found}</mark>')
        last = min(right, end)
    parts.append(show(text[last:end]))
    before = "… " if start else ""
    left_out = len(text) - end + start
    after = ""
    if left_out:
        after = f'<p class="cut">{escape(words("review_cut", count=f"{left_out:,}"))}</p>'
    # It scrolls, so it has to be reachable with the keyboard.
    body = before + "".join(parts)
    return (
        f'<div class="judged" dir="auto" tabindex="0" role="group" '
        f'aria-label="{quoted(words("review_text"))}">{body}</div>{after}'
    )


def _cut(text: str, spans: Iterable[Span]) -> list[tuple[tuple[int, int], str]]:
    """Return stretches that don't overlap, and what each was found to be; nothing outside."""
    inside = [span for span in spans if 0 <= span.start < span.end <= len(text)][:MOST_SPANS]
    edges = sorted({edge for span in inside for edge in (span.start, span.end)})
    pieces: list[tuple[tuple[int, int], str]] = []
    for left, right in pairwise(edges):
        names = dict.fromkeys(
            f"{span.category} {span.score:.2f}"
            for span in inside
            if span.start <= left and right <= span.end
        )
        if names:
            pieces.append(((left, right), ", ".join(names)))
    return pieces


def _part(length: int, marked: Sequence[tuple[int, int]]) -> tuple[int, int]:
    if length <= MOST_CHARS:
        return 0, length
    first = marked[0][0] if marked else 0
    start = max(0, min(first - BEFORE, length - MOST_CHARS))
    return start, start + MOST_CHARS


def _facts(listed: ListedVerdict, words: Words) -> str:
    verdict = listed.verdict
    best = sorted(verdict.scores.items(), key=lambda item: -item[1])[:MOST_SCORES]
    scores = ", ".join(f"{name} {score:.2f}" for name, score in best if score > 0) or "–"
    outcome = " ".join(filter(None, (verdict.outcome, verdict.reason)))
    facts = (
        ("review_moderator", f"{verdict.moderator} {verdict.version}"),
        ("review_scores", scores),
        ("review_outcome", outcome),
        ("review_policy", verdict.policy_version or "–"),
        ("review_latency", f"{verdict.latency_ms:.1f} ms"),
    )
    rows = "".join(
        f"<div><dt>{escape(words(key))}</dt><dd>{escape(value)}</dd></div>" for key, value in facts
    )
    return f'<dl class="found">{rows}</dl>'


def _said(listed: ListedVerdict, me: str, words: Words) -> str:
    # There even if it's empty: else the page would make anew what follows it, and lose the focus.
    rows = "".join(_word(word, me, words) for word in listed.reviews)
    older = listed.num_words - len(listed.reviews)
    more = (
        f"<li><small>{escape(words('review_earlier', count=older))}</small></li>" if older else ""
    )
    return f'<ul class="said">{rows}{more}</ul>'


def _word(word: Review, me: str, words: Words) -> str:
    who = words("review_you") if word.reviewer_id == me else word.reviewer_id[:12]
    about = f" ({', '.join(word.categories)})" if word.categories else ""
    note = f" “{word.note}”" if word.note else ""
    said = f"{who}: {words('review_' + word.mark)}{about}{note}"
    return f'<li class="{quoted(word.mark)}" dir="auto">{show(said)}</li>'


def _marking(listed: ListedVerdict, me: str, words: Words) -> str:
    mine = next((word for word in listed.reviews if word.reviewer_id == me), None)
    chosen = mine.categories if mine else (listed.verdict.category,)
    buttons = "".join(
        f'<button type="button" data-review="mark" value="{mark}" '
        f'aria-pressed="{"true" if mine and mine.mark == mark else "false"}">'
        f"{escape(words('review_' + mark))}</button>"
        for mark in MARKS
    )
    boxes = "".join(
        f'<label><input type="checkbox" name="categories" value="{quoted(name)}"'
        f"{' checked' if name in chosen else ''}> {escape(name)}</label>"
        for name in _choices(listed, chosen)
    )
    note = quoted(mine.note if mine else "")
    return (
        f'<form class="marking"><div class="buttons" role="group" '
        f'aria-label="{quoted(words("review_say"))}">{buttons}</div>'
        f"<details><summary>{escape(words('review_details'))}</summary>"
        f"<fieldset><legend>{escape(words('review_about'))}</legend>{boxes}"
        f'<label>{escape(words("review_other"))} <input name="other" list="known-categories" '
        f'maxlength="64"></label></fieldset>'
        f'<label class="note">{escape(words("review_note"))}<input name="note" dir="auto" '
        f'maxlength="{LONGEST_NOTE}" value="{note}"></label></details></form>'
    )


def _choices(listed: ListedVerdict, chosen: Sequence[str]) -> list[str]:
    scores = listed.verdict.scores
    likely = sorted(scores, key=lambda name: -scores[name])[:MOST_CHOICES]
    named = (*chosen, listed.verdict.category, *likely)
    return [name for name in dict.fromkeys(named) if name and name != "error"]


def select(
    name: str,
    options: Iterable[tuple[str, str]],
    value: str,
    words: Words,
    *,
    is_optional: bool = True,
) -> str:
    """Return a labelled choice; an optional one has "any" first, which is empty."""
    first = [("", words("review_any"))] if is_optional else []
    known = dict([*first, *options])
    if value not in known:  # what the address says, though nothing has it (any more)
        known[value] = value
    rows = "".join(
        f'<option value="{quoted(key)}"{" selected" if key == value else ""}>{escape(shown)}'
        "</option>"
        for key, shown in known.items()
    )
    label = escape(words(f"review_{name}"))
    return f'<label>{label}<select name="{name}">{rows}</select></label>'


def date_field(name: str, value: str, words: Words) -> str:
    """Return a labelled field for a day."""
    label = escape(words(f"review_{name}"))
    return f'<label>{label}<input type="date" name="{name}" value="{quoted(value)}"></label>'


def pairs(values: Iterable[str]) -> list[tuple[str, str]]:
    """Return choices that are called what they are."""
    return [(value, value) for value in values]


def quoted(text: str) -> str:
    """Return `text` for an attribute in double quotes."""
    return escape(text, quote=True)
