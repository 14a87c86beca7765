"""What must hold of the measures of agreement, by published and by hand numbers."""

import json
import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preferences.agreement import (
    count_verdicts,
    kendall_w,
    measure_agreement,
    ordinal_alpha,
    raw_agreement,
    tau_b,
)
from preferences.synthetic import Crowd, expected_shares, make_judgements
from tests.judgement_kit import judge

# Krippendorff 2011, "Computing Krippendorff's alpha-reliability", section D: 4 observers, 12 units.
PUBLISHED = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""
levels = st.lists(st.integers(0, 3), min_size=3, max_size=5)


def published_counts():
    columns = zip(*(line.split() for line in PUBLISHED.split("\n") if line), strict=True)
    return np.array([[column.count(str(value)) for value in range(1, 6)] for column in columns])


def alpha_by_hand(counts):
    """Ordinal alpha as Krippendorff writes it: observed over expected disagreement."""
    counts = [row for row in counts.tolist() if sum(row) > 1]
    totals = [sum(column) for column in zip(*counts, strict=True)]
    number = sum(totals)

    def distance(one, other):
        low, high = sorted((one, other))
        return (sum(totals[low : high + 1]) - (totals[low] + totals[high]) / 2) ** 2

    pairs = list(combinations(range(len(totals)), 2))
    seen = sum(
        row[a] * row[b] / (sum(row) - 1) * distance(a, b) for row in counts for a, b in pairs
    )
    expected = sum(totals[a] * totals[b] * distance(a, b) for a, b in pairs)
    return 1 - (number - 1) * seen / expected


def test_alpha_of_the_published_example():
    assert ordinal_alpha(published_counts()) == pytest.approx(0.815, abs=5e-4)
    assert alpha_by_hand(published_counts()) == pytest.approx(0.815, abs=5e-4)


@settings(max_examples=50)
@given(st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=1, max_size=8))
def test_alpha_is_that_of_its_definition(rows):
    counts = np.array(rows)
    used = counts[counts.sum(axis=1) > 1]
    found = ordinal_alpha(counts)
    if np.count_nonzero(used.sum(axis=0)) < 2:
        assert found is None
    else:
        assert found == pytest.approx(alpha_by_hand(counts))


def test_alpha_of_data_that_say_nothing_is_none():
    assert ordinal_alpha(np.zeros((0, 3), dtype=np.int64)) is None
    assert ordinal_alpha(np.array([[1, 0, 0], [0, 0, 1]])) is None  # nobody judged the same
    assert ordinal_alpha(np.array([[0, 5, 0], [0, 3, 0]])) is None  # nothing ever differs


def test_verdicts_are_counted_in_both_directions():
    # a before b, twice; once tied.
    counts = count_verdicts([(0, 1), (0, 1), (0, 0)])
    assert counts.tolist() == [[0, 1, 2], [2, 1, 0]]
    assert raw_agreement(counts) == pytest.approx(1 / 3)


def test_kendalls_w_between_its_ends():
    assert kendall_w([(0, 1, 2, 3)] * 5) == pytest.approx(1)
    assert kendall_w([(0, 1, 2), (2, 1, 0)]) == 0
    # Rank sums 2, 4.5, 5.5 about 4: S = 6.5; one group of two ties: T = 6.
    assert kendall_w([(0, 1, 1), (0, 1, 2)]) == pytest.approx(12 * 6.5 / (4 * 24 - 2 * 6))
    # Kendall and Gibbons' case of ties alone, and of nobody to agree with.
    assert kendall_w([(0, 0, 0), (0, 0, 0)]) is None
    assert kendall_w([(0, 1, 2)]) is None


def test_kendalls_w_of_untied_ranks_follows_from_the_mean_rank_correlation():
    rng = np.random.default_rng(0)
    votes = [tuple(rng.permutation(6).tolist()) for _ in range(4)]
    rhos = [np.corrcoef(one, other)[0, 1] for one, other in combinations(votes, 2)]
    assert kendall_w(votes) == pytest.approx((np.mean(rhos) * 3 + 1) / 4)


def test_tau_b_by_hand():
    assert tau_b((0, 1, 2), (0, 1, 1)) == pytest.approx(2 / math.sqrt(3 * 2))
    assert tau_b((0, 1, 2), (2, 1, 0)) == -1 and tau_b((0, 1), (0, 1)) == 1
    assert tau_b((0, 0, 0), (0, 1, 2)) is None


@given(levels, st.data())
def test_tau_is_symmetric_bounded_and_1_with_oneself(one, data):
    other = data.draw(st.permutations(one))
    found = tau_b(tuple(one), tuple(other))
    if len(set(one)) == 1:
        assert found is None
    else:
        assert tau_b(tuple(one), tuple(one)) == pytest.approx(1)
        assert -1 - 1e-9 <= found <= 1 + 1e-9
        assert found == pytest.approx(tau_b(tuple(other), tuple(one)))


