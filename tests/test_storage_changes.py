"""Changes: what is written here can be followed, row by row, by a copy elsewhere."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.errors import (
    InvalidRequest,
    NotFound,
    PalaverError,
    SettingsError,
    SetupError,
    StorageError,
)
from chat.review import OperatorRule, Review
from chat.types import Correction, Persona, Rating, Verdict
from storage.models import Base
from storage.records import ApiKey, Job
from storage.schema import prepare_schema
from storage.store import Store
from tests.storage_kit import fill, make_turn, postgres_url, record_chain
from tests.test_storage_schema import add_later_revision


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{path}") as opened:
        opened.track_changes()
        yield opened


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/copy.db") as opened:
        yield opened


# What is about one file of a database, and never travels.
LOCAL = {"changes", "copied_files"}


def read_rows(store: Store) -> list[str]:
    return sorted(json.dumps(record, sort_keys=True) for record in store.snapshot())


def sync(store: Store, copy: Store, limit: int = 1000) -> None:
    while (changes := store.read_changes(limit)).last:
        copy.apply_changes(json.loads(json.dumps(changes.records)))
        store.forget_changes(changes.last)


def fill_all(store: Store) -> None:
    """Put at least one row into every table."""
    fill(store, "ann", "c")
    fill(store, "bob", "bobs")
    store.set_consent("ann", "training", True, version="v1")
    store.set_consent("ann", "training", False, conversation_id="c")
    answer_id = store.read_branch("ann", "c")[-1].id
    store.record_correction("ann", Correction("corrected", answer_id, "ann", "as it should be"))
    store.save_persona(Persona("pirate", "Pirate", settings={"temperature": 0.5}))
    store.record_api_key(ApiKey("k", "laptop", "ab" * 32))
    store.record_model("tiny", "abc", {"context_length": 512})
    store.record_job(Job("j", "train", "done", {"steps": 1}))
    store.count("turns", 3)
    store.save_rule(OperatorRule("rivals", "Rivals", "rivals", patterns=("acme",)), "ann")


def test_every_row_of_every_table_arrives(store: Store, copy: Store):
    fill_all(store)
    tables = {record["table"] for record in store.snapshot()}
    assert tables == set(Base.metadata.tables) - LOCAL
    sync(store, copy)
    assert read_rows(copy) == read_rows(store)
    assert copy.read_thread("ann", "c", annotator_id="ann") == store.read_thread(
        "ann", "c", annotator_id="ann"
    )


def test_cascades_are_noted_down_to_the_last_row(store: Store, copy: Store):
    fill_all(store)
    sync(store, copy)
    store.delete_user("ann")
    gone = [record for record in store.read_changes().records if record.get("deleted")]
    assert {record["table"] for record in gone} == {
        "users", "consents", "conversations", "messages", "generations", "verdicts",
        "comparisons", "comparison_answers", "rankings", "ratings", "refusals", "reviews",
        "corrections",
    }  # fmt: skip
    sync(store, copy)
    assert read_rows(copy) == read_rows(store)


def test_deleted_parent_takes_its_children(store: Store, copy: Store):
    fill_all(store)
    sync(store, copy)
    copy.apply_changes([{"table": "conversations", "key": {"id": "c"}, "deleted": True}])
    store.delete_conversation("ann", "c")
    assert read_rows(copy) == read_rows(store)


@settings(max_examples=20, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(order=st.randoms(use_true_random=False))
def test_records_may_come_in_any_order(store: Store, order: Any):
    if store.is_empty():
        fill_all(store)
        record_chain(store, 3, "long")
    records = list(store.snapshot())
    order.shuffle(records)
    with Store.open("sqlite://") as copy:
        copy.apply_changes(records)
        assert read_rows(copy) == read_rows(store)


# Of two people and three conversations: what may happen to them.
_STEPS: dict[str, Callable[[Store, str, str], object]] = {
    "fill": lambda store, who, chat: store.record_turn(
        who, make_turn(chat, verdicts=(Verdict("words", "1", "input"),))
    ),
    "go on": lambda store, who, chat: store.record_turn(
        who, make_turn(chat, store.read_branch(who, chat)[-1].id)
    ),
    "rate": lambda store, who, chat: store.record_rating(
        who, Rating(store.read_branch(who, chat)[-1].id, "ann", 1)
    ),
    "rate otherwise": lambda store, who, chat: store.record_rating(
        who, Rating(store.read_branch(who, chat)[-1].id, "bob", -1)
    ),
    "review": lambda store, who, chat: [
        store.record_review(Review(found.id, who, "correct"))
        for found in store.list_verdicts(limit=2).verdicts
    ],
    "withdraw": lambda store, who, chat: store.withdraw_rating(
        who, store.read_branch(who, chat)[-1].id, "ann"
    ),
    "agree": lambda store, who, chat: store.set_consent(who, "training", True),
    "agree here": lambda store, who, chat: store.set_consent(
        who, "training", True, conversation_id=chat
    ),
    "rename": lambda store, who, chat: store.rename_conversation(who, chat, "new"),
    "delete": lambda store, who, chat: store.delete_conversation(who, chat),
    "leave": lambda store, who, chat: store.delete_user(who),
    "sign in": lambda store, who, chat: store.move_user(who, "ann" if who == "bob" else "bob"),
    "count": lambda store, who, chat: store.count("turns"),
}
_HISTORIES = st.lists(
    st.tuples(st.sampled_from(sorted(_STEPS)), st.sampled_from(["ann", "bob"]),
              st.sampled_from("xyz"), st.integers(0, 4)),
    max_size=30,
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(history=_HISTORIES, limit=st.integers(1, 8))
def test_copy_that_follows_in_steps_of_any_size_is_the_same_in_the_end(
    history: list[tuple[str, str, str, int]], limit: int
):
    with Store.open("sqlite://") as store, Store.open("sqlite://") as copy:
        store.track_changes()
        for step, who, chat, num_synced in history:
            try:
                _STEPS[step](store, who, chat)
            except NotFound:
                continue
            for _ in range(num_synced):  # The copy lags behind, now more, now less.
                changes = store.read_changes(limit)
                copy.apply_changes(changes.records)
                store.forget_changes(changes.last)
        sync(store, copy, limit)
        assert read_rows(copy) == read_rows(store)


@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_what_moved_away_outlives_whom_it_moved_from(store: Store, copy: Store, limit: int):
    fill_all(store)
    sync(store, copy)
    with store._database.write() as session:  # A note of ann from before what follows.
        session.connection().exec_driver_sql("UPDATE users SET created_at = created_at")
    store.ensure_user("cleo")
    store.move_user("ann", "cleo")
    store.delete_user("ann")
    while (changes := store.read_changes(limit)).last:
        copy.apply_changes(changes.records)
        store.forget_changes(changes.last)
        assert copy.stats()["messages"] == 7
    assert len(copy.read_tree("cleo", "c")) == 4
    assert read_rows(copy) == read_rows(store)


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_row_comes_with_a_parent_that_is_noted_later(store: Store, copy: Store, limit: int):
    fill(store, "ann", "c")
    store.ensure_user("cleo")
    store.move_user("ann", "cleo")
    sync(store, copy, limit)
    assert read_rows(copy) == read_rows(store)


def test_applying_again_changes_nothing(store: Store, copy: Store):
    fill_all(store)
    changes = store.read_changes()
    copy.apply_changes(changes.records)
    before = read_rows(copy)
    copy.apply_changes(changes.records)
    assert read_rows(copy) == before
    store.apply_changes(changes.records)
    assert read_rows(store) == before


def test_applying_notes_nothing(store: Store, copy: Store):
    copy.track_changes()
    fill(copy, "cleo", "cleos")
    noted = copy.read_changes()
    fill_all(store)
    copy.apply_changes(store.read_changes().records)
    copy.apply_changes([{"table": "users", "key": {"id": "ann"}, "deleted": True}])
    assert copy.read_changes() == noted
    copy.rename_conversation("cleo", "cleos", "new")
    assert copy.read_changes().last > noted.last


def test_forgotten_changes_never_come_back(store: Store):
    fill(store, "ann", "c")
    first = store.read_changes()
    store.count("turns")
    store.forget_changes(first.last)
    (left,) = store.read_changes().records
    assert left["table"] == "counts"
    store.forget_changes(store.read_changes().last)
    assert store.read_changes().records == ()
    store.count("turns")
    # Had the numbers begun anew, the word on the first ones would forget this one.
    store.forget_changes(first.last)
    assert len(store.read_changes().records) == 1


def test_there_are_records_as_long_as_there_are_notes(store: Store):
    for number in range(5):  # Rows that are gone again by the time they are read.
        record_chain(store, 1, f"c{number}")
        store.delete_conversation("ann", f"c{number}")
    while (changes := store.read_changes(1)).last:
        assert changes.records
        store.forget_changes(changes.last)
    assert changes.records == ()


def test_what_another_program_writes_is_noted_too(store: Store, path: Path):
    fill(store, "ann", "c")
    store.forget_changes(store.read_changes().last)
    with Store.open(f"sqlite:///{path}") as other:
        other.delete_user("ann")
        other.record_api_key(ApiKey("k", "laptop", "ab" * 32))
    noted = store.read_changes().records
    assert {"table": "users", "key": {"id": "ann"}, "deleted": True} in noted
    assert [record["row"]["id"] for record in noted if record["table"] == "api_keys"] == ["k"]


def test_changes_are_noted_only_when_asked_for(copy: Store):
    fill(copy, "ann", "c")
    assert copy.read_changes().last == 0
    copy.track_changes()
    copy.track_changes()
    copy.count("turns")
    assert len(copy.read_changes().records) == 1


def test_notes_outlive_the_process(store: Store, path: Path):
    fill(store, "ann", "c")
    noted = store.read_changes()
    store.close()
    with Store.open(f"sqlite:///{path}") as again:
        assert again.read_changes() == noted


def test_write_that_is_rolled_back_is_not_noted(store: Store):
    with pytest.raises(NotFound):
        store.record_turn("ann", make_turn(parent_id="gone"))
    assert store.read_changes().last == 0


def test_rows_of_two_that_began_empty_do_not_overwrite_one_another(store: Store, copy: Store):
    verdicts = (Verdict("words", "1", "input"), Verdict("words", "1", "output"))
    for one, who in ((store, "ann"), (copy, "bob")):
        one.set_consent(who, "training", True)
        one.record_turn(who, make_turn(f"of-{who}", verdicts=verdicts))
    store.count("turns", 5)
    copy.count("turns", 3)
    copy.apply_changes(list(store.snapshot()))
    assert copy.stats()["verdicts"] == 4
    assert copy.read_consents("ann") == copy.read_consents("bob") == {"training": True}
    assert len(list(copy.export_chats(purpose="training"))) == 2
    assert [count.amount for count in copy.read_counts()] == [5]
    # What comes after a restore is newer than what came with it.
    copy.set_consent("ann", "training", False)
    assert copy.read_consents("ann") == {"training": False}


USER = {"id": "ann", "created_at": "2026-01-01T00:00:00+00:00"}
CHAT = {"id": "c", "owner_id": "ann", "title": "", "current_leaf_id": None,
        "created_at": USER["created_at"], "updated_at": USER["created_at"]}  # fmt: skip
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"table": "cookies", "row": {"id": 1}}, "a table 'cookies'"),
    ({"table": "changes", "row": {"seq": 1}}, "a table 'changes'"),
    ({"table": None}, "a table 'None'"),
    ({}, "a table 'None'"),
    ({"table": "users", "row": USER | {"shoe_size": 4}}, "users has a column 'shoe_size'"),
    ({"table": "users", "row": {"id": "ann"}}, "users lacks the column 'created_at'"),
    ({"table": "users", "row": USER | {"created_at": "today"}}, "a 'created_at' of another kind"),
    ({"table": "users", "row": USER | {"created_at": "2026-01-01"}}, "'created_at' of another"),
    ({"table": "users", "row": USER | {"id": None}}, "a 'id' of another kind"),
    ({"table": "users", "row": USER | {"id": 5}}, "a 'id' of another kind"),
    ({"table": "counts", "row": {"day": "2026-01-01", "kind": "k", "amount": True}}, "'amount'"),
    ({"table": "counts", "row": {"day": "Monday", "kind": "k", "amount": 1}}, "'day'"),
    ({"table": "users"}, "users has no columns"),
    ({"table": "users", "row": [1]}, "users has no columns"),
    ({"table": "users", "deleted": True}, "users has no columns"),
    ({"table": "ratings", "key": {"answer_id": "a"}, "deleted": True}, "answer_id, annotator_id"),
]


@pytest.mark.parametrize(("record", "match"), REFUSED)
def test_record_that_does_not_fit_is_refused_with_all_others(
    copy: Store, record: dict[str, Any], match: str
):
    with pytest.raises(SetupError, match=match):
        copy.apply_changes([{"table": "users", "row": USER}, record])
    assert copy.is_empty()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@settings(max_examples=80, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(
    table=st.sampled_from(sorted(set(Base.metadata.tables) - LOCAL)),
    values=st.lists(_JSON, min_size=20, max_size=20),
)
def test_any_nonsense_is_refused_in_our_own_words(copy: Store, table: str, values: list[Any]):
    names = [column.name for column in Base.metadata.tables[table].columns]
    record = {"table": table, "row": dict(zip(names, values, strict=False))}
    try:
        copy.apply_changes([record])
    except PalaverError as error:
        assert str(error)
    else:
        copy.apply_changes([record])


def test_column_that_an_older_version_did_not_have_gets_its_default(store: Store, copy: Store):
    fill(store, "ann", "c")
    records = json.loads(json.dumps(list(store.snapshot())))
    for record in records:
        record["row"].pop("persona", None)
    copy.apply_changes(records)
    assert read_rows(copy) == read_rows(store)


def test_row_that_would_belong_to_nothing_is_refused_with_all_others(copy: Store):
    with pytest.raises(StorageError, match="belongs to one which isn't there"):
        copy.apply_changes([{"table": "models", "row": {"name": "m", "sha256": "s", "manifest": {},
                             "created_at": USER["created_at"]}},
                            {"table": "conversations", "row": CHAT}])  # fmt: skip
    assert copy.stats()["models"] == 0
    copy.apply_changes([{"table": "conversations", "row": CHAT}, {"table": "users", "row": USER}])
    assert copy.read_conversation("ann", "c").title == ""


def test_last_word_on_a_row_within_a_batch_counts(copy: Store):
    gone = {"table": "users", "key": {"id": "ann"}, "deleted": True}
    there = {"table": "users", "row": USER}
    copy.apply_changes([gone, there])
    assert not copy.is_empty()
    copy.apply_changes([there, gone])
    assert copy.is_empty()


def test_snapshot_is_of_one_moment(store: Store, copy: Store):
    fill_all(store)
    before = read_rows(store)
    records = store.snapshot()
    first = next(records)
    store.delete_user("ann")
    record_chain(store, 2, "later")
    copy.apply_changes([first, *records])
    assert read_rows(copy) == before
    sync(store, copy)
    assert read_rows(copy) == read_rows(store)


def test_snapshot_may_be_applied_in_pieces(store: Store, copy: Store):
    turns = record_chain(store, 5)
    store.record_turn("ann", make_turn("c", turns[1].answer_id))
    with store._database.write() as session:  # A clock that stepped back.
        session.connection().exec_driver_sql(
            "UPDATE messages SET created_at = '2000-01-01 00:00:00' WHERE id = ?",
            (turns[3].answer_id,),
        )
    for record in store.snapshot():
        copy.apply_changes([record])
    assert read_rows(copy) == read_rows(store)


def test_other_databases_and_limits_are_refused(store: Store):
    with pytest.raises(InvalidRequest, match="limit is 0"):
        store.read_changes(0)
    with Store.open(postgres_url()) as other:
        for attempt in (
            other.track_changes,
            other.snapshot,
            lambda: other.read_changes(1),
            lambda: other.forget_changes(1),
            lambda: other.apply_changes([]),
        ):
            with pytest.raises(SettingsError, match="allowed is SQLite"):
                attempt()
        assert other.schema_revision() == store.schema_revision() == "0005"


def test_store_is_empty_until_somebody_comes(store: Store):
    assert store.is_empty()
    store.count("turns")
    assert store.is_empty()
    store.ensure_user("ann")
    assert not store.is_empty()


def list_triggers(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as other:
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        return sorted(name for (name,) in other.execute(query))


def test_where_nothing_is_copied_any_more_nothing_is_noted(store: Store, path: Path):
    store.join_place("there")
    fill(store, "ann", "c")
    assert list_triggers(path)
    store.leave_places()
    assert list_triggers(path) == []
    fill(store, "bob", "bobs")
    assert not store.has_changes()
    store.leave_places()


def test_older_triggers_are_replaced(store: Store, path: Path):
    names = list_triggers(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TRIGGER note_insert_users")
        other.execute(
            "CREATE TRIGGER note_insert_users AFTER INSERT ON users BEGIN "
            "INSERT INTO changes (table_name, row_key, is_deleted) VALUES ('gone', '{}', 0); END"
        )
        other.commit()
    store.track_changes()
    store.ensure_user("ann")
    assert list_triggers(path) == names
    assert [record["table"] for record in store.read_changes().records] == ["users"]


def test_an_upgrade_that_rebuilds_tables_goes_on_noting(store: Store, path: Path, tmp_path: Path):
    fill(store, "ann", "c")
    store.forget_changes(store.read_changes().last)
    names = list_triggers(path)
    rebuild_changes = 'with op.batch_alter_table("changes", recreate="always") as table: pass'
    prepare_schema(store._database, add_later_revision(tmp_path, rebuild_changes))
    assert list_triggers(path) == names
    assert not store.has_changes()
    store.rename_conversation("ann", "c", "new")
    assert [record["table"] for record in store.read_changes().records] == ["conversations"]


# Joining a copy


def test_everything_is_noted_for_a_copy_that_is_new_and_nothing_for_one_that_is_known(
    store: Store, copy: Store, path: Path
):
    fill_all(store)
    record_chain(store, 3, "long")
    store.leave_places()
    assert store.join_place("there") == {}
    sync(store, copy, limit=7)
    assert read_rows(copy) == read_rows(store)
    store.forget_changes(0, place="there", files={"one": False, "two": True})
    store.close()
    with Store.open(f"sqlite:///{path}") as again:
        assert again.join_place("there") == {"one": False, "two": True}
        assert not again.has_changes()
        again.replace_files("there", {"three": False})
        assert again.join_place("there") == {"three": False}
        # Meanwhile another copy was followed: what the first one has is no longer known.
        assert again.join_place("elsewhere") == {}
        assert again.has_changes()
        assert again.join_place("there") == {}


def test_files_are_noted_with_what_was_in_them_or_not_at_all(copy: Store):
    copy.join_place("there")
    with pytest.raises(StorageError):
        copy.apply_changes(
            [{"table": "conversations", "row": CHAT}], place="there", files={"one": False}
        )
    assert copy.join_place("there") == {}
    copy.apply_changes([{"table": "users", "row": USER}], place="there", files={"one": False})
    assert copy.join_place("there") == {"one": False}


# Changes from elsewhere and changes from here


def test_what_was_changed_here_stays_until_it_is_copied(store: Store, copy: Store):
    fill_all(store)
    elsewhere = list(store.snapshot())
    sync(store, copy)
    store.rename_conversation("ann", "c", "mine")
    store.delete_conversation("bob", "bobs")
    before = read_rows(store)
    store.apply_changes(elsewhere)
    assert read_rows(store) == before
    sync(store, copy)
    assert read_rows(copy) == before


def test_a_deletion_from_elsewhere_does_not_undo_what_was_changed_here(store: Store):
    store.save_persona(Persona("pirate", "Pirate"))
    store.apply_changes([{"table": "personas", "key": {"id": "pirate"}, "deleted": True}])
    assert [persona.id for persona in store.list_personas()] == ["pirate"]


def test_what_belongs_to_a_chat_that_was_deleted_here_does_not_come_back(store: Store):
    with Store.open("sqlite://") as elsewhere:
        fill(elsewhere, "ann", "c")
        store.apply_changes(list(elsewhere.snapshot()))
        store.delete_conversation("ann", "c")
        record_chain(elsewhere, 1, "c2")
        elsewhere.record_turn("ann", make_turn("c", elsewhere.read_branch("ann", "c")[-1].id))
        store.apply_changes(list(elsewhere.snapshot()))
    assert [chat.id for chat in store.list_conversations("ann")] == ["c2"]


def test_a_chat_deleted_between_two_steps_stays_deleted(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    """The steps leave room for others, who may take away what the next step belongs to."""
    with Store.open("sqlite://") as elsewhere:
        fill(elsewhere, "ann", "c")
        fill(elsewhere, "bob", "bobs")
        records = list(elsewhere.snapshot())
    monkeypatch.setattr("storage.replay.STEP", 1)

    def delete_in_between(seconds: float) -> None:
        if "messages" in {record["table"] for record in store.snapshot()}:
            with suppress(NotFound):
                store.delete_conversation("ann", "c")

    monkeypatch.setattr("storage.replay.time.sleep", delete_in_between)
    store.apply_changes(records)
    assert not store.list_conversations("ann")
    assert len(store.read_tree("bob", "bobs")) == 3


def test_others_can_write_between_two_steps(store: Store, monkeypatch: pytest.MonkeyPatch):
    with Store.open("sqlite://") as elsewhere:
        record_chain(elsewhere, 20, "long")
        records = list(elsewhere.snapshot())
    monkeypatch.setattr("storage.replay.STEP", 10)
    done: list[int] = []

    def write(seconds: float) -> None:
        done.append(store.stats()["messages"])
        store.count("turns")

    monkeypatch.setattr("storage.replay.time.sleep", write)
    store.apply_changes(records)
    assert len(done) > 5 and done[0] < done[-1] == 40
    assert {record["table"] for record in store.read_changes().records} == {"counts"}


def test_an_answer_to_what_is_deleted_later_is_left_out(copy: Store, store: Store):
    """A container that is being replaced stores a turn in a chat that the new one deletes."""
    fill(store, "ann", "c")
    copy.apply_changes(list(store.snapshot()))
    first = store.read_branch("ann", "c")[-1].id
    store.forget_changes(store.read_changes().last)
    store.record_turn("ann", make_turn("c", first))
    late = store.read_changes()
    store.forget_changes(late.last)
    store.delete_conversation("ann", "c")
    gone = store.read_changes().records
    copy.apply_changes(gone)
    copy.apply_changes([*late.records, *gone])
    assert read_rows(copy) == read_rows(store)
    copy.apply_changes([*gone, *late.records])
    assert copy.stats()["messages"] == 0


def test_a_revoked_key_stays_revoked_whoever_comes_last(store: Store, copy: Store):
    store.record_api_key(ApiKey("k", "laptop", "ab" * 32))
    valid = list(store.snapshot())
    store.revoke_api_key("k")
    revoked = list(store.snapshot())
    store.apply_changes(valid)
    copy.apply_changes([*revoked, *valid])
    assert store.find_api_key("ab" * 32) is None and copy.find_api_key("ab" * 32) is None
    with Store.open("sqlite://") as other:
        other.apply_changes(valid)
        other.track_changes()
        other.save_persona(Persona("p", "P"))
        other.apply_changes(revoked)
        assert other.find_api_key("ab" * 32) is None


def test_of_notes_those_after_a_number_can_be_read(store: Store):
    store.ensure_user("ann")
    first = store.read_changes()
    assert store.has_changes() and not store.has_changes(after=first.last)
    store.ensure_user("bob")
    (record,) = store.read_changes(after=first.last).records
    assert record["row"]["id"] == "bob" and store.has_changes(after=first.last)
