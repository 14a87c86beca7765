"""The operator's rules as HTML: the list, the form, and what a trial finds."""

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from chat.review import OperatorRule
from webapp.rules import LONGEST_NAME, RuleEntry
from webapp.trial import Match, Trial
from webapp.ui.admission import alert
from webapp.ui.language import Words, read_languages
from webapp.ui.review_list import categories, judged, pairs, quoted, select
from webapp.ui.review_query import DAYS

NEW = OperatorRule("", "", "")
_KNOWN = ' list="known-categories"'


def rules(entries: Sequence[RuleEntry], current: str, words: Words, problem: str = "") -> str:
    """Return the rules as links beside the form of the one that the address names.

    `problem` says why none of them is in force, if that is so.
    """
    entry = next((entry for entry in entries if entry.rule.id == current), None)
    rows = "".join(_row(each, words, problem, is_current=each is entry) for each in entries)
    mark = "" if entry else ' aria-current="page"'
    new = f'<li><a href="review?view=rules"{mark}>+ {escape(words("review_new_rule"))}</a></li>'
    label = quoted(words("review_rules"))
    fault = alert(entry.fault) if entry and entry.fault else ""
    idle = alert(problem) if problem else ""
    return (
        f'{categories()}{idle}<div class="beside"><nav aria-label="{label}">'
        f'<ul class="chats">{rows}{new}</ul></nav>'
        f"<div>{fault}{form(entry.rule if entry else NEW, words)}</div></div>"
    )


def _row(entry: RuleEntry, words: Words, problem: str, *, is_current: bool) -> str:
    state = "review_not_in_force" if problem else "review_in_force"
    if entry.fault:
        state = "admin_is_broken"
    elif not entry.rule.is_active:
        state = "review_rests"
    mark = ' aria-current="page"' if is_current else ""
    target = quote(entry.rule.id, safe="")
    return (
        f'<li><a href="review?view=rules&amp;rule={target}" dir="auto"{mark}>'
        f"<bdi>{escape(entry.rule.name)}</bdi> <small>({escape(words(state))})</small></a></li>"
    )


def form(rule: OperatorRule, words: Words) -> str:
    """Return the form of a rule. What stands in it is sent with every button."""
    languages = pairs(read_languages())
    stages = "".join(
        f'<label><input type="checkbox" name="stages" value="{stage}"'
        f"{' checked' if stage in rule.stages else ''}> {escape(words(f'review_{stage}'))}</label>"
        for stage in ("input", "output")
    )
    heading = rule.name or words("review_new_rule")
    return (
        f'<form class="rule" data-rule="{quoted(rule.id)}"><h2 dir="auto">{escape(heading)}</h2>'
        f'<div class="fields">{_field("name", rule.name, LONGEST_NAME, words)}'
        f"{_field('category', rule.category, 64, words, more=_KNOWN)}"
        f'<label>{escape(words("review_score"))}<input type="number" name="score" min="0" max="1" '
        f'step="0.05" value="{rule.score:g}"></label>'
        f"{select('language', languages, rule.language, words)}</div>"
        f"<fieldset><legend>{escape(words('review_stages'))}</legend>{stages}</fieldset>"
        f"{_lines('patterns', rule.patterns, words)}{_lines('unless', rule.unless, words)}"
        f'<label class="check"><input type="checkbox" name="is_active"'
        f"{' checked' if rule.is_active else ''}> {escape(words('review_active'))}</label>"
        f"{_buttons(rule, words)}</form>"
    )


def _field(name: str, value: str, longest: int, words: Words, *, more: str = "") -> str:
    return (
        f'<label>{escape(words(f"review_{name}"))}<input name="{name}" maxlength="{longest}" '
        f'dir="auto" value="{quoted(value)}"{more}></label>'
    )


def _lines(name: str, lines: Sequence[str], words: Words) -> str:
    text = escape("\n".join(lines))
    return (
        f'<label class="lines">{escape(words(f"review_{name}"))}'
        f"<small>{escape(words(f'review_{name}_info'))}</small>"
        f'<textarea name="{name}" rows="4" dir="auto" spellcheck="false">\n{text}</textarea>'
        "</label>"
    )


def _buttons(rule: OperatorRule, words: Words) -> str:
    days = select("days", pairs(map(str, DAYS)), "7", words, is_optional=False)
    delete = ""
    if rule.id:
        delete = (
            f'<details class="delete"><summary>{escape(words("delete"))}</summary>'
            f"<p>{escape(words('review_ask_delete'))}</p>"
            f'<button type="button" data-review="delete">{escape(words("admin_yes"))}</button>'
            "</details>"
        )
    return (
        f'<div class="buttons">'
        f'<button type="button" class="yes" data-review="save">{escape(words("save"))}</button>'
        f'<button type="button" data-review="try">{escape(words("review_try"))}</button>{days}'
        f"{delete}</div>"
    )


def trial(found: Trial, words: Words) -> str:
    """Return how far a trial has come, and what it has found so far."""
    key = "review_tried" if found.is_over else "review_trying"
    progress = words(
        key,
        done=f"{found.num_done:,}",
        texts=f"{found.num_texts:,}",
        matches=f"{found.num_matches:,}",
    )
    bar = ""
    if not found.is_over:
        bar = (
            f'<progress max="{max(found.num_texts, 1)}" value="{found.num_done}" '
            f'aria-label="{quoted(words("review_try"))}"></progress>'
            f'<button type="button" data-review="stop">{escape(words("stop"))}</button>'
        )
    rows = "".join(_match(match, words) for match in found.matches)
    # Said aloud at the end alone: not a hundred times on the way there.
    role = ' role="status"' if found.is_over else ""
    return (
        f'<div class="trial"><p{role}>{escape(progress)}</p>{bar}'
        f'<ol class="changes">{rows}</ol></div>'
    )


def _match(match: Match, words: Words) -> str:
    text = match.text
    return (
        f"<li><p><small>{escape(words(f'review_{text.stage}'))} · "
        f'<time datetime="{text.at.isoformat()}">{text.at:%Y-%m-%d %H:%M}</time></small></p>'
        f"{judged(text.text, match.spans, words)}</li>"
    )
