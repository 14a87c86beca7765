"""A person's own data: all of it goes out, and all of it goes away."""

import json
from dataclasses import replace
from itertools import islice

from chat.types import Rating, Verdict
from storage.store import Store
from tests.storage_kit import fill, make_turn, store_fixture

store = store_fixture()


def test_deleted_user_is_gone_and_others_are_not(store: Store):
    fill(store, "bob", "bobs")
    store.set_consent("bob", "training", True)
    before = store.stats()
    fill(store, "ann", "anns")
    fill(store, "ann", "more")
    store.set_consent("ann", "training", True)
    answer_id = store.read_tree("bob", "bobs")[1].id
    store.record_rating("bob", Rating(answer_id, "ann", -1))
    (of_bob,) = (r for r in store.export_rankings() if r.ranking.annotator_id == "bob")
    store.record_ranking("bob", replace(of_bob.ranking, annotator_id="ann"))
    assert store.delete_user("ann") == 2
    assert store.stats() == before
    assert store.read_consents("ann") == {}
    assert list(store.export_user("ann")) == []
    assert store.delete_user("ann") == 0


def test_export_holds_everything_of_the_user_and_nothing_of_others(store: Store):
    verdict = Verdict("words", "1", "input", {"spam": 0.5})
    turn = make_turn("early", question="שלום 🙂", verdicts=(verdict,))
    store.record_turn("ann", turn, title="first")
    fill(store, "ann", "late")
    fill(store, "bob", "bobs")
    store.set_consent("ann", "training", True, version="v1")
    bobs_answer = store.read_tree("bob", "bobs")[1].id
    store.record_rating("bob", Rating(bobs_answer, "ann", -1, ("wrong",), "my own words"))
    records = [json.loads(json.dumps(record)) for record in store.export_user("ann")]
    kinds = [record["kind"] for record in records]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "user": 1,
        "consent": 1,
        "conversation": 2,
        "message": 5,
        "generation": 3,
        "verdict": 3,
        "comparison": 1,
        "comparison_answer": 2,
        "ranking": 1,
        "rating": 2,
        "review": 1,
    }
    titles = [record["title"] for record in records if record["kind"] == "conversation"]
    assert titles == ["first", ""]
    messages = [record for record in records if record["kind"] == "message"]
    assert messages[0]["content"] == "שלום 🙂"
    assert messages[0]["created_at"].endswith("+00:00")
    assert "my own words" in [r["comment"] for r in records if r["kind"] == "rating"]
    # What the moderators took out of an answer is shown to reviewers alone.
    assert "what it had said" not in str(records)
    assert "bobs" not in [record.get("conversation_id") for record in records]


def test_reader_who_stops_in_the_middle_holds_up_nobody(store: Store):
    for number in range(5):
        fill(store, "ann", f"c{number}")
    records = store.export_user("ann")
    list(islice(records, 5))
    # Between two conversations no transaction is open: this would wait for it.
    store.delete_user("ann")
    assert store.stats()["messages"] == 0
    assert {record["kind"] for record in records} <= {
        "message", "generation", "verdict", "comparison", "comparison_answer",
    }  # fmt: skip
