"""The figures: by hand, against scikit-learn, and where there is nothing to say."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from moderation.evaluation.metrics import (
    METRICS,
    Scored,
    Weighted,
    compare,
    measure,
    point_values,
    reliability,
    resample,
    wilson,
)


def make_scored(labels, scores, threshold=0.5, families=None) -> Scored:
    scores = np.asarray(scores, dtype=np.float64)
    return Scored(
        np.asarray(labels, dtype=bool),
        scores,
        scores >= threshold,
        np.arange(len(scores)) if families is None else np.asarray(families),
    )


@st.composite
def scored_rows(draw, both_classes=True) -> Scored:
    size = draw(st.integers(2, 40))
    labels = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    if both_classes:
        labels[0], labels[1] = True, False
    # Few different values, so that ties are common.
    grid = st.integers(0, 8).map(lambda each: each / 8)
    scores = draw(st.lists(grid, min_size=size, max_size=size))
    families = draw(st.lists(st.integers(0, 6), min_size=size, max_size=size))
    return make_scored(labels, scores, families=families)


def test_the_figures_are_those_worked_out_by_hand():
    # In order of score: hit, miss, hit, miss, miss.
    scored = make_scored([1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.2, 0.1])
    values, best_score = point_values(scored)
    assert values["auprc"] == pytest.approx(1 * 0.5 + 2 / 3 * 0.5)
    assert values["auroc"] == pytest.approx(5 / 6)
    assert values["best_f1"] == pytest.approx(0.8) and best_score == 0.7
    assert values["recall_at_1_fpr"] == 0.5
    assert values["f1"] == pytest.approx(0.8)
    assert (values["recall"], values["fpr"]) == (1.0, pytest.approx(1 / 3))
    # Bins of one row each: .9 to 1, .8 to 0, .7 to 1, .2 to 0, .1 to 0.
    assert values["ece"] == pytest.approx((0.1 + 0.8 + 0.3 + 0.2 + 0.1) / 5)


@settings(deadline=None, max_examples=80)
@given(scored_rows(), st.integers(0, 2**31))
def test_the_quick_weighted_metrics_are_those_of_sklearn(scored, seed):
    weights = np.random.default_rng(seed).integers(0, 4, len(scored.labels)).astype(float)
    weights[:2] += 1  # both classes stay
    found = Weighted(scored).values(weights)
    known = {"sample_weight": weights}
    assert found["auprc"] == pytest.approx(
        average_precision_score(scored.labels, scored.scores, **known)
    )
    assert found["auroc"] == pytest.approx(roc_auc_score(scored.labels, scored.scores, **known))
    assert found["f1"] == pytest.approx(
        f1_score(scored.labels, scored.flags, zero_division=0, **known)
    )


@settings(deadline=None, max_examples=60)
@given(scored_rows(both_classes=False))
def test_with_every_weight_one_the_quick_forms_give_the_values(scored):
    quick = Weighted(scored).values(np.ones(len(scored.labels)))
    values, _ = point_values(scored)
    assert quick.keys() == values.keys()
    for name, value in values.items():
        assert quick[name] == pytest.approx(value), name


@settings(deadline=None, max_examples=40)
@given(scored_rows())
def test_an_interval_holds_shares_between_nothing_and_all(scored):
    for name, estimate in measure(scored, 30).values.items():
        assert name in METRICS and math.isfinite(estimate.value)
        if estimate.low is not None:
            assert 0 <= estimate.low <= estimate.high <= 1


@settings(deadline=None, max_examples=40)
@given(scored_rows())
def test_a_chain_does_not_differ_from_itself(scored):
    for estimate in compare(scored, scored, 20).values():
        assert {estimate.value, estimate.low, estimate.high} <= {0, None}


def test_without_positives_only_false_positives_and_calibration_are_said():
    figures = measure(make_scored([0] * 50, [0.9] * 5 + [0.1] * 45), 50)
    assert figures.values.keys() == {"fpr", "ece"}
    assert figures.values["fpr"].value == 0.1


def test_without_negatives_there_are_no_false_positives():
    figures = measure(make_scored([1, 1, 1], [0.9, 0.1, 0.9]), 50)
    assert figures.values.keys() == {"f1", "recall", "ece"}
    assert figures.values["recall"].value == pytest.approx(2 / 3)


def test_all_ties_rank_by_chance():
    values, best_score = point_values(make_scored([1, 0, 0, 0], [0.3] * 4))
    assert (values["auprc"], values["auroc"], values["recall_at_1_fpr"]) == (0.25, 0.5, 0.0)
    assert best_score == 0.3


def test_one_row_and_no_row_are_no_error():
    assert measure(make_scored([1], [1.0]), 10).values["recall"].value == 1
    figures = measure(make_scored([], []), 10)
    assert (figures.num_rows, figures.values) == (0, {})
    assert compare(make_scored([], []), make_scored([], []), 10) == {}


def test_scores_that_are_not_numbers_are_refused():
    with pytest.raises(AssertionError):
        make_scored([1, 0], [math.nan, 0.5])


def test_no_false_positive_in_a_hundred_still_has_an_interval():
    figures = measure(make_scored([0] * 100 + [1], [0.1] * 100 + [0.9]), 50)
    estimate = figures.values["fpr"]
    assert estimate.value == 0 == estimate.low
    assert 0.02 < estimate.high < 0.05  # "rule of three"


def test_rows_of_one_family_count_as_one_opinion():
    labels, scores = [1] * 40 + [0] * 40, [0.9, 0.2] * 20 + [0.1] * 40
    alone = measure(make_scored(labels, scores), 200).values["recall"]
    # Two families of positives, one caught and one not, however many rows they have.
    families = [0, 1] * 20 + list(range(2, 42))
    together = measure(make_scored(labels, scores, families=families), 200).values["recall"]
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_resamples_draw_whole_families_and_can_be_repeated():
    families = np.asarray([7, 7, 3, 3, 3, 9])
    for weights, again in zip(resample(families, 20, 1), resample(families, 20, 1), strict=True):
        assert (weights == again).all()
        assert weights[0] == weights[1] and weights[2] == weights[3] == weights[4]
        assert weights[0] + weights[2] + weights[5] == 3


def test_paired_differences_see_what_two_intervals_would_hide():
    random = np.random.default_rng(0)
    labels = random.random(400) < 0.4
    scores = np.clip(0.35 * labels + random.random(400) * 0.6, 0, 1)
    worse = np.clip(scores - 0.03 * labels, 0, 1)
    better, other = make_scored(labels, scores), make_scored(labels, worse)
    difference = compare(better, other, 200)["auprc"]
    assert difference.low > 0
    assert measure(other, 200).values["auprc"].high > measure(better, 200).values["auprc"].low


def test_calibrated_scores_have_no_calibration_error():
    scores = np.repeat([0.1, 0.9], 10)
    labels = [1] + [0] * 9 + [1] * 9 + [0]
    assert point_values(make_scored(labels, scores))[0]["ece"] == pytest.approx(0)
    first, second = reliability(np.asarray(labels, dtype=bool), scores)
    assert (first.num_rows, first.share_positive) == (10, 0.1)
    assert second.share_positive == 0.9


def test_a_score_of_one_falls_into_the_last_bin():
    (only,) = reliability(np.asarray([True]), np.asarray([1.0]))
    assert only.num_rows == 1


def test_wilson_knows_its_textbook_value():
    low, high = wilson(0.1, 100)
    assert (low, high) == (pytest.approx(0.0552, abs=1e-4), pytest.approx(0.1744, abs=1e-4))
    assert wilson(0.5, 0) == (0, 1)
