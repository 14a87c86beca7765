"""What must hold of the clustered covariance: it is derived here a second time, the slow way."""

from dataclasses import replace

import numpy as np
import pytest

from preferences import sandwich
from preferences.davidson import Design, collapse, fit, gradient, information, slopes
from preferences.sandwich import Votes, clustered_spread

NUM_CLUSTERS = 7
# The distance of the first two of four models, and the fourth alone.
SUMS = np.array([[1.0, -1.0, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0]])


def make_votes(seed=0, count=140):
    rng = np.random.default_rng(seed)
    first = rng.integers(4, size=count)
    second = (first + rng.integers(1, 4, size=count)) % 4
    won = rng.choice([-1.0, 0.0, 1.0], count, p=[0.3, 0.2, 0.5])
    design = Design(4, first, second, won, rng.uniform(0.2, 2, count), np.ones((count, 1)))
    return design, rng.integers(NUM_CLUSTERS, size=count)


def every_row(design, cluster):
    return Votes(np.arange(len(design.first)), design.weight, cluster)


def root_of_inverse(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return vectors @ np.diag(values**-0.5) @ vectors.T


def derive(design, found, cluster, sums):
    """CR2 and Satterthwaite's degrees of freedom, matrix by matrix, as in their definition."""
    lower = np.linalg.cholesky(found.hessian)
    inverse = np.linalg.inv(lower)
    pulls, loads, parts = [], [], []
    for number in np.unique(cluster):
        own = cluster == number
        rows = Design(
            4, design.first[own], design.second[own], design.won[own], design.weight[own],
            design.extra[own],
        )  # fmt: skip
        slope = slopes(rows, found.parameters)
        part = inverse @ information(rows, slope) @ inverse.T
        bend = root_of_inverse(np.eye(len(part)) - part)
        pulls.append(sums @ inverse.T @ bend @ inverse @ gradient(rows, slope))
        loads.append(sums @ inverse.T @ bend)
        parts.append(part)
    covariance = np.transpose(pulls) @ np.array(pulls)
    dof = []
    for row in range(len(sums)):
        working = np.array(
            [
                [
                    loads[one][row] @ ((one == other) * parts[one] - parts[one] @ parts[other])
                    @ loads[other][row]
                    for other in range(len(parts))
                ]
                for one in range(len(parts))
            ]
        )  # fmt: skip
        dof.append(np.trace(working) ** 2 / np.square(working).sum())
    return covariance, np.array(dof)


def test_it_is_the_corrected_sandwich_of_the_literature():
    design, cluster = make_votes()
    found = fit(design, ridge=0.1)
    sums = np.concatenate([np.eye(6), [[1.0, -1.0, 0, 0, 0, 0]]])
    spread = clustered_spread(design, found, every_row(design, cluster), sums)
    covariance, dof = derive(design, found, cluster, sums)
    assert np.allclose(spread.covariance, covariance)
    assert np.allclose(spread.dof, dof)
    assert (spread.dof < NUM_CLUSTERS - 1 + 0.01).all()


def test_collapsed_rows_blocks_and_the_order_of_votes_change_nothing(monkeypatch):
    design, cluster = make_votes(seed=1)
    found = fit(design)
    plain = clustered_spread(design, found, every_row(design, cluster), np.eye(6))
    fewer, place = collapse(design)
    order = np.random.default_rng(0).permutation(len(place))
    monkeypatch.setattr(sandwich, "_BLOCK", 3)
    votes = Votes(place[order], design.weight[order], cluster[order] * 10)
    again = clustered_spread(fewer, found, votes, np.eye(6))
    assert np.allclose(again.covariance, plain.covariance)
    assert np.allclose(again.dof, plain.dof)


def test_votes_of_their_own_give_about_the_covariance_of_independent_votes():
    rng = np.random.default_rng(2)
    count = 20_000
    first = rng.integers(4, size=count)
    second = (first + rng.integers(1, 4, size=count)) % 4
    won = rng.choice([-1.0, 0.0, 1.0], count)
    design = Design(4, first, second, won, np.ones(count), np.ones((count, 1)))
    found = fit(design, ridge=1e-6)
    spread = clustered_spread(design, found, every_row(design, np.arange(count)), np.eye(6)[4:])
    plain = np.linalg.inv(found.hessian)[4:, 4:]
    assert np.allclose(np.diag(spread.covariance), np.diag(plain), rtol=0.05)
    assert (spread.dof > 3000).all()


def test_one_person_saying_all_twenty_times_knows_no_more_than_once():
    design, _ = make_votes(seed=3, count=40)
    copies = np.tile(np.arange(40), 20)
    many = Design(4, *(getattr(design, name)[copies] for name in (
        "first", "second", "won", "weight", "extra")))  # fmt: skip
    people = np.arange(40) % 10
    once = clustered_spread(
        design, fit(design, ridge=1e-3), every_row(design, people), np.eye(6)[4:5]
    )
    often = clustered_spread(
        many, fit(many, ridge=2e-2), every_row(many, people[copies]), np.eye(6)[4:5]
    )
    assert often.covariance[0, 0] == pytest.approx(once.covariance[0, 0], rel=1e-6)


def test_from_a_single_person_nothing_follows_about_others():
    design, cluster = make_votes()
    spread = clustered_spread(design, fit(design), every_row(design, cluster * 0), np.eye(6))
    assert not spread.dof.any()


def test_a_model_judged_by_two_has_about_one_degree_of_freedom_however_many_others_vote():
    rng = np.random.default_rng(4)
    first = rng.integers(3, size=900)
    second = (first + rng.integers(1, 3, size=900)) % 3
    cluster = rng.integers(60, size=900)
    design = Design(4, first, second, rng.choice([-1.0, 1.0], 900), np.ones(900), np.ones((900, 1)))
    lone = Design(4, np.full(40, 3), np.arange(40) % 3, rng.choice([-1.0, 1.0], 40), np.ones(40),
                  np.ones((40, 1)))  # fmt: skip
    both = replace(
        design,
        **{
            name: np.concatenate([getattr(design, name), getattr(lone, name)])
            for name in ("first", "second", "won", "weight", "extra")
        },
    )
    cluster = np.concatenate([cluster, np.arange(40) % 2])
    spread = clustered_spread(both, fit(both), every_row(both, cluster), SUMS)
    assert spread.dof[0] > 20
    assert 0.9 < spread.dof[1] < 2
