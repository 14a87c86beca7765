"""Marks of reviewers, what was done over time, and what would have been."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chat.errors import InvalidRequest, NotFound
from chat.review import Review, VerdictFilter
from chat.types import Verdict
from moderation.policy import Policy
from storage.clock import Clock
from storage.store import Store
from tests.storage_kit import make_turn
from webapp.exploring import Explorer, Question
from webapp.review import ReviewDesk

POLICY = Policy.load("standard")


@pytest.fixture
def store():
    with Store.open("sqlite://") as store:
        yield store


@pytest.fixture
def desk(store):
    return ReviewDesk(store, Explorer(store, lambda: POLICY))


def record(store: Store, *verdicts: Verdict, question: str = "Hm.") -> None:
    number = store.stats()["conversations"]
    store.record_turn("ann", make_turn(f"c{number}", question=question, verdicts=verdicts))


def verdict(action="allow", category="", **scores: float) -> Verdict:
    return Verdict("m", "1", "input", scores, action=action, category=category)


# Marks


async def test_a_mark_is_about_what_decided_unless_another_category_is_named(store, desk):
    record(store, verdict("block", "hate", hate=0.9))
    (found,) = (await desk.list(VerdictFilter())).verdicts
    marked = await desk.mark(Review(found.id, "eve", "false_positive", note="  satire\ud800 "))
    assert marked.reviews[0].categories == ("hate",)
    assert marked.reviews[0].note == "satire\N{REPLACEMENT CHARACTER}"
    marked = await desk.mark(Review(found.id, "eve", "missed", ("violence", "violence")))
    assert (marked.reviews[0].categories, marked.num_words) == (("violence",), 2)
    (row,) = desk.export(purpose=None)
    assert (row["text"], row["labels"], row["split"]) == ("Hm.", {"violence": 1}, "train")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"mark": "wrong"}, "mark is 'wrong'"),
        ({"categories": ()}, "allowed is 1 to 20 categories"),
        ({"categories": ("error",)}, "allowed is 1 to 20 categories"),
        ({"categories": ("<b>",)}, "'<b>'"),
        ({"categories": tuple(f"c{n}" for n in range(21))}, "categories is '21'"),
        ({"note": "x" * 2_001}, "2,001 characters"),
    ],
)
async def test_a_mark_that_makes_no_sense_is_refused(store, desk, changes, told):
    record(store, verdict(hate=0.2))
    (found,) = (await desk.list(VerdictFilter())).verdicts
    review = replace(Review(found.id, "eve", "missed", ("hate",)), **changes)
    with pytest.raises(InvalidRequest, match=told):
        await desk.mark(review)
    assert store.stats()["reviews"] == 0
    with pytest.raises(NotFound, match="isn't there any more"):
        await desk.mark(Review("gone", "eve", "missed", ("hate",)))


# Counts


async def test_few_days_are_counted_by_the_hour_and_more_by_the_day(store, desk, monkeypatch):
    now = datetime(2026, 3, 8, 12, 30, tzinfo=UTC)
    for age in (timedelta(minutes=1), timedelta(hours=47), timedelta(days=6), timedelta(days=7)):
        monkeypatch.setattr(Clock, "now", lambda _, age=age: now - age)
        record(store, verdict("block", "hate", hate=0.9))
    few, more = await desk.count_actions(2, now), await desk.count_actions(7, now)
    assert (few.bucket, len(few.counts)) == ("hour", 2)
    assert few.since == datetime(2026, 3, 6, 13, tzinfo=UTC)
    assert (more.bucket, sum(count.count for count in more.counts)) == ("day", 3)
    assert more.since == datetime(2026, 3, 2, tzinfo=UTC)


# What if?


def ask(**changes) -> Question:
    return Question("hate", threshold=0.6, **changes)


async def test_another_threshold_changes_what_only_that_category_decided(store, desk):
    record(store, verdict(hate=0.7))  # let pass, would be caught
    record(store, verdict("block", "hate", hate=0.5))  # caught, would pass
    record(store, verdict("block", "spam", hate=0.1, spam=0.9))  # another category decided
    record(store, verdict("block", "hate", hate=0.5, **{"sexual/minors": 0.99}))  # a second one
    record(store, verdict("escalate", "hate", hate=0.9))  # stricter than what is asked about
    record(store, verdict(spam=0.2))  # has no score
    found = await desk.explore(ask())
    assert (found.num_texts, found.num_scored, found.num_caught, found.num_acted) == (6, 5, 2, 4)
    # What comes second is today's policy's to say.
    changes = {(change.before, change.after) for change in found.stricter}
    assert changes == {("allow", "block"), ("block", "escalate")}
    milder = {(change.score, change.before) for change in found.milder}
    assert milder == {(0.5, "block"), (0.9, "escalate")}
    assert sum(found.bins) == 5 and found.bins[14] == 1
    assert not found.is_cut


async def test_the_worst_of_several_moderators_counts_and_one_on_trial_does_not(store, desk):
    shadow = replace(verdict(hate=1.0), reason="shadow")
    record(store, verdict(hate=0.2), verdict(hate=0.65), shadow)
    record(store, shadow)
    found = await desk.explore(ask())
    assert (found.num_scored, found.num_caught) == (1, 1)
    assert [change.score for change in found.stricter] == [0.65]


async def test_the_end_of_the_scale_is_counted_and_few_examples_are_shown(store, desk):
    for _ in range(15):
        record(store, verdict(hate=1.0))
    found = await desk.explore(ask())
    assert (found.bins[-1], found.num_stricter, len(found.stricter)) == (15, 15, 10)
    assert (await desk.explore(ask(stage="output"))).num_texts == 0
    assert (await desk.explore(Question("no such thing"))).num_scored == 0


async def test_more_verdicts_than_can_be_looked_at_are_said_to_be(store, desk, monkeypatch):
    monkeypatch.setattr("webapp.exploring.MOST_VERDICTS", 3)
    for _ in range(5):
        record(store, verdict(hate=1.0))
    found = await desk.explore(ask())
    assert found.is_cut and found.num_texts == 3


async def test_a_slider_reads_the_scores_once(store, monkeypatch):
    now = [0.0]
    explorer = Explorer(store, lambda: POLICY, clock=lambda: now[0])
    record(store, verdict(hate=0.9))
    assert (await explorer.explore(ask())).num_scored == 1
    record(store, verdict(hate=0.9))
    assert (await explorer.explore(Question("hate", threshold=0.1))).num_scored == 1
    assert (await explorer.explore(Question("spam"))).num_texts == 2
    now[0] = 1.0
    assert (await explorer.explore(ask())).num_scored == 2


@pytest.mark.parametrize(
    "changes",
    [{"threshold": 1.1}, {"threshold": float("nan")}, {"num_days": 0}, {"stage": "x"},
     {"action": "shout"}],
)  # fmt: skip
def test_a_question_that_makes_no_sense_is_refused(changes):
    with pytest.raises(InvalidRequest, match="allowed"):
        Question("hate", **changes)
