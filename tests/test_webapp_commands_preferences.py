"""Data sets made of what people think of answers, and files of them brought back in."""

import json
import re
import shutil
import stat
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chat.types import Comparison, Correction, Message, Ranking, Rating
from preferences.drops import MEANINGS
from preferences.formats import FORMATS
from preferences.formats import rankings as rankings_format
from preferences.parquet import read_parquet
from storage.store import Store
from tests.commands_kit import ROOT, desk_fixture
from tests.preferences_made import judgement
from tests.storage_kit import make_turn, record_chain
from webapp.__main__ import make_parser
from webapp.commands import importing, preferences

desk = desk_fixture()
DOCUMENT = (ROOT / "docs" / "preferences.md").read_text(encoding="utf-8")


def record(store, owner, name, *answers, groups=None, who=None, parent=None):
    """Record a chat with one question, its answers, and what somebody thinks of them."""
    asked = make_turn(name, question=f"What of {name}?", answer=answers[0])
    turns = [asked]
    for text in answers[1:]:
        turns.append(
            replace(make_turn(name, answer=text, model="big"), question_id=asked.question_id)
        )
    for turn in turns:
        store.record_turn(owner, replace(turn, question=asked.question))
    ids = tuple(turn.answer_id for turn in turns)
    store.record_comparison(owner, Comparison(f"cmp-{name}", name, asked.question_id, ids))
    groups = groups or [[each] for each in range(len(ids))]
    ranked = tuple(tuple(ids[each] for each in group) for group in groups)
    for annotator in who or [owner]:
        store.record_ranking(owner, Ranking(f"cmp-{name}", annotator, ranked, frozenset(ids[:1])))
    return ids


@pytest.fixture
def filled(desk):
    """A desk with chats of Ann's, who agrees to training, and one of Bob's, who doesn't."""
    with Store.open(desk.url) as store:
        store.set_consent("ann", "training", True)
        record(store, "ann", "c-good", "Yes.", "No.", "Maybe.", who=["ann", "eve"])
        record(store, "ann", "c-tie", "One.", "Two.", groups=[[0, 1]])
        record(store, "ann", "c-pii", "Write to ann@example.org.", "Don't.")
        (answer, _) = record(store, "bob", "c-bob", "Bob's.", "Not Bob's.")
        store.record_rating("bob", Rating(answer, "bob", 1))
        turn = record_chain(store, 1, "c-fix")[0]
        store.record_rating("ann", Rating(turn.answer_id, "ann", -1))
        store.record_correction("ann", Correction("fixed", turn.answer_id, "ann", "Put right."))
    return desk


def export(desk, name, *flags, output="set"):
    """Export a format; returns the rows of all its files."""
    target = desk.folder / output
    desk.run("export", "preferences", "--format", name, "--output", target, *flags)
    return [row for path in sorted(target.glob("*.jsonl")) for row in read(path.read_text())]


def read(text):
    return [json.loads(line) for line in text.splitlines()]


def test_the_names_of_the_flags_are_the_formats_that_there_are():
    assert set(preferences.FORMATS) == {each.name for each in FORMATS.values() if each.make}
    assert set(importing.FORMATS) <= {each.name for each in FORMATS.values() if each.parse}


@pytest.mark.parametrize("name", preferences.FORMATS)
def test_every_format_is_a_folder_with_a_card_and_every_drop_explained(filled, name):
    rows = export(filled, name)
    folder = filled.folder / "set"
    names = {path.name for path in folder.iterdir()}
    splits = {f"{split}.jsonl" for split in ("train", "validation", "test")}
    assert names == splits | {"README.md", "manifest.json"}
    manifest = json.loads((folder / "manifest.json").read_text())
    (part,) = manifest["formats"]
    assert part["num_rows"] == len(rows) > 0
    assert part["num_in"] == part["num_out"] + sum(part["dropped"].values())
    assert part["dropped"]["no_consent"] > 0 or name == "prompt-only"
    assert (folder / "README.md").read_text().startswith("---\npretty_name")
    assert "Bob's" not in "".join(map(json.dumps, rows))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not filled.leftovers()


