"""The branch on display, with the versions of each message and all that is shown of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import event

from chat.errors import NotFound
from chat.types import Generation, Rating
from storage.store import Store
from tests.storage_kit import make_turn, record_chain, store_fixture

store = store_fixture()


def test_thread_shows_versions_generations_and_the_readers_ratings(store: Store):
    first = make_turn(answer="one", system_prompt="Be brief.", persona="butler")
    second = replace(make_turn(answer="two"), question_id=first.question_id)
    other = make_turn(question="otherwise")
    for turn in (first, second, other):
        store.record_turn("ann", turn, title="Tea")
    mine = Rating(first.answer_id, "ann", 1, ("clear",), "good")
    store.record_rating("ann", mine)
    store.record_rating("ann", replace(mine, annotator_id="judge", value=-1))
    thread = store.read_thread("ann", "c", annotator_id="ann", leaf_id=first.answer_id)
    question, answer = thread.messages
    assert thread.conversation == store.read_conversation("ann", "c")
    assert [question.stored, answer.stored] == store.read_branch("ann", "c", first.answer_id)
    assert question.versions == (first.question_id, other.question_id)
    assert (question.generation, question.rating) == (None, None)
    assert answer.versions == (first.answer_id, second.answer_id)
    assert answer.rating == mine
    assert answer.generation == Generation(
        "tiny", first.config, first.usage, first.timings, 2, "Be brief.", "", "butler"
    )


def test_thread_is_by_default_the_branch_on_display_without_ratings(store: Store):
    (turn,) = record_chain(store, 1)
    store.record_rating("ann", Rating(turn.answer_id, "ann", 1))
    thread = store.read_thread("ann", "c")
    assert [shown.stored.id for shown in thread.messages] == [turn.question_id, turn.answer_id]
    assert [shown.rating for shown in thread.messages] == [None, None]


def test_thread_that_is_not_there_is_told(store: Store):
    (elsewhere,) = record_chain(store, 1, "other")
    record_chain(store, 1)
    for who, chat, leaf_id in (
        ("ann", "nowhere", None),
        ("eve", "c", None),
        ("ann", "c", "gone"),
        ("ann", "c", elsewhere.answer_id),
    ):
        with pytest.raises(NotFound):
            store.read_thread(who, chat, leaf_id=leaf_id)


@contextmanager
def count_queries(store: Store) -> Iterator[list[str]]:
    queries: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        queries.append(statement)

    engine = store._database._reader  # type: ignore[attr-defined]
    event.listen(engine, "before_cursor_execute", note)
    yield queries
    event.remove(engine, "before_cursor_execute", note)


def test_long_thread_takes_no_more_queries_than_a_short_one(tmp_path):
    with Store.open(f"sqlite:///{tmp_path}/chat.db") as store:
        record_chain(store, 1, "short")
        record_chain(store, 60, "long")
        with count_queries(store) as short:
            store.read_thread("ann", "short", annotator_id="ann")
        with count_queries(store) as long:
            thread = store.read_thread("ann", "long", annotator_id="ann")
    assert len(thread.messages) == 120
    assert short == long
    assert len(long) <= 7  # With the BEGIN.


def test_selected_version_is_shown_on_to_its_newest_end(store: Store):
    start, follow_up = record_chain(store, 2)
    older = make_turn("c", follow_up.answer_id)
    newer = make_turn("c", follow_up.answer_id)
    edited = make_turn(question="otherwise")
    for turn in (older, newer, edited):
        store.record_turn("ann", turn)
    for chosen, end in (
        (start.question_id, newer.answer_id),
        (edited.question_id, edited.answer_id),
        (start.answer_id, newer.answer_id),
        (older.question_id, older.answer_id),
        (older.answer_id, older.answer_id),
    ):
        before = store.read_conversation("ann", "c")
        store.select_message("ann", "c", chosen)
        assert store.read_branch("ann", "c")[-1].id == end
        assert store.read_conversation("ann", "c") == before
    store.record_turn("ann", replace(make_turn("c"), question_id=start.question_id))
    store.select_message("ann", "c", start.question_id)
    newest = store.read_branch("ann", "c")
    assert (newest[0].id, len(newest)) == (start.question_id, 2)


def test_message_of_another_conversation_cannot_be_selected(store: Store):
    (elsewhere,) = record_chain(store, 1, "other")
    (turn,) = record_chain(store, 1)
    for who, message_id in (("ann", elsewhere.answer_id), ("ann", "gone"), ("eve", turn.answer_id)):
        with pytest.raises(NotFound):
            store.select_message(who, "c", message_id)
    assert store.read_branch("ann", "c")[-1].id == turn.answer_id
