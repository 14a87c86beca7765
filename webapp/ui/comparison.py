"""Answers side by side as HTML: while they are written, to be ranked, and once they are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

from chat.types import Compared, Ranking, ThreadMessage
from webapp.ui import markdown
from webapp.ui.language import Words

# How much better the best answer is, in words and as `Ranking.strength` has it.
STRENGTHS: Mapping[str, float] = {"slightly": 0.33, "clearly": 0.67, "much": 1.0}


@dataclass(frozen=True, slots=True)
class LiveComparison:
    """A question that is being answered several times; the answers in the order shown."""

    question: str
    answers: tuple[str, ...]

    def grown(self, place: int, delta: str) -> "LiveComparison":
        """Return it with more of one answer."""
        return self.ended(place, self.answers[place] + delta)

    def ended(self, place: int, text: str) -> "LiveComparison":
        """Return it with the whole of one answer."""
        answers = (*self.answers[:place], text, *self.answers[place + 1 :])
        return replace(self, answers=answers)


@dataclass(frozen=True, slots=True)
class Ballots:
    """What was compared in a chat, the newest first; ``open_id`` is what is being ranked."""

    compared: Sequence[Compared] = ()
    open_id: str = ""

    def of(self, answer_id: str) -> Compared | None:
        """Return the newest comparison that showed an answer."""
        found = (each for each in self.compared if answer_id in each.comparison.answer_ids)
        return next(found, None)


def letter_of(place: int) -> str:
    """Return what the answer shown at a place is called."""
    return "ABCDEFGH"[place]


def live(comparison: LiveComparison, words: Words) -> str:
    """Return the answers as far as they may be seen, without a word of who writes them."""
    columns = ""
    for place, answer in enumerate(comparison.answers):
        text = f'<span class="thinking">{escape(words("thinking"))}</span>'
        if answer:
            text = markdown.render(answer, is_partial=True, copy_label=words("copy"))
        columns += _column(place, text, words, ' aria-busy="true"')
    return (
        f'<section class="comparison" aria-label="{_label(words, "compare_live")}">'
        f'<div class="candidates">{columns}</div></section>'
    )


def ballot(compared: Compared, current: ThreadMessage, words: Words) -> str:
    """Return the answers with what it takes to rank them, filled in as it was said before.

    `current` is the answer on display: what a question asked meanwhile follows.
    """
    comparison, ranking = compared.comparison, compared.ranking
    title, num_answers = f"ballot-{escape(comparison.id, quote=True)}", len(compared.answers)
    columns = "".join(
        _candidate(place, answer, num_answers, ranking, words)
        for place, answer in enumerate(compared.answers)
    )
    strength = _strength(comparison.id, ranking, words) if num_answers == 2 else ""
    comment = escape(ranking.comment) if ranking else ""
    none = _box(
        "none", words("compare_none"), is_checked=bool(ranking and ranking.is_none_acceptable)
    )
    return (
        f'<section class="message comparison ballot" data-id="{_quote(current.stored.id)}" '
        f'data-question="{_quote(comparison.question_id)}" '
        f'data-comparison="{_quote(comparison.id)}" aria-labelledby="{title}">'
        f'<h2 id="{title}">{escape(words("compare_which"))}</h2>'
        f'<p class="hint">{escape(words("compare_hint", count=num_answers))}</p>'
        f'<div class="candidates">{columns}</div><div class="more">{none}{strength}'
        f'<textarea rows="2" maxlength="2000" dir="auto" aria-label="{_label(words, "comment")}" '
        f'placeholder="{_label(words, "comment")}">{comment}</textarea></div>'
        f'<p class="missing" role="alert" data-text="{_label(words, "compare_missing")}"></p>'
        '<div class="choices"><button type="button" data-do="skip">'
        f"{escape(words('compare_skip'))}</button>"
        f'<button type="button" class="yes" data-do="vote">{escape(words("save"))}</button></div>'
        "</section>"
    )


def vote_line(compared: Compared, words: Words) -> str:
    """Return what somebody thought of a comparison, or that they have yet to say it."""
    if compared.ranking is None:
        said, buttons = escape(words("vote_open")), _act("ballot", "vote_rank", words)
    else:
        said = f"<b>{escape(words('vote_yours'))}</b> {_said(compared, compared.ranking, words)}"
        buttons = _act("ballot", "vote_change", words) + _act("withdraw", "vote_withdraw", words)
    return (
        f'<div class="vote" data-comparison="{_quote(compared.comparison.id)}">'
        f'<span dir="auto">{said}</span> {buttons}</div>'
    )


def _said(compared: Compared, ranking: Ranking, words: Words) -> str:
    """Return a ranking in words, and who wrote the answers."""
    names = {
        answer.stored.id: _name(place, answer, words)
        for place, answer in enumerate(compared.answers)
    }
    groups = [
        " = ".join(names[answer_id] for answer_id in group if answer_id in names)
        for group in ranking.groups
    ]
    parts = [f"{rank_name(rank, words)} {said}" for rank, said in enumerate(groups, 1) if said]
    if ranking.is_none_acceptable:
        parts.append(words("compare_none"))
    return escape("; ".join(parts))


def _name(place: int, answer: ThreadMessage, words: Words) -> str:
    name = words("compare_name", letter=letter_of(place))
    return f"{name} ({answer.generation.model})" if answer.generation else name


def rank_name(rank: int, words: Words) -> str:
    """Return a rank, such as "1st"."""
    return words(f"rank_{rank}") if rank <= 3 else words("rank_other", rank=rank)


def _candidate(
    place: int, answer: ThreadMessage, num_answers: int, ranking: Ranking | None, words: Words
) -> str:
    answer_id, letter = answer.stored.id, letter_of(place)
    groups = ranking.groups if ranking else ()
    chosen = next((rank for rank, group in enumerate(groups, 1) if answer_id in group), 0)
    # Names of radio buttons hold for the whole page; the ids of answers are unique there.
    ranks = "".join(
        f'<label><input type="radio" name="rank-{_quote(answer_id)}" value="{rank}"'
        f"{' checked' if rank == chosen else ''}> {escape(rank_name(rank, words))}</label>"
        for rank in range(1, num_answers + 1)
    )
    is_acceptable = bool(ranking and answer_id in ranking.acceptable)
    legend = escape(words("compare_rank_of", letter=letter))
    foot = (
        f'<fieldset class="ranks"><legend>{legend}</legend>{ranks}</fieldset>'
        f"{_box('acceptable', words('compare_acceptable'), is_checked=is_acceptable)}"
    )
    text = markdown.render(answer.stored.message.content, copy_label=words("copy"))
    mark = f' tabindex="0" data-answer="{_quote(answer_id)}"'
    return _column(place, text, words, mark, foot)


def _column(place: int, text: str, words: Words, mark: str, foot: str = "") -> str:
    name = escape(words("compare_name", letter=letter_of(place)), quote=True)
    return (
        f'<article class="answer candidate" aria-label="{name}"{mark}><h3>{name}</h3>'
        f'<div class="text" dir="auto">{text}</div>{foot}</article>'
    )


def _strength(comparison_id: str, ranking: Ranking | None, words: Words) -> str:
    """Return how much better the best answer is, as may be said of a pair."""
    said = ranking.strength if ranking else None
    nearest = "" if said is None else min(STRENGTHS, key=lambda name: abs(STRENGTHS[name] - said))
    choices = "".join(
        f'<label><input type="radio" name="strength-{_quote(comparison_id)}" value="{name}"'
        f"{' checked' if name == nearest else ''}> {escape(words(key))}</label>"
        for name, key in _strength_keys()
    )
    legend = escape(words("compare_strength"))
    return f'<fieldset class="strength"><legend>{legend}</legend>{choices}</fieldset>'


def _strength_keys() -> Iterable[tuple[str, str]]:
    yield "", "strength_unsaid"
    for name in STRENGTHS:
        yield name, f"strength_{name}"


def _box(name: str, label: str, *, is_checked: bool) -> str:
    mark = " checked" if is_checked else ""
    return (
        f'<label class="{name}"><input type="checkbox" data-mark="{name}"{mark}> '
        f"{escape(label)}</label>"
    )


def _act(action: str, key: str, words: Words) -> str:
    return f'<button type="button" data-do="{action}">{escape(words(key))}</button>'


def _label(words: Words, key: str) -> str:
    return escape(words(key), quote=True)


def _quote(text: str) -> str:
    return escape(text, quote=True)
