"""What must hold of synthetic annotators: their truth is the truth."""

from dataclasses import replace

import numpy as np
import pytest

from preferences.judgement import check_ranking
from preferences.synthetic import (
    SPAMMERS,
    Crowd,
    draw_votes,
    expected_shares,
    make_battles,
    make_judgements,
    population_thetas,
)

CROWD = Crowd(
    (-1.0, 0.0, 1.0),
    num_annotators=3000,
    num_rankings=200_000,
    taste_sd=0.8,
    first_place=0.4,
    noise=1.3,
    spammers=(0.1, 0.1, 0.1),
)


def test_a_seed_gives_the_same_votes_and_another_one_others():
    small = replace(CROWD, num_rankings=50)
    assert list(make_judgements(small, 1)) == list(make_judgements(small, 1))
    assert list(make_judgements(small, 1)) != list(make_judgements(small, 2))


def test_votes_come_as_often_as_expected():
    battles = make_battles(CROWD, seed=1)
    first, second = np.nonzero(~np.eye(3, dtype=bool))
    for one, other, *shares in zip(
        first, second, *expected_shares(CROWD, first, second), strict=True
    ):
        found = battles.outcome[(battles.first == one) & (battles.second == other)]
        seen = [(found == outcome).mean() for outcome in (1.0, 0.5, 0.0)]
        assert seen == pytest.approx(shares, abs=0.012)


def test_tastes_and_spammers_flatten_what_a_crowd_shows():
    honest = replace(CROWD, taste_sd=0.0, noise=1.0, spammers=(0.0, 0.0, 0.0))
    assert population_thetas(honest) == pytest.approx(np.array(honest.strengths), abs=1e-4)
    for change in ({"taste_sd": 1.0}, {"noise": 2.0}, {"spammers": (0.2, 0.0, 0.0)}):
        flat = population_thetas(replace(honest, **change))
        assert 0.2 < flat[2] < 0.9


def test_longer_rankings_have_the_pairs_of_bradley_and_terry():
    crowd = Crowd((-1.0, 0.0, 0.5, 1.0), 2000, 60_000, num_shown=4)
    battles = make_battles(crowd, seed=2)
    top = battles.outcome[(battles.first == 3) & (battles.second == 0)].mean()
    assert top == pytest.approx(1 / (1 + np.exp(-2.0)), abs=0.01)
    assert not (battles.outcome == 0.5).any()
    assert (make_battles(replace(crowd, tie_gap=0.5), seed=2).outcome == 0.5).mean() > 0.1


def test_spammers_vote_as_they_are_called():
    votes = draw_votes(replace(CROWD, num_rankings=5000), seed=3)
    kinds = votes.spam[votes.annotators]
    assert (votes.levels[kinds == SPAMMERS.index("first")] == [0, 1]).all()
    contrary = kinds == SPAMMERS.index("contrary")
    strong_first = contrary & (votes.models[:, 0] == 2) & (votes.models[:, 1] == 0)
    assert (votes.levels[strong_first, 0] > votes.levels[strong_first, 1]).mean() > 0.6


@pytest.mark.parametrize("num_shown", [2, 3])
def test_judgements_are_such_as_people_make(num_shown):
    crowd = replace(CROWD, num_annotators=12, num_rankings=300, overlap=3, num_shown=num_shown)
    judgements = list(make_judgements(crowd, seed=4, repeats=0.1))
    for judgement in judgements:
        check_ranking(judgement.comparison, judgement.ranking)
        answers = [candidate.answer_id for candidate in judgement.candidates]
        assert tuple(answers) == judgement.comparison.answer_ids
        assert judgement.prompt[-1].role == "user"
    fresh = [one for one in judgements if one.kind == "rank"]
    assert len(fresh) == 300 and len({(one.item, one.annotator_id) for one in fresh}) == 300
    assert len({one.item for one in fresh}) == 100
    first = {(one.item, one.annotator_id): one for one in fresh}
    repeats = [one for one in judgements if one.kind == "repeat"]
    assert repeats
    for again in repeats:
        before = first[again.item, again.annotator_id]
        assert again.comparison.answer_ids == before.comparison.answer_ids[::-1]
        assert again.created_at > before.created_at
        assert {one.answer_id: one.text for one in again.candidates} == {
            one.answer_id: one.text for one in before.candidates
        }