def test_pairs_are_ready_to_train_on(filled):
    rows = export(filled, "trl-preference")
    assert {(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in rows} == {
        ("Yes.", "No."),
        ("Yes.", "Maybe."),
        ("No.", "Maybe."),
    }
    assert all(row["num_votes"] == 2 and row["prompt"][-1]["role"] == "user" for row in rows)
    assert len({row["split"] for row in rows}) == 1
    assert re.search(r"left out: .*pii 1", filled.told) and "tie 1" in filled.told
    told = (filled.folder / "set" / "manifest.json").read_text()
    assert '"eve"' not in told and json.loads(told)["num_annotators"] == 2


def test_corrections_and_thumbs_are_there_for_supervised_training(filled):
    by_text = {row["messages"][-1]["content"]: row for row in export(filled, "sft")}
    assert set(by_text) == {"Put right.", "Yes.", "One."}
    assert by_text["Put right."]["origins"] == ["correction"]
    labels = {
        row["completion"][0]["content"]: row["label"]
        for row in export(filled, "trl-unpaired", output="unpaired")
    }
    assert labels["Put right."] and not labels["an answer"] and not labels["No."]


def test_parquet_holds_the_same_rows(filled):
    rows = export(filled, "trl-preference")
    target = filled.folder / "parquet"
    command = ("export", "preferences", "--format", "trl-preference", "--parquet")
    filled.run(*command, "--output", target)
    found = []
    for path in sorted(target.glob("*.parquet")):
        with path.open("rb") as file:
            found += [row for _, row in read_parquet(file)]
    assert sorted(row["id"] for row in found) == sorted(row["id"] for row in rows)


def test_standard_output_has_the_rows_alone(filled):
    said = filled.run("export", "preferences", "--format", "rankings", "--output", "-")
    rows = read(said)
    assert [row["conversation_id"] for row in rows] == ["c-good", "c-good", "c-tie"]
    assert "2 rankings left out: " in filled.told
    assert not {"ann", "eve"} & {row["annotator_id"] for row in rows}


def test_a_preview_counts_and_writes_nothing(filled):
    before = sorted(filled.folder.rglob("*"))
    said = filled.run("export", "preferences", "--format", "trl-preference", "--preview")
    assert said.startswith("6 of 9 votes would be in 3 rows of trl-preference.")
    for reason in ("tie", "pii", "no_consent"):
        assert re.search(rf"^{reason} +1 ", said, re.MULTILINE)
    made = {path.name for path in set(filled.folder.rglob("*")) - set(before)}
    # SQLite's own two are beside any database that is read.
    assert made <= {"cookie.key", "palaver.db-shm", "palaver.db-wal"}


@pytest.mark.parametrize(
    ("flags", "num_rows"),
    [
        ((), 3),
        (("--everything",), 4),
        (("--min-votes", "2"), 3),
        (("--min-votes", "3"), 0),
        (("--include", "unsafe, weak"), 4),
        (("--purpose", "research"), 0),
        (("--margin", "none"), 3),
    ],
)
def test_flags_say_what_is_taken(filled, flags, num_rows):
    rows = export(filled, "trl-preference", *flags)
    assert len(rows) == num_rows
    assert ("never agreed" in filled.told) == ("--everything" in flags)
    assert "none" not in flags or not any(row["margin"] for row in rows)


def test_shares_are_those_of_the_split(filled):
    export(filled, "trl-preference", "--split", "0/0/100")
    assert (filled.folder / "set" / "test.jsonl").read_text().count("\n") == 3


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), "add --output"),
        (("--output", "-", "--parquet"), "standard output"),
        (("--output", "x", "--split", "50/50"), "add up to 100"),
        (("--output", "x", "--split", "90/5/x"), "add up to 100"),
        (("--output", "x", "--split", "nan/5/5"), "add up to 100"),
        (("--output", "x", "--min-votes", "0"), "min_votes is 0"),
        (("--output", "x", "--min-agreement", "2"), "min_agreement is 2"),
        (("--output", "x", "--include", "pii"), "--include names 'pii'"),
        (("--output", "x", "--purpose", ""), "--purpose is empty"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(filled, flags, words):
    flags = [filled.folder / word if word == "x" else word for word in flags]
    said = filled.refuse("export", "preferences", "--format", "trl-preference", *flags)
    assert words in said
    assert not (filled.folder / "x").exists()


def test_openais_format_has_no_parquet(filled):
    command = ("export", "preferences", "--format", "openai-dpo", "--parquet", "--output", "x")
    assert "no Parquet" in filled.refuse(*command)


def test_a_folder_is_replaced_only_by_force_and_never_with_somebody_elses_files(filled):
    export(filled, "trl-preference")
    target = filled.folder / "set"
    command = ("export", "preferences", "--format", "rankings", "--output", target)
    assert "exists already" in filled.refuse(*command)
    filled.run(*command, "--force", "--parquet")
    assert {path.suffix for path in target.iterdir()} == {".parquet", ".md", ".json"}
    (target / "thesis.odt").write_text("years of work")
    assert "thesis.odt" in filled.refuse(*command, "--force")
    assert (target / "thesis.odt").read_text() == "years of work"
    assert "is a file" in filled.refuse(*command[:-1], target / "thesis.odt", "--force")
    assert "nowhere" in filled.refuse(*command[:-1], filled.folder / "nowhere" / "set")


def test_an_export_that_fails_leaves_nothing(filled, monkeypatch):
    def fail(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("preferences.card.write_card", fail)
    target = filled.folder / "set"
    filled.run("export", "preferences", "--format", "sft", "--output", target, status=130)
    assert not target.exists() and not filled.leftovers()


def test_annotators_have_the_same_names_in_every_export(filled):
    names = [
        {row["annotator_id"] for row in export(filled, "rankings", output=output)}
        for output in ("one", "two")
    ]
    assert names[0] == names[1] and len(names[0]) == 2


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_rankings_survive_an_empty_database(filled, suffix):
    flags = ["--everything", "--include", "unsafe", "--split", "100/0/0"]
    before = export(filled, "rankings", *flags)
    source = filled.folder / "set" / "train.jsonl"
    if suffix == ".parquet":
        export(filled, "rankings", *flags, "--parquet", output="parquet")
        source = filled.folder / "parquet" / "train.parquet"
    shutil.rmtree(filled.data_dir)
    filled.run("import", "preferences", source, "--format", "rankings")
    assert "5 rankings imported, 0 left as they are" in filled.told
    after = export(filled, "rankings", *flags, output="after")
    assert sorted(after, key=str) == sorted(before, key=str)
    filled.run("import", "preferences", source, "--format", "rankings")
    assert "0 rankings imported, 5 left as they are" in filled.told
    assert export(filled, "rankings", *flags, output="again") == after
    consented = export(filled, "rankings", "--include", "unsafe", output="consented")
    assert {row["conversation_id"] for row in consented} == {"c-good", "c-tie", "c-pii"}


def test_what_was_exported_here_changes_nothing_here(filled):
    before = export(filled, "rankings")
    source = filled.folder / "set" / "train.jsonl"
    filled.run("import", "preferences", source, "--format", "rankings")
    assert "0 rankings imported" in filled.told
    assert export(filled, "rankings", output="again") == before


def write_rankings(path, *judgements):
    rows = [rankings_format.to_row(each) for each in judgements]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_file_broken_in_the_middle_is_imported_not_at_all_or_in_part(desk):
    given = [judgement(question=name) for name in ("q1", "q2", "q3")]
    given = [
        replace(
            each,
            comparison=replace(
                each.comparison, answer_ids=tuple(f"{each.item[0]}-{i}" for i in "ab")
            ),
            ranking=replace(each.ranking, groups=tuple((f"{each.item[0]}-{i}",) for i in "ab")),
            candidates=tuple(
                replace(c, answer_id=f"{each.item[0]}-{c.answer_id}") for c in each.candidates
            ),
        )
        for each in given
    ]
    path = write_rankings(desk.folder / "x.jsonl", *given)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "{broken", lines[1][:-9], lines[2]]) + "\n")
    command = ("import", "preferences", path, "--format", "rankings")
    for flags, status in ((("--check",), 1), ((), 2)):
        desk.run(*command, *flags, status=status)
        assert "x.jsonl, line 2: " in desk.told and "x.jsonl, line 3: " in desk.told
        assert not desk.database.exists()
    assert "Nothing was imported" in desk.told
    desk.run(*command, "--skip-broken")
    assert "2 rankings imported" in desk.told
    with Store.open(desk.url) as store:
        questions = {each.comparison.question_id for each in store.export_rankings()}
    assert questions == {"q1", "q3"}


