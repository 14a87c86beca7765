"""The store as a whole: many threads, memory, health and closing."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from chat.errors import NotFound, StorageError
from chat.types import Rating
from storage.models import ModelRow
from storage.records import Job
from storage.store import Store
from tests.storage_kit import fill, make_turn, run_at_once, store_fixture

store = store_fixture()


def test_newest_word_is_the_consent(store: Store):
    assert store.read_consents("ann") == {}
    store.set_consent("ann", "training", True)
    store.set_consent("ann", "research", True)
    store.set_consent("ann", "training", False)
    assert store.read_consents("ann") == {"training": False, "research": True}
    assert store.read_consents("bob") == {}


def test_no_increment_of_eight_threads_is_lost(store: Store):
    store.record_model("m", "sha", {"count": 0})

    def count(_: int) -> None:
        for _ in range(25):
            with store._database.write() as session:
                row = session.scalars(select(ModelRow).with_for_update()).one()
                row.manifest = {"count": row.manifest["count"] + 1}

    assert run_at_once(count) == []
    with store._database.read() as session:
        assert session.scalars(select(ModelRow)).one().manifest == {"count": 200}


def test_eight_threads_writing_and_reading_lose_no_turn(store: Store):
    def chat(number: int) -> None:
        parent_id = None
        for turn_number in range(10):
            turn = make_turn("shared" if number < 4 else f"own-{number}", parent_id)
            store.record_turn("ann", turn)
            parent_id = turn.answer_id
            branch = store.read_branch("ann", turn.conversation_id, turn.answer_id)
            assert len(branch) == 2 * (turn_number + 1)
            assert store.list_conversations("ann")

    assert run_at_once(chat) == []
    assert store.stats()["messages"] == 160
    assert len(store.read_tree("ann", "shared")) == 80


def test_model_and_job_are_remembered(store: Store):
    store.record_model("tiny", "abc", {"context_length": 512})
    store.record_model("tiny", "abc")
    store.record_model("tiny", "def")
    assert store.stats()["models"] == 2
    job = Job("j1", "train", "queued", {"stage": "sft", "steps": 10})
    store.record_job(job)
    (queued,) = store.list_jobs()
    store.record_job(replace(job, state="failed", message="no space"))
    store.record_job(Job("j2", "export", "running"))
    newest, failed = store.list_jobs()
    assert newest.id == "j2"
    assert (failed.state, failed.message, failed.arguments) == ("failed", "no space", job.arguments)
    assert failed.created_at == queued.created_at
    assert failed.updated_at and queued.updated_at and failed.updated_at > queued.updated_at


def test_check_passes_and_leaves_no_trace(store: Store):
    before = store.stats()
    report = store.check()
    assert report["ok"] is True
    assert str(report["database"]).startswith(("SQLite 3.", "PostgreSQL 1"))
    assert store.stats() == before


def test_closed_store_says_so(store: Store):
    store.close()
    store.close()
    for attempt in (store.stats, lambda: store.ensure_user("ann")):
        with pytest.raises(StorageError, match="closed"):
            attempt()
    report = store.check()
    assert report["ok"] is False
    assert "closed" in str(report["reason"])


def test_store_in_memory_loses_nothing_of_eight_threads():
    with Store.open("sqlite://") as store:

        def chat(number: int) -> None:
            own, parent_id = f"own-{number}", None
            for turn_number in range(15):
                turn = make_turn(own, parent_id, answer=f"{number} {turn_number}" * 100)
                store.record_turn("ann", turn)
                store.record_turn("ann", make_turn("shared"))
                parent_id = turn.answer_id
                thread = store.read_thread("ann", own, annotator_id="ann")
                assert len(thread.messages) == 2 * (turn_number + 1)
                assert thread.messages[-1].stored.message == turn.answer
                store.record_rating("ann", Rating(turn.answer_id, "ann", 1))
                store.count("turns")
                assert store.list_conversations("ann", search=f"{number} {turn_number}")
                with pytest.raises(NotFound):  # A failure of one is nobody else's.
                    store.read_thread("ann", "gone")

        assert run_at_once(chat) == []
        assert store.stats()["messages"] == 2 * 2 * 8 * 15
        assert len(store.read_tree("ann", "shared")) == 2 * 8 * 15
        assert store.stats()["ratings"] == 8 * 15
        assert [count.amount for count in store.read_counts()] == [8 * 15]


def test_store_in_memory_is_a_store_of_its_own():
    with Store.open("sqlite://") as store, Store.open("sqlite://") as other:
        fill(store, "bob", "bobs")
        assert other.stats()["users"] == 0
        store.delete_user("bob")
        assert set(store.stats().values()) == {0}
        assert store.check()["ok"] is True