@given(st.lists(st.permutations([0, 0, 1, 2]).map(tuple), min_size=2, max_size=5))
def test_w_and_raw_agreement_are_shares(votes):
    assert -1e-9 <= kendall_w(votes) <= 1 + 1e-9
    assert 0 <= raw_agreement(count_verdicts(votes)) <= 1


def shared(verdicts, names="abcdefgh"):
    """Judgements of items by several people: for each item a list of their groups."""
    return [
        judge(groups, names[person], item=f"item-{number}")
        for number, votes in enumerate(verdicts)
        for person, groups in enumerate(votes)
    ]


def test_full_agreement_is_1_and_opposition_below_0():
    found = measure_agreement(shared([["a>b>c"] * 3] * 6))
    for estimate in (found.alpha, found.kendall_w, found.tau_b, found.raw):
        assert (estimate.value, estimate.lower, estimate.upper) == pytest.approx((1, 1, 1))
        assert estimate.num_cases == 6
    against = measure_agreement(shared([["a>b>c", "c>b>a"]] * 6))
    assert against.alpha.value < -0.5 and against.tau_b.value == -1
    assert (against.kendall_w.value, against.raw.value) == (0, 0)
    assert (against.num_items, against.num_annotators) == (6, 2)


def test_w_is_of_three_answers_and_more_the_rest_of_pairs_too():
    found = measure_agreement(shared([["a>b", "a>b"]] * 6))
    assert found.kendall_w.value is None and found.kendall_w.num_cases == 0
    assert found.raw.value == 1


def test_too_little_to_compare_is_said_so():
    for judgements in ([], [judge("a>b")], shared([["a>b"]] * 9)):
        found = measure_agreement(judgements)
        assert found.alpha.value is None and found.raw.value is None
        assert (found.num_items, found.num_annotators) == (0, 0)
    few = measure_agreement(shared([["a>b", "b>a"], ["a>b", "a>b"]]))
    assert few.raw.value == 0.5 and few.raw.lower is None and few.raw.num_cases == 2
    assert json.loads(json.dumps(few.to_json()))["alpha"]["lower"] is None
    ties = measure_agreement(shared([["ab", "ab"]] * 6))
    assert ties.alpha.value is None and ties.raw.value == 1


def test_repeats_checks_and_second_votes_do_not_count():
    first = shared([["a>b", "a>b"]] * 6)
    noise = [
        judge("b>a", "a", item="item-0", minute=5),
        judge("b>a", "c", item="item-0", kind="repeat"),
        judge("b>a", "c", item="item-0", kind="check"),
        judge("b>a", "c", item="item-0", kind="edit"),
    ]
    assert measure_agreement(first + noise).raw.value == 1


def test_neither_the_names_of_answers_nor_the_order_shown_matter():
    verdicts = [["a>b", "ab"], ["b>a", "b>a"], ["ab", "a>b"], ["a>b", "a>b"], ["a>b", "b>a"]]
    swapped = [[vote.translate(str.maketrans("ab", "ba")) for vote in item] for item in verdicts]
    plain, other = measure_agreement(shared(verdicts)), measure_agreement(shared(swapped))
    assert plain.to_json() == other.to_json()
    turned = [
        judge(groups, name, item=f"item-{number}", shown=shown)
        for number, item in enumerate(verdicts)
        for groups, name, shown in zip(item, "xy", ("ab", "ba"), strict=True)
    ]
    assert measure_agreement(turned).alpha == plain.alpha


def expected_agreement(crowd):
    """Alpha and raw agreement of endless items, where all annotators have the same taste."""
    first, second = np.nonzero(~np.eye(len(crowd.strengths), dtype=bool))
    shares = np.stack(expected_shares(crowd, first, second)[::-1])
    pairs = shares @ shares.T / len(first)
    share = pairs.sum(axis=0)
    before = np.cumsum(share) - share / 2
    distance = np.square(np.subtract.outer(before, before))
    alpha = 1 - (pairs * distance).sum() / (np.outer(share, share) * distance).sum()
    return alpha, np.trace(pairs)


def test_intervals_hold_what_endless_items_would_show():
    crowd = Crowd((-0.8, 0.0, 0.8), num_annotators=400, overlap=2, num_rankings=200)
    held = np.zeros(2)
    for seed in range(50):
        found = measure_agreement(make_judgements(crowd, seed), resamples=120)
        for place, value in enumerate(expected_agreement(crowd)):
            one = (found.alpha, found.raw)[place]
            held[place] += one.lower <= value <= one.upper
    assert (held >= 43).all()  # 47.5 expected; fewer than 43 in one of forty series


def test_with_many_items_the_interval_is_that_of_all_of_them(monkeypatch):
    monkeypatch.setattr("preferences.agreement.MOST_ITEMS", 100)
    crowd = Crowd((-0.8, 0.0, 0.8), num_annotators=50, overlap=2, num_rankings=2000)
    found = measure_agreement(make_judgements(crowd, seed=0)).raw
    width = 2 * 1.96 * math.sqrt(found.value * (1 - found.value) / 1000)
    assert found.upper - found.lower == pytest.approx(width, rel=0.2)
