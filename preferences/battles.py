"""Judgements as arrays: one row for each pair of answers that somebody compared."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from chat.errors import InvalidRequest
from preferences.arrays import Flags, Floats, Ints
from preferences.judgement import FRESH, Candidate, Judgement
from preferences.style import STYLE_NAMES, Style, contrast_styles, measure_style, style_row

Pair = tuple[Candidate, Candidate, float, bool]


@dataclass(frozen=True, slots=True)
class Battles:
    """Pairs of answers, the one shown earlier first; all arrays have a row for each pair.

    ``first`` and ``second`` index ``models``, ``cluster`` indexes ``annotators``. ``outcome`` is 1
    where the first won, 0.5 for a tie, 0 where the second won. ``weight`` is 1 / (k choose 2): a
    ranking of k answers is one vote, not k (k - 1) / 2. ``both_bad`` rows are ties of two answers
    that will not do; they count as neither win nor tie. ``slices`` maps a name ("tag:code",
    "language:en", "month:2026-01") to the rows that have it. ``left_out`` counts what is not here,
    by reason.
    """

    models: tuple[str, ...]
    annotators: tuple[str, ...]
    first: Ints
    second: Ints
    outcome: Floats
    weight: Floats
    cluster: Ints
    both_bad: Flags
    probability: Floats
    covariates: Floats
    covariate_names: tuple[str, ...] = ()
    slices: Mapping[str, Ints] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.first)

    def slice_names(self) -> tuple[str, ...]:
        """Return what `only` can be asked for, sorted."""
        return tuple(sorted([*self.slices, *(f"model:{name}" for name in self.models)]))

    def only(self, name: str) -> "Battles":
        """Return the battles of one slice, such as "language:en" or "model:tiny".

        Raises:
            InvalidRequest: there is no such slice.
        """
        kind, _, value = name.partition(":")
        if kind == "model" and value in self.models:
            index = self.models.index(value)
            return self.take(np.flatnonzero((self.first == index) | (self.second == index)))
        if name not in self.slices:
            raise InvalidRequest(
                f"There are no votes in the slice {name!r}; choose one of those listed.",
                param="slice",
            )
        return self.take(self.slices[name])

    def take(self, rows: Ints | Flags) -> "Battles":
        """Return the battles of `rows` (numbers, or a flag for each); names keep their index."""
        rows = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows.astype(np.int64)
        moved = np.full(len(self), -1, dtype=np.int64)
        moved[rows] = np.arange(len(rows))
        slices = {name: moved[old][moved[old] >= 0] for name, old in self.slices.items()}
        return replace(
            self,
            first=self.first[rows],
            second=self.second[rows],
            outcome=self.outcome[rows],
            weight=self.weight[rows],
            cluster=self.cluster[rows],
            both_bad=self.both_bad[rows],
            probability=self.probability[rows],
            covariates=self.covariates[rows],
            slices={name: kept for name, kept in slices.items() if len(kept)},
        )


def collect_battles(
    judgements: Iterable[Judgement],
    *,
    with_style: bool = False,
    styles: Mapping[str, Style] | None = None,
) -> Battles:
    """Return the pairs of all fresh votes; pairs of one model, or with a blocked answer, are out.

    `with_style` adds the style covariates; `styles` maps answer ids to what was measured before
    (an answer not in it is measured now). An annotator without a name is nobody twice: each such
    vote is a cluster of its own.
    """
    rows = _Rows(with_style, dict(styles or {}))
    for judgement in judgements:
        rows.add(judgement)
    return rows.build()


def pairs_of(judgement: Judgement, left_out: Counter[str]) -> Iterator[Pair]:
    """Yield the pairs of a judgement: earlier shown, later shown, outcome, whether both are bad."""
    levels = judgement.levels()
    for one, other in combinations(judgement.candidates, 2):
        if one.answer_id not in levels or other.answer_id not in levels:
            left_out["unranked"] += 1
        elif one.model == other.model:
            left_out["same_model"] += 1
        elif one.is_blocked or other.is_blocked:
            left_out["blocked"] += 1
        else:
            gap = levels[other.answer_id] - levels[one.answer_id]
            is_bad = gap == 0 and judgement.is_both_bad(one.answer_id, other.answer_id)
            yield one, other, 0.5 if gap == 0 else float(gap > 0), is_bad


class _Rows:
    """The growing columns of a table of battles."""

    def __init__(self, with_style: bool, styles: dict[str, Style]):
        self.with_style = with_style
        self.styles = styles
        self.models: dict[str, int] = {}
        self.annotators: dict[str, int] = {}
        self.whole = {name: array("q") for name in ("first", "second", "cluster", "both_bad")}
        self.real = {name: array("d") for name in ("outcome", "weight", "probability")}
        self.looks = (array("d"), array("d"))
        self.slices: dict[str, array[int]] = defaultdict(lambda: array("q"))
        self.left_out: Counter[str] = Counter()

    def add(self, judgement: Judgement) -> None:
        """Add the pairs of a judgement, if it is a fresh vote."""
        if judgement.kind not in FRESH:
            self.left_out[judgement.kind] += 1
            return
        before = len(self.whole["first"])
        num_shown = len(judgement.candidates)
        weight = 2.0 / (num_shown * (num_shown - 1)) if num_shown > 1 else 0.0
        for pair in pairs_of(judgement, self.left_out):
            self._add_pair(judgement, pair, weight)
        rows = range(before, len(self.whole["first"]))
        for name in _slices_of(judgement) if rows else ():
            self.slices[name].extend(rows)

    def _add_pair(self, judgement: Judgement, pair: Pair, weight: float) -> None:
        one, other, outcome, is_bad = pair
        whole, real = self.whole, self.real
        whole["first"].append(self.models.setdefault(one.model, len(self.models)))
        whole["second"].append(self.models.setdefault(other.model, len(self.models)))
        # Nobody's name can begin with this character: pseudonyms are plain text.
        who = judgement.annotator_id or f"\0{judgement.comparison.id}"
        whole["cluster"].append(self.annotators.setdefault(who, len(self.annotators)))
        whole["both_bad"].append(is_bad)
        real["outcome"].append(outcome)
        real["weight"].append(weight)
        real["probability"].append(judgement.comparison.probability)
        if self.with_style:
            for looks, candidate in zip(self.looks, (one, other), strict=True):
                looks.extend(style_row(self._style(candidate)))

    def _style(self, candidate: Candidate) -> Style:
        style = self.styles.get(candidate.answer_id)
        if style is None:
            style = self.styles[candidate.answer_id] = measure_style(candidate.text)
        return style

    def build(self) -> Battles:
        """Return the table; models and annotators are sorted, whatever came first."""
        names, models = _sorted_index(self.models)
        annotators, people = _sorted_index(self.annotators)
        whole = {name: _integers(column) for name, column in self.whole.items()}
        real = {name: np.array(column, dtype=float) for name, column in self.real.items()}
        num_styles = len(STYLE_NAMES) if self.with_style else 0
        looks = [np.array(side, float).reshape(-1, len(STYLE_NAMES)) for side in self.looks]
        styles = contrast_styles(*looks) if num_styles else np.zeros((len(whole["first"]), 0))
        return Battles(
            models=names,
            annotators=annotators,
            first=models[whole["first"]],
            second=models[whole["second"]],
            cluster=people[whole["cluster"]],
            both_bad=whole["both_bad"].astype(np.bool_),
            covariates=styles,
            covariate_names=STYLE_NAMES[:num_styles],
            slices={name: _integers(rows) for name, rows in sorted(self.slices.items())},
            left_out=dict(self.left_out),
            **real,
        )


def _slices_of(judgement: Judgement) -> Iterator[str]:
    yield from (f"tag:{tag}" for tag in dict.fromkeys(judgement.tags))
    if judgement.language:
        yield f"language:{judgement.language}"
    moment = judgement.created_at
    yield f"month:{moment.year:04}-{moment.month:02}"


def _integers(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int64)


def _sorted_index(index: Mapping[str, int]) -> tuple[tuple[str, ...], Ints]:
    """Return the names sorted, and for each old number the new one."""
    names = tuple(sorted(index))
    moved = np.zeros(len(names), dtype=np.int64)
    for place, name in enumerate(names):
        moved[index[name]] = place
    return names, moved
