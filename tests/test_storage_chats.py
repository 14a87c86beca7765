"""Whole chats leave as records: all of the tree, chat by chat, and nobody's name."""

import json
from dataclasses import replace

from chat.types import Rating, Span, Verdict
from storage.store import Store
from tests.storage_kit import fill, make_turn, record_chain, store_fixture

store = store_fixture()


def test_chat_leaves_with_its_tree_and_all_that_is_known(store: Store):
    verdicts = (Verdict("words", "1", "input", {"spam": 0.5}, (Span(0, 2, "spam"),)),)
    first = make_turn(question="שלום 🙂", answer="one", verdicts=verdicts, persona="butler",
                      system_prompt="Be brief.")  # fmt: skip
    second = replace(make_turn(answer="two"), question_id=first.question_id)
    store.record_turn("ann@example", first, title="Tea")
    store.record_turn("ann@example", second)
    store.record_rating("ann@example", Rating(first.answer_id, "ann@example", 1, ("kind",), "good"))
    store.record_rating("ann@example", Rating(first.answer_id, "peter", -1))
    (chat,) = store.export_chats()
    text = json.dumps(chat)
    assert "ann@example" not in text
    assert "peter" not in text
    assert (chat["id"], chat["title"], chat["current_leaf_id"]) == ("c", "Tea", second.answer_id)
    question, one, two = json.loads(text)["messages"]
    assert (question["content"], question["parent_id"]) == ("שלום 🙂", None)
    assert question["verdicts"][0]["scores"] == {"spam": 0.5}
    assert question["verdicts"][0]["spans"][0]["category"] == "spam"
    assert (question["generation"], question["ratings"]) == (None, [])
    assert (one["content"], one["parent_id"]) == ("one", first.question_id)
    assert (two["content"], two["role"], two["finish_reason"]) == ("two", "assistant", "stop")
    assert one["generation"]["persona"] == "butler"
    assert one["generation"]["system_prompt"] == "Be brief."
    assert one["generation"]["config"]["seed"] == 7
    assert one["ratings"] == [
        {"value": 1, "tags": ["kind"], "comment": "good", "is_owner": True},
        {"value": -1, "tags": [], "comment": "", "is_owner": False},
    ]
    assert one["created_at"].endswith("+00:00")


def test_of_a_refused_answer_leaves_what_was_found_but_neither_its_text_nor_a_place(store: Store):
    spans = (Span(0, 4, "hate"),)
    verdicts = tuple(
        Verdict("words", "1", stage, {"hate": 1.0}, spans, action="block", category="hate")
        for stage in ("input", "output")
    )
    turn = make_turn(
        verdicts=verdicts,
        finish_reason="content_filter",
        answer="I'd rather not.",
        refused="what it had said",
    )
    store.record_turn("ann", turn)
    (chat,) = store.export_chats()
    assert "what it had said" not in json.dumps(chat)
    question, answer = chat["messages"]
    assert (len(question["verdicts"][0]["spans"]), answer["verdicts"][0]["spans"]) == (1, [])
    assert answer["verdicts"][0]["scores"] == {"hate": 1.0}
    # How far a moderator was with a growing text is nothing that was stored.
    assert "settled" not in answer["verdicts"][0]


def test_chats_of_all_users_leave_once_each(store: Store):
    for number in range(7):
        fill(store, f"user-{number % 3}", f"c{number}")
    assert [chat["id"] for chat in store.export_chats()] == [f"c{number}" for number in range(7)]
    assert list(store.export_chats(purpose="training")) == []


def test_consent_withdrawn_while_reading_counts(store: Store):
    store.set_consent("ann", "training", True)
    for chat in ("c1", "c2", "c3"):
        record_chain(store, 1, chat)
    chats = store.export_chats(purpose="training")
    assert next(chats)["id"] == "c1"
    store.set_consent("ann", "training", False, conversation_id="c2")
    assert [chat["id"] for chat in chats] == ["c3"]


def test_empty_store_has_no_chats(store: Store):
    assert list(store.export_chats()) == []
