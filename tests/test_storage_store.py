"""The store as a whole: many threads, memory, health and closing."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from chat.errors import StorageError
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


def test_store_in_memory_serves_many_threads():
    with Store.open("sqlite://") as store:
        errors = run_at_once(lambda number: store.record_turn("ann", make_turn(f"c{number}")))
        assert errors == []
        assert run_at_once(lambda number: store.read_branch("ann", f"c{number}")) == []
        fill(store, "bob", "bobs")
        store.delete_user("bob")
        assert len(store.list_conversations("ann")) == 8
        assert store.stats()["ratings"] == 0
        assert store.check()["ok"] is True
    with Store.open("sqlite://") as other:
        assert other.stats()["users"] == 0
