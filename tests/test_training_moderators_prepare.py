"""The data that classifiers learn from: split by families, nothing twice, nothing leaked."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import SetupError
from moderation.categories import TRAINED_CATEGORIES
from tests.moderation_packs import put_chats, put_labelled_packs, put_lines
from training.moderators import prepare as stage
from training.moderators.ngrams import text_key, word_runs
from training.moderators.prepare import (
    Args,
    Tally,
    cap_rows,
    drop_repeats,
    family_split,
    prepare,
    separate_splits,
    split_evenly,
)
from training.moderators.rows import SPLITS, Row, read_rows
from training.moderators.sources.catalog import SOURCES

WORDS = st.lists(st.sampled_from(["oak", "elm", "ash", "fir", "yew"]), min_size=1, max_size=12)


def row(text, labels=None, split="train", **more):
    return Row(text, {} if labels is None else labels, "s", more.pop("family", text), split, **more)


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    put_labelled_packs(root / "packs")
    put_chats(root / "chats")
    return root


def build(packs, out, **options):
    args = Args(packs / "packs", packs / "chats", out, generate=False, **options)
    stats = prepare(args)
    return stats, {split: list(read_rows(out / f"{split}.jsonl")) for split in SPLITS}


def test_the_stage_reads_all_packs_and_says_what_it_did(packs, tmp_path):
    stats, rows = build(packs, tmp_path)
    assert stats == json.loads((tmp_path / "stats.json").read_text("utf-8"))
    assert stats["rows"] == {split: len(rows[split]) for split in SPLITS if rows[split]}
    read = {each.source for split in SPLITS for each in rows[split]}
    lost = {source.name for source in SOURCES} - read
    assert {name for name in lost if "sharealike" not in place_of(name)} == set()
    assert all(about["licence"] for about in stats["sources"].values())
    assert all(each.split == split for split in SPLITS for each in rows[split])


def place_of(name):
    return next(source.place for source in SOURCES if source.name == name)


def test_share_alike_packs_are_only_tests_unless_asked_for(packs, tmp_path):
    _, rows = build(packs, tmp_path / "strict")
    shared = {source.name for source in SOURCES if source.is_sharealike}
    trained = {each.source for split in ("train", "calibration") for each in rows[split]}
    assert not trained & shared
    assert {each.source for each in rows["test"]} & shared
    _, rows = build(packs, tmp_path / "free", with_sharealike=True)
    assert {each.source for each in rows["train"]} & shared


def test_a_share_alike_pack_that_is_there_is_read(packs, tmp_path):
    folder = packs / "packs/sharealike/vicomtech_stormfront"
    post = {"id": "7_1", "text": "They ought to leave town now", "label": "hate"}
    put_lines(folder / "stormfront.jsonl.zst", post)
    stats, rows = build(packs, tmp_path)
    assert "vicomtech_stormfront" in {each.source for each in rows["test"]}
    assert not any("vicomtech" in note for note in stats["notes"])
    (folder / "stormfront.jsonl.zst").unlink()
    folder.rmdir()


def test_the_same_seed_gives_the_same_files(packs, tmp_path):
    build(packs, tmp_path / "a", seed=5)
    build(packs, tmp_path / "b", seed=5)
    for split in SPLITS:
        name = f"{split}.jsonl"
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_generated_rows_are_added_and_split_by_family(packs, tmp_path, monkeypatch):
    made = [
        Row(f"{word} tree {i}", {"hate": 1}, "generated/x", f"family {i % 6}")
        for i, word in enumerate(["oak", "elm", "ash", "fir", "yew", "box"] * 2)
    ]
    monkeypatch.setattr(stage, "generate", lambda seed: iter(made))
    args = Args(packs / "packs", packs / "chats", tmp_path)
    stats = prepare(args)
    assert stats["sources"]["generated/x"]["rows"]["hate=1"] == 12
    splits = {}
    for split in SPLITS:
        for each in read_rows(tmp_path / f"{split}.jsonl"):
            if each.source == "generated/x":
                splits.setdefault(each.family, set()).add(split)
    assert all(len(places) == 1 for places in splits.values())
    assert {place for places in splits.values() for place in places} == set(SPLITS)


def test_a_missing_pack_is_named(tmp_path):
    with pytest.raises(SetupError, match="ldnoobw"):
        prepare(Args(tmp_path, tmp_path, tmp_path / "out", generate=False))


def test_the_command_prints_a_table(packs, tmp_path, capsys):
    flags = ["--data-dir", packs / "packs", "--benign-dir", packs / "chats", "--out", tmp_path]
    stage.main([*map(str, flags), "--no-generate"])
    said = capsys.readouterr().out
    assert all(category in said for category in TRAINED_CATEGORIES)


# Repeats


def test_a_text_is_kept_once_where_it_is_trained_on():
    tally = Tally()
    rows = [row("Hello there", {"hate": 0}, "test"), row("hello, THERE!", {"hate": 0})]
    kept = drop_repeats(rows, tally)
    assert [each.split for each in kept] == ["train"]
    assert tally.dropped["s"]["said before"] == 1


def test_labels_on_which_two_rows_differ_become_unknown():
    rows = [row("Same", {"hate": 1, "bias": 1}), row("same", {"hate": 0, "sexual": 0})]
    (kept,) = drop_repeats(rows, Tally())
    assert kept.labels == {"bias": 1, "sexual": 0}


@given(st.lists(st.tuples(WORDS, st.sampled_from(SPLITS)), max_size=12))
def test_no_text_and_no_seven_words_are_on_two_sides(said):
    rows = [row(" ".join(words), {"hate": 0}, split) for words, split in said]
    kept = separate_splits(drop_repeats(rows, Tally()), Tally())
    sides = {split: [each for each in kept if each.split == split] for split in SPLITS}
    for first, second in (("train", "calibration"), ("train", "test"), ("calibration", "test")):
        for number in (lambda text: {text_key(text)}, lambda text: set(word_runs(text))):
            left = {n for each in sides[first] for n in number(each.text)}
            right = {n for each in sides[second] for n in number(each.text)}
            assert not left & right
    texts = [text_key(each.text) for each in kept]
    assert len(texts) == len(set(texts))
    assert {text_key(r.text) for r in rows if r.split == "train"} == {
        text_key(r.text) for r in sides["train"]
    }


# Splits


def test_a_family_is_always_in_the_same_split():
    places = [family_split(f"family {i}", 0.1) for i in range(2000)]
    assert places == [family_split(f"family {i}", 0.1) for i in range(2000)]
    assert 120 < places.count("test") < 280
    assert 120 < places.count("calibration") < 280
    assert family_split("any", 0.0) == "train"


def test_every_category_with_enough_families_is_in_every_split():
    rows = [
        row(f"{category} {i}", {category: 1}, family=f"{category} {i}")
        for category in ("hate", "sexual")
        for i in range(5)
    ]
    splits = split_evenly(rows, 0.08)
    for category in ("hate", "sexual"):
        assert {splits[f"{category} {i}"] for i in range(5)} == set(SPLITS)


def test_a_category_with_few_families_is_all_trained_on():
    rows = [row(f"a {i}", {"hate": 1}, family=f"f {i}") for i in range(3)]
    assert set(split_evenly(rows, 0.08).values()) == {"train"}


def test_statements_about_a_group_are_held_out_by_group():
    rows = [
        row(f"{who} {i}", {"hate": i % 2}, family=f"f {i}", tags=(f"identity:{who}",))
        for who in "abcdef"
        for i in range(4)
    ]
    splits = split_evenly(rows, 0.1)
    assert set(splits) == {f"identity:{who}" for who in "abcdef"}
    assert set(splits.values()) == set(SPLITS)


# Caps


def test_of_a_large_pack_half_of_what_is_kept_is_telling():
    rows = [row(f"{i}", {"hate": int(i % 4 == 0)}) for i in range(400)]
    kept = cap_rows(rows, 100, seed=0)
    assert len(kept) == 100
    assert sum(each.labels["hate"] for each in kept) == 50
    assert kept == cap_rows(rows, 100, seed=0)
    assert kept != cap_rows(rows, 100, seed=1)


@given(st.lists(st.booleans(), max_size=30), st.integers(0, 40))
def test_a_cap_fills_up_with_what_there_is(hard, most):
    rows = [row(f"{i}", tags=("hard",) if h else ()) for i, h in enumerate(hard)]
    kept = cap_rows(rows, most, seed=0)
    assert len(kept) == min(most, len(rows))
    assert [rows.index(each) for each in kept] == sorted(rows.index(each) for each in kept)
