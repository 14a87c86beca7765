"""What must hold of an annotator's record."""

import json

import pytest

from preferences.annotators import measure_consistency, measure_first_place, report_annotators
from preferences.synthetic import SPAMMERS, Crowd, draw_votes, make_judgements
from tests.judgement_kit import judge


def report(votes, who="ann", **more):
    return next(one for one in report_annotators(votes, **more) if one.annotator_id == who)


def test_repeats_are_held_against_the_first_vote_by_answer_not_by_place():
    own = [
        judge("a>b", item="one"),
        judge("a>b", item="one", shown="ba", kind="repeat", minute=9),
        judge("a>b", item="two"),
        judge("b>a", item="two", shown="ba", kind="repeat", minute=9),
        judge("a>bc", item="three"),
        judge("a>b>c", item="three", shown="cba", kind="repeat", minute=9),
        judge("a>b", item="never seen before", kind="repeat"),
    ]
    found = measure_consistency(own)
    assert (found.value, found.num_cases) == (pytest.approx((1 + 0 + 2 / 3) / 3), 3)
    assert measure_consistency([judge("a>b")]).value is None


def test_preference_for_a_place_is_by_the_order_shown():
    always_left = [judge("a>b", item=f"{place}") for place in range(20)]
    always_left += [judge("b>a", item=f"x{place}", shown="ba") for place in range(20)]
    found = report(always_left)
    assert found.first_place.value == 1 and found.has_place_bias
    fair = [judge("a>b", item=str(place), shown=("ab", "ba")[place % 2]) for place in range(40)]
    assert report(fair).first_place.value == 0.5 and not report(fair).has_place_bias
    ranking = measure_first_place([judge("a>b>c", shown="acb"), judge("abc")])
    assert (ranking.value, ranking.num_cases) == (pytest.approx(2 / 3), 1)
    ties = report([judge("ab")])
    assert ties.first_place.value is None and not ties.has_place_bias


def test_speed_is_of_the_votes_that_were_timed():
    times = (1.0, 2.0, 10.0, 30.0, None)
    found = report([judge("a>b", item=str(time), elapsed_s=time) for time in times], fast_s=3.0)
    assert found.median_s == 6.0
    assert (found.too_fast.value, found.too_fast.num_cases) == (0.5, 4)
    assert report([judge("a>b")]).median_s is None


def test_agreement_is_with_the_others_alone():
    votes = [judge("a>b", who) for who in ("ann", "bob", "cat")] + [judge("b>a", "eve")]
    assert report(votes).agreement.value == pytest.approx(2 / 3)
    assert report(votes, "eve").agreement.value == 0
    alone = report([judge("a>b"), judge("b>a", minute=1)])
    assert alone.agreement.value is None


def test_seeded_items_are_right_if_the_known_best_is_first_alone():
    votes = [
        judge("a>b", item="one", kind="check"),
        judge("ab", item="two", kind="check"),
        judge("b>a", item="three", kind="check"),
        judge("a>b", item="unknown", kind="check"),
    ]
    best = {name: f"{name}-a" for name in ("one", "two", "three")}
    found = report(votes, checks=best)
    assert (found.checks.value, found.checks.num_cases) == (pytest.approx(1 / 3), 3)


def test_weak_signals_and_people_without_a_name_are_not_in_it():
    assert report_annotators([judge("a>b", kind="edit"), judge("a>b", "")]) == ()
    assert report_annotators([]) == ()


def test_a_crowd_is_told_apart():
    crowd = Crowd(
        (-1.5, -0.5, 0.5, 1.5), 20, 3000, overlap=3, log_tie=-2.0, spammers=(0.15, 0.15, 0.15)
    )
    spam = draw_votes(crowd, seed=7).spam
    reports = report_annotators(make_judgements(crowd, seed=7, repeats=0.2))
    by_kind = {kind: [] for kind in ("honest", *SPAMMERS)}
    for one in reports:
        kind = spam[int(one.annotator_id.split("-")[1])]
        by_kind["honest" if kind < 0 else SPAMMERS[kind]].append(one)
    assert all(by_kind.values())
    honest = by_kind["honest"]
    agreeing = {
        kind: sum(one.agreement.value for one in some) / len(some) for kind, some in by_kind.items()
    }
    assert max(agreeing, key=agreeing.get) == "honest"
    assert min(agreeing, key=agreeing.get) == "contrary"
    for one in (*by_kind["random"], *by_kind["first"], *by_kind["contrary"]):
        assert one.too_fast.value > max(other.too_fast.value for other in honest)
    for one in by_kind["first"]:
        assert one.first_place.value == 1 and one.consistency.value == 0
        assert one.suspicion.is_flagged and one.suspicion.kind == "first"
    for one in by_kind["contrary"]:
        assert one.suspicion.is_flagged and one.suspicion.kind == "contrary"
    assert not any(one.suspicion.is_flagged for one in honest)


def test_a_report_as_json_is_complete():
    told = json.loads(json.dumps(report([judge("a>b")]).to_json(), allow_nan=False))
    assert told["annotator_id"] == "ann" and told["suspicion"]["is_flagged"] is False
    assert told["checks"] == {"value": None, "lower": None, "upper": None, "num_cases": 0}
