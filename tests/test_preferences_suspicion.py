"""What must hold of the test for bad voters: it rarely accuses the honest, and finds the others."""

import json
import math
from itertools import permutations

import pytest

from preferences import suspicion
from preferences.suspicion import read_vote, watch_votes
from preferences.synthetic import Crowd, draw_votes, make_judgements
from tests.judgement_kit import judge

SIX = (-1.0, -0.6, -0.2, 0.2, 0.6, 1.0)
GROUPS = {0: "b>a", 1: "ab", 2: "a>b"}


def vote(outcome, who, number):
    return judge(GROUPS[outcome], who, item=f"item-{number}", minute=number)


def flags(crowd, seed, alpha=0.01):
    """For each kind of annotator (-1: honest) how many were flagged, and how many there are."""
    spam = draw_votes(crowd, seed).spam
    counted = {}
    for name, found in watch_votes(make_judgements(crowd, seed), alpha=alpha).items():
        flagged, everyone = counted.get(int(spam[int(name.split("-")[1])]), (0, 0))
        counted[int(spam[int(name.split("-")[1])])] = (flagged + found.is_flagged, everyone + 1)
    return counted


def test_honest_people_are_rarely_accused_however_often_one_looks():
    crowd = Crowd(SIX, num_annotators=200, num_rankings=8000, first_place=0.3)
    accused, everyone = flags(crowd, seed=1, alpha=0.05)[-1]
    assert everyone == 200 and accused <= 16  # 10 are allowed; 17 or more in 2 % of series


def test_bad_voters_are_found_among_honest_ones_with_tastes_of_their_own():
    crowd = Crowd(
        SIX, num_annotators=60, num_rankings=9000, taste_sd=0.3, spammers=(0.0, 0.08, 0.08)
    )
    found = flags(crowd, seed=3)
    assert found[1][0] == found[1][1] > 0 and found[2][0] == found[2][1] > 0
    assert found[-1][0] <= 2


def test_a_random_voter_is_found_where_others_are_sure():
    crowd = Crowd((-3.0, 0.0, 3.0), 40, 4000, log_tie=-2.0, spammers=(0.1, 0.0, 0.0))
    found = flags(crowd, seed=4)
    assert found[0][0] == found[0][1] > 0 and found[-1][0] <= 1


def test_a_bad_voter_is_named_by_kind():
    honest = [vote(2, f"person-{number % 9}", number) for number in range(90)]
    honest += [vote(0, f"person-{number % 9}", 90 + number) for number in range(30)]
    last = [vote(0, "eve", 300 + number) for number in range(20)]
    found = watch_votes([*honest, *last])["eve"]
    assert found.is_flagged and found.kind == "last" and found.flagged_at < 20
    assert found.highest >= 100 and found.num_votes == 20


def test_nobody_is_flagged_before_the_fifth_vote():
    honest = [vote(2, f"person-{number % 9}", number) for number in range(900)]
    four = [vote(0, "eve", 1000 + number) for number in range(4)]
    assert not watch_votes([*honest, *four])["eve"].is_flagged
    five = [*four, vote(0, "eve", 1004)]
    assert watch_votes([*honest, *five])["eve"].flagged_at == 5


@pytest.mark.parametrize("kind", ["random", "first", "last"])
def test_the_mean_evidence_over_all_orders_of_the_same_votes_is_at_most_1(monkeypatch, kind):
    # Three own votes among seven: each way to draw them from the pool is as likely as any other.
    monkeypatch.setattr(suspicion, "KINDS", {kind: suspicion.KINDS[kind]})
    pool, found = (2, 2, 1, 0, 2, 0, 2), []
    for own in permutations(range(7), 3):
        mine = [vote(pool[place], "eve", number) for number, place in enumerate(own)]
        rest = [vote(pool[place], "ann", 9 + place) for place in range(7) if place not in own]
        found.append(watch_votes([*mine, *rest])["eve"].evidence)
    assert 0 < sum(found) / len(found) <= 1 + 1e-12


def test_a_lonely_voter_is_judged_by_nobody():
    alone = watch_votes([vote(number % 3, "ann", number) for number in range(50)])["ann"]
    assert not alone.is_flagged


def test_votes_count_in_the_order_of_time():
    votes = [vote(2, f"person-{number % 9}", number) for number in range(200)]
    votes += [vote(0, "eve", 300 + number) for number in range(9)]
    assert watch_votes(votes) == watch_votes(votes[::-1])


def test_what_is_no_vote_between_two_models_is_no_evidence():
    assert read_vote(judge("a>b", kind="repeat")) is None
    assert read_vote(judge("a>b", models=("same", "same"))) is None
    assert read_vote(judge("ab", is_none_acceptable=True)) is None
    assert read_vote(judge("a>b", blocked="ab")) is None
    assert read_vote(judge("a>b>c", blocked="a")).pair == ("B", "C")
    turned = read_vote(judge("a>b", shown="ba"))
    assert (turned.pair, turned.outcome) == (("B", "A"), 0)
    assert watch_votes([judge("a>b", "")]) == {}


def test_evidence_beyond_all_measure_is_still_a_number():
    votes = [vote(2, f"person-{number % 9}", number) for number in range(9000)]
    votes += [vote(0, "eve", 10_000 + number) for number in range(900)]
    found = watch_votes(votes)["eve"]
    assert math.isfinite(found.evidence) and math.isfinite(found.highest)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["is_flagged"]