def test_lines_that_contradict_each_other_are_named(desk):
    one = judgement()
    other = replace(one, prompt=(Message("user", "Something else?"),))
    path = write_rankings(desk.folder / "x.jsonl", one, other)
    command = ("import", "preferences", path, "--format", "rankings")
    desk.run(*command, status=2)
    assert "x.jsonl, line 2: There is another" in desk.told
    assert "Nothing was imported" in desk.told
    with Store.open(desk.url) as store:
        assert not list(store.export_rankings())
    desk.run(*command, "--skip-broken")
    assert "1 ranking imported, 1 left" in desk.told


@pytest.mark.parametrize(
    ("name", "row"),
    [
        (
            "arena",
            {
                "model_a": "tiny",
                "model_b": "big",
                "winner": "model_b",
                "judge": "arena_user_7",
                "conversation_a": [
                    {"role": "user", "content": "Hi"},
                    {"role": "assistant", "content": "Go away."},
                ],
                "conversation_b": [
                    {"role": "user", "content": "Hi"},
                    {"role": "assistant", "content": "Hello!"},
                ],
                "tags": ["greeting"],
                "language": "English",
            },
        ),
        (
            "hh",
            {
                "chosen": "\n\nHuman: Hi\n\nAssistant: Hello!",
                "rejected": "\n\nHuman: Hi\n\nAssistant: Go away.",
            },
        ),
    ],
)
def test_files_of_others_come_in_once_and_without_consent(desk, name, row):
    path = desk.folder / "x.jsonl"
    path.write_text(json.dumps(row) + "\n")
    command = ("import", "preferences", path, "--format", name)
    desk.run(*command)
    assert "1 ranking imported" in desk.told
    path.touch()
    desk.run(*command)
    assert "0 rankings imported" in desk.told
    assert not export(desk, "rankings")
    (found,) = export(desk, "rankings", "--everything", output="all")
    texts = {each["answer_id"]: each["text"] for each in found["candidates"]}
    assert [texts[each] for each in found["groups"][0]] == ["Hello!"]
    assert (found["origin"], found["consent"]) == ("import", False)
    assert found["tags"] == row.get("tags", []) and found["language"] == row.get("language", "")
    assert "arena_user_7" not in json.dumps(found)


