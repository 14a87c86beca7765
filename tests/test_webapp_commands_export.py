"""What is exported: what people agreed to, all of it, and never half a file."""

import json
import stat
import subprocess

import pytest

from chat.review import Review
from chat.types import Message
from storage.store import Store
from tests.commands_kit import PROGRAM, ROOT, desk_fixture
from tests.storage_kit import fill, make_turn, record_chain

desk = desk_fixture()


@pytest.fixture
def filled(desk):
    """A desk with a chat of Ann's, who agrees to training, and one of Bob's, who doesn't."""
    with Store.open(desk.url) as store:
        store.set_consent("ann", "training", True)
        store.set_consent("bob", "research", True)
        fill(store, "ann", "c-ann")
        fill(store, "bob", "c-bob")
    return desk


def read(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("flags", "ids", "left_out"),
    [
        ((), ["c-ann"], "1 left out"),
        (("--purpose", "research"), ["c-bob"], "1 left out"),
        (("--purpose", "unheard of"), [], "2 left out"),
        (("--everything",), ["c-ann", "c-bob"], "never agreed"),
    ],
)
def test_chats_are_exported_as_far_as_people_agreed(filled, flags, ids, left_out):
    chats = read(filled.run("export", "chats", *flags))
    assert [chat["id"] for chat in chats] == ids
    assert left_out in filled.told
    assert all(len(chat["messages"]) == 3 for chat in chats)


def test_a_person_gets_all_of_their_own_whatever_they_agreed_to(filled):
    kinds = {record["kind"] for record in read(filled.run("export", "user", "bob"))}
    assert {"user", "consent", "conversation", "message", "ranking", "rating"} <= kinds


def test_everybody_is_listed_with_what_leads_to_their_own(filled):
    users = read(filled.run("export", "users"))
    assert {user["id"]: user["num_chats"] for user in users} == {"ann": 1, "bob": 1}
    assert all(user["created_at"] for user in users)
    for user in users:
        assert read(filled.run("export", "user", user["id"]))[0]["id"] == user["id"]


def test_nobody_is_agreed_to_by_an_empty_purpose(filled):
    assert "--purpose is empty" in filled.refuse("export", "chats", "--purpose", "")


def test_nobody_is_named_and_leaves_no_file(filled):
    target = filled.folder / "who.jsonl"
    assert "'who'" in filled.refuse("export", "user", "who", "--output", target)
    assert not target.exists() and not filled.leftovers()


def test_a_file_is_whole_private_and_not_overwritten(filled):
    target = filled.folder / "chats.jsonl"
    assert filled.run("export", "chats", "--output", target) == ""
    assert len(read(target.read_text())) == 1
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert "exists already" in filled.refuse("export", "chats", "--output", target)
    filled.run("export", "chats", "--everything", "--output", target, "--force")
    assert len(read(target.read_text())) == 2
    assert not filled.leftovers()


def test_a_folder_or_a_missing_folder_is_no_file(filled):
    assert "is a folder" in filled.refuse("export", "chats", "--output", filled.folder, "--force")
    assert "nowhere" in filled.refuse("export", "chats", "--output", filled.folder / "nowhere/x")


def test_any_text_comes_out_as_one_line_of_utf_8(desk):
    odd = "Grüße 🦊\u2028\n\t\x1b[31m=1+1"
    with Store.open(desk.url) as store:
        store.record_turn("ann", make_turn("c", question=Message("user", odd)))
    target = desk.folder / "x.jsonl"
    desk.run("export", "chats", "--everything", "--output", target)
    lines = target.read_bytes().split(b"\n")
    assert len(lines) == 2 and not lines[1]
    assert json.loads(lines[0])["messages"][0]["content"] == odd


def test_standard_output_is_utf_8_whatever_the_terminal_speaks(desk):
    with Store.open(desk.url) as store:
        store.record_turn("ann", make_turn("c", question=Message("user", "日本語")))
    done = subprocess.run(
        [*PROGRAM, "export", "chats", "--everything", "--database-url", desk.url],
        cwd=ROOT,
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii"},
    )
    assert "日本語" in done.stdout.decode()


def test_nothing_is_made_or_changed_by_reading(desk):
    assert "There is no database" in desk.refuse("export", "chats")
    assert not desk.database.exists()


def test_an_export_runs_beside_the_server_and_sees_what_it_wrote(desk):
    with Store.open(desk.url) as store:
        for number in range(150):
            record_chain(store, 1, f"c{number}")
        assert len(read(desk.run("export", "chats", "--everything"))) == 150
        record_chain(store, 1, "next")
    assert "150 conversations exported" in desk.told


def test_a_damaged_database_is_one_sentence(filled):
    content = filled.database.read_bytes()
    filled.database.write_bytes(b"x" * len(content))
    assert "damaged" in filled.refuse("export", "chats")


def test_an_older_database_is_left_to_the_server(desk):
    desk.data_dir.mkdir()
    old = (ROOT / "tests/assets/databases/v1.db").read_bytes()
    desk.database.write_bytes(old)
    assert "earlier Palaver" in desk.refuse("export", "chats")
    assert desk.database.read_bytes() == old


def test_reviewed_texts_are_exported_as_far_as_people_agreed(filled):
    with Store.open(filled.url) as store:
        for verdict in store.list_verdicts().verdicts:
            store.record_review(Review(verdict.id, "eve", "missed", ("hate",)))
    rows = read(filled.run("export", "reviews"))
    assert {row["text"] for row in rows} == {"an question", "what it had said"}
    assert all(row["labels"]["hate"] == 1 and row["family"] == "reviews/c-ann" for row in rows)
    assert "2 left out: nobody agreed" in filled.told
    assert len(read(filled.run("export", "reviews", "--everything"))) == 4
    assert "never agreed" in filled.told
