"""People: what they agreed to, for one chat or for all, and what moves along on signing in."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chat.errors import NotFound
from chat.types import Ranking, Rating
from storage.clock import Clock
from storage.store import Store
from tests.storage_kit import fill, make_turn, record_chain, store_fixture

store = store_fixture()


def test_word_on_a_conversation_goes_before_the_general_one(store: Store):
    for name in ("plain", "never", "always", "undone"):
        fill(store, "ann", name)
    later = "plain, later"
    store.set_consent("ann", "training", False, conversation_id="never")
    store.set_consent("ann", "training", True, conversation_id="always", version="v2")
    store.set_consent("ann", "training", True, conversation_id="undone")
    store.set_consent("ann", "training", False, conversation_id="undone")
    store.set_consent("ann", "research", False, conversation_id="always")
    for general, expected in (
        (None, {"always"}),
        (True, {later, "always"}),
        (False, {"always"}),
    ):
        if general is not None:
            store.set_consent("ann", "training", general)
        if general:
            fill(store, "ann", later)
        assert {chat["id"] for chat in store.export_chats(purpose="training")} == expected
        ranked = store.export_rankings(purpose="training")
        assert {found.comparison.conversation_id for found in ranked} == expected
    assert {chat.id: chat.training_consent for chat in store.list_conversations("ann")} == {
        "plain": False, later: False, "never": False, "always": True, "undone": False,
    }  # fmt: skip
    assert store.read_conversation("ann", "always").training_consent is True
    assert store.read_conversation("ann", "plain").training_consent is False
    assert store.read_consents("ann") == {"training": False}


def test_word_on_somebody_elses_conversation_is_refused(store: Store):
    record_chain(store, 1)
    for chat in ("c", "nowhere"):
        with pytest.raises(NotFound):
            store.set_consent("eve", "training", True, conversation_id=chat)
    assert store.read_conversation("ann", "c").training_consent is False
    assert store.stats()["users"] == 1


def test_word_on_a_conversation_goes_with_it(store: Store):
    record_chain(store, 1)
    store.set_consent("ann", "training", True, conversation_id="c")
    store.delete_conversation("ann", "c")
    assert [record["kind"] for record in store.export_user("ann")] == ["user"]


def test_newest_word_counts_though_the_clock_stepped_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    store.set_consent("ann", "training", True)
    monkeypatch.setattr(Clock, "now", lambda _: datetime(2000, 1, 1, tzinfo=UTC))
    store.set_consent("ann", "training", False)
    assert store.read_consents("ann") == {"training": False}


def test_all_of_a_visitor_moves_to_who_signed_in(store: Store):
    fill(store, "visitor", "theirs")
    fill(store, "ann", "anns")
    fill(store, "bob", "bobs")
    store.set_consent("ann", "training", False)
    store.set_consent("visitor", "training", True)
    store.set_consent("visitor", "training", False, conversation_id="theirs")
    tree = store.read_tree("visitor", "theirs")
    before = store.stats()
    store.move_user("visitor", "ann")
    store.move_user("visitor", "ann")
    assert store.stats() == before
    assert store.list_conversations("visitor") == []
    assert store.read_tree("ann", "theirs") == tree
    assert store.read_consents("ann") == {"training": True}
    assert store.read_conversation("ann", "theirs").training_consent is False
    assert [r.annotator_id for r in store.read_ratings("ann", "theirs")] == ["ann"]
    kinds = [record["kind"] for record in store.export_user("visitor")]
    assert kinds == ["user"]
    assert store.delete_user("visitor") == 0
    assert len(store.read_tree("bob", "bobs")) == 3


@pytest.mark.parametrize("is_visitor_newer", [True, False])
def test_newer_of_two_opinions_on_the_same_stays(store: Store, is_visitor_newer: bool):
    fill(store, "bob", "bobs")
    (ranked,) = store.export_rankings()
    answer_id = store.read_tree("bob", "bobs")[1].id
    order = ("ann", "visitor") if is_visitor_newer else ("visitor", "ann")
    for who, value, groups in zip(
        order, (1, -1), (ranked.ranking.groups, ranked.ranking.groups[::-1]), strict=True
    ):
        store.record_rating("bob", Rating(answer_id, who, value))  # type: ignore[arg-type]
        store.record_ranking("bob", Ranking("cmp-bobs", who, groups))
    store.move_user("visitor", "ann")
    of_ann = [r for r in store.read_ratings("bob", "bobs") if r.annotator_id != "bob"]
    assert of_ann == [Rating(answer_id, "ann", -1)]
    rankings = {r.ranking.annotator_id: r.ranking for r in store.export_rankings()}
    assert rankings == {
        "bob": ranked.ranking,
        "ann": Ranking("cmp-bobs", "ann", ranked.ranking.groups[::-1]),
    }


def test_moving_somebody_to_themselves_changes_nothing(store: Store):
    fill(store, "ann", "c")
    before = list(store.export_user("ann"))
    store.move_user("ann", "ann")
    store.move_user("nobody", "ann")
    assert list(store.export_user("ann")) == before


def test_idle_conversations_of_everybody_go(store: Store):
    record_chain(store, 1, "old")
    fill(store, "bob", "bobs")
    start = store.read_conversation("bob", "bobs").updated_at
    record_chain(store, 1, "new")
    assert store.delete_idle(start) == 1
    assert store.delete_idle(start) == 0
    leaf = store.read_branch("bob", "bobs")[-1].id
    store.record_turn("bob", make_turn("bobs", leaf))
    assert store.delete_idle(store.read_conversation("bob", "bobs").updated_at) == 1
    assert [chat.id for chat in store.list_conversations("bob")] == ["bobs"]
    assert store.list_conversations("ann") == []
    assert store.stats()["messages"] == 5


def test_all_new_things_of_a_user_are_exported_and_deleted(store: Store):
    turn = replace(make_turn(), system_prompt="Be brief.", persona="butler")
    store.record_turn("ann", turn)
    store.set_consent("ann", "training", True, version="v2", conversation_id="c")
    records = {record["kind"]: record for record in store.export_user("ann")}
    assert records["consent"]["conversation_id"] == "c"
    assert records["generation"]["system_prompt"] == "Be brief."
    assert records["generation"]["persona"] == "butler"
    store.delete_user("ann")
    assert list(store.export_user("ann")) == []
    assert list(store.export_chats()) == []