def test_a_file_that_is_not_there_or_no_such_file_is_one_sentence(desk):
    command = ("import", "preferences")
    assert "There is no file" in desk.refuse(*command, "nowhere.jsonl", "--format", "hh")
    path = desk.folder / "x.csv"
    path.write_text("a,b\n")
    assert "allowed is .jsonl or .parquet" in desk.refuse(*command, path, "--format", "hh")


def test_many_broken_lines_are_told_in_short(desk):
    path = desk.folder / "x.jsonl"
    path.write_bytes(b"\xff\n" * 1000)
    desk.run("import", "preferences", path, "--format", "hh", "--check", status=1)
    assert "isn't UTF-8" in desk.told and "... and 980 more." in desk.told
    assert desk.told.count("\n") < 30


def test_the_document_shows_every_format_as_it_is(filled):
    shown = dict(re.findall(r"### `([\w-]+)`.*?```json\n(.*?)\n```", DOCUMENT, re.DOTALL))
    assert set(shown) == set(FORMATS)
    at = datetime(2026, 3, 1, tzinfo=UTC)
    for name, text in shown.items():
        row = json.loads(text)
        known = {column.name for column in FORMATS[name].columns}
        needed = {column.name for column in FORMATS[name].columns if not column.is_nullable}
        assert needed <= set(row) <= known, name
        assert FORMATS[name].read(row, at)


@pytest.mark.parametrize("line", re.findall(r"^python -m webapp (.+)", DOCUMENT, re.MULTILINE))
def test_every_command_of_the_document_parses(line):
    assert not make_parser().parse_known_args(line.split())[1]


def test_the_document_names_every_reason():
    for reason, meaning in MEANINGS.items():
        assert f"| `{reason}` | {meaning} |" in DOCUMENT, reason
