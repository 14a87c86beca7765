"""The generator of simple conversations: what every row must hold, and its split."""

import io
import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from training.generator import Args, generate
from training.generator.__main__ import main
from training.generator.arithmetic import play_sum
from training.generator.catalog import read_categories
from training.generator.fact import read_facts
from training.generator.geography import read_countries, read_well_known
from training.generator.grammar import SHARED, count, expand
from training.generator.intent import play_intent, read_intents
from training.generator.memory import play_memory
from training.generator.number import spell_number
from training.generator.person import draw_name, held_out_names, read_traits
from training.generator.probes import (
    has_result,
    has_word,
    is_helpful,
    is_not_knowing,
    is_refusal,
    is_story,
    read_probes,
    run_probes,
)
from training.generator.scene import Exchange, Scene, Split, is_held_out
from training.generator.sources import Sources, read_sources
from training.generator.story import draw_hero, tell_story
from training.generator.surface import roughen
from training.generator.tables import read_lines, read_records

TABLES = ("greeting", "farewell", "thanks", "smalltalk", "identity", "advice", "refusal",
          "harmless", "unknown", "vague", "diversions")  # fmt: skip


def make_scene(seed: int = 1, split: Split = "train") -> Scene:
    return Scene(random.Random(seed), split, Sources())


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return list(generate(Args(conversations=3000, seed=5)))


def messages_of(row: dict[str, Any]) -> list[dict[str, str]]:
    messages: list[dict[str, str]] = row["messages"]
    return messages


def test_same_seed_gives_same_rows() -> None:
    first = list(generate(Args(conversations=200, seed=9)))
    assert first == list(generate(Args(conversations=200, seed=9)))
    assert first != list(generate(Args(conversations=200, seed=10)))


def test_rows_alternate_and_end_with_the_assistant(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        roles = [message["role"] for message in messages_of(row)]
        if roles[0] == "system":
            roles = roles[1:]
        assert roles == ["user", "assistant"] * (len(roles) // 2), row


def test_no_message_is_empty_or_has_an_open_slot(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        for message in messages_of(row):
            text = message["content"]
            assert text.strip(), row
            if message["role"] == "assistant":
                assert not re.search(r"[{}\[\]<>|]", text), row
                assert "  " not in text, row


def test_rows_are_unique(rows: list[dict[str, Any]]) -> None:
    assert len({json.dumps(row["messages"]) for row in rows}) == len(rows)


def test_every_category_appears(rows: list[dict[str, Any]]) -> None:
    found = {row["source"] for row in rows}
    assert found == {f"generator/{category.name}" for category in read_categories()}


def test_conversations_fit_the_context(rows: list[dict[str, Any]]) -> None:
    longest = max(sum(len(m["content"]) for m in messages_of(row)) for row in rows)
    assert longest < 1024 * 3


def test_no_question_dominates(rows: list[dict[str, Any]]) -> None:
    asked = Counter(m["content"].lower() for row in rows for m in messages_of(row)
                    if m["role"] == "user")  # fmt: skip
    assert asked.most_common(1)[0][1] < 0.01 * sum(asked.values())


def test_answers_start_with_a_capital(rows: list[dict[str, Any]]) -> None:
    texts = [m["content"] for row in rows for m in messages_of(row) if m["role"] == "assistant"]
    lower = [text for text in texts if text[0].islower()]
    assert len(lower) < 0.03 * len(texts), lower[:5]


def test_articles_fit_their_nouns(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        for message in messages_of(row):
            if message["role"] == "assistant":
                found = re.search(
                    r"\b[Aa] (?:apple|ant|owl|old|orange|elephant|inventor|otter)\b"
                    r"|\b[Aa]n (?:b|c|d|f|g|k|l|m|p|t)\w",
                    message["content"],
                )
                assert not found, message["content"]


@pytest.mark.parametrize("table", TABLES)
def test_every_template_of_a_table_expands(table: str) -> None:
    scene = make_scene()
    for intent in read_intents(table):
        follow_ups = [text for asked, told in intent.follow_ups for text in (asked, *told)]
        for template in (*intent.questions, *intent.answers, *follow_ups):
            text = expand(template, scene.rng)
            assert text and "<" not in text and "[" not in text, template


def test_facts_expand_and_have_answers() -> None:
    rng = random.Random(1)
    for fact in read_facts():
        assert fact.answer[-1] in ".?!", fact
        for question in fact.questions:
            assert "{" not in expand(question, rng), fact
    assert len(read_facts()) > 400


def test_countries_have_five_facts_and_unique_capitals() -> None:
    countries = read_countries()
    assert len(countries) >= 190
    assert len({country.capital for country in countries}) == len(countries)
    assert {country.continent for country in countries} == {
        "Africa", "Asia", "Europe", "North America", "Oceania", "South America"}  # fmt: skip
    assert len(read_well_known()) == len(read_lines("well_known"))


@pytest.mark.parametrize(
    ("table", "width"),
    [
        ("opposites", 2),
        ("plurals", 2),
        ("jokes", 2),
        ("riddles", 2),
        ("meanings", 3),
        ("phrases", 5),
        ("howto", 2),
        ("animals", 5),
        ("heroes", 2),
    ],
)
def test_tables_have_their_columns(table: str, width: int) -> None:
    assert all(len(record) == width for record in read_records(table))


def test_held_out_names_never_appear_in_training() -> None:
    names = set(held_out_names())
    assert 20 < len(names) < 80
    train, held_out = make_scene(2), make_scene(2, "held_out")
    assert not names & {draw_name(train) for _ in range(2000)}
    drawn = {draw_name(held_out) for _ in range(400)} & set(read_lines("names"))
    assert drawn and drawn <= names


def test_held_out_large_sums_never_appear_in_training() -> None:
    scene = make_scene(3)
    for _ in range(1500):
        shown = re.search(r"(\d+) ([-+]) (\d+) =", play_sum(scene)[0].assistant)
        if shown and max(int(shown[1]), int(shown[3])) > 12:
            assert not is_held_out("sum", "".join(shown.groups()))


def test_phrasings_of_the_splits_differ() -> None:
    template = "[a|b|c|d|e|f|g|h] [a|b|c|d|e|f|g|h] [a|b|c|d|e|f|g|h]"
    train, held_out = make_scene(), make_scene(1, "held_out")
    seen = {train.phrase(template) for _ in range(800)}
    kept = {held_out.phrase(template) for _ in range(800)}
    wrong = {text for text in seen if is_held_out("phrase", text)}
    assert not wrong
    assert sum(is_held_out("phrase", text) for text in kept) > 0.5 * len(kept)


def test_held_out_split_generates() -> None:
    assert len(list(generate(Args(conversations=150, seed=1, split="held_out")))) == 150


def test_sums_are_right() -> None:
    scene = make_scene(4)
    signs = {"+": int.__add__, "-": int.__sub__, "x": int.__mul__, "/": int.__floordiv__}
    for _ in range(2000):
        for exchange in play_sum(scene):
            shown = re.search(r"(\d+) ([-+x/]) (\d+) = (-?\d+)", exchange.assistant)
            assert shown, exchange
            result = signs[shown[2]](int(shown[1]), int(shown[3]))
            assert result == int(shown[4]), exchange
            assert exchange.short == str(result)


def test_told_values_are_recalled() -> None:
    scene = make_scene(6)
    unrelated = Exchange("What is 1 + 1?", "1 + 1 = 2.")
    for _ in range(600):
        exchanges = play_memory(scene, lambda _: [unrelated])
        for index, exchange in enumerate(exchanges):
            if exchange.short and exchange is not unrelated:
                before = " ".join(earlier.user.lower() for earlier in exchanges[:index])
                assert exchange.short.lower() in before, exchanges
                assert exchange.short in exchange.assistant


def test_traits_are_complete() -> None:
    for trait in read_traits():
        assert "{x}" in trait.tell and "{x}" in trait.answer
        assert "{x}" not in trait.unknown and "{x}" not in trait.ask


def test_spelled_numbers() -> None:
    assert spell_number(0) == "zero"
    assert spell_number(21) == "twenty-one"
    assert spell_number(100) == "one hundred"
    assert spell_number(342) == "three hundred and forty-two"
    assert spell_number(1005) == "one thousand and five"


@given(st.text(min_size=1), st.integers())
@settings(max_examples=200, deadline=None)
def test_roughening_never_empties_a_text(text: str, seed: int) -> None:
    assert roughen(text, random.Random(seed))


@given(st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_typos_spare_kept_words(seed: int) -> None:
    text = roughen("my name is barnaby and this sentence is rather long", random.Random(seed),
                   "barnaby")  # fmt: skip
    assert "barnaby" in text.lower()


def test_grammar_counts_and_expands() -> None:
    assert count("[a|b] [c|d|]") == 6
    assert expand("x [y|y] ?", random.Random(1)) == "x y?"
    for text in SHARED.values():
        assert count(text) > 4
    with pytest.raises(AssertionError, match="missing"):
        expand("[a|b", random.Random(1))


def test_sources_without_a_folder_or_files(tmp_path: Path) -> None:
    assert read_sources(None) == Sources()
    assert read_sources(tmp_path) == Sources()


def write_zst(path: Path, records: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(record) + "\n" for record in records)
    path.write_bytes(zstandard.ZstdCompressor().compress(text.encode()))


def test_definitions_come_from_common_words_with_one_meaning(tmp_path: Path) -> None:
    folder = tmp_path / "pretrain"
    write_zst(folder / "books.jsonl.zst", [{"text": "the lantern and the bank " * 20}])
    write_zst(folder / "wordnet_defs.jsonl.zst", [
        {"words": ["lantern"], "pos": "noun", "definition": "a light in a case", "examples": []},
        {"words": ["bank"], "pos": "noun", "definition": "the side of a river", "examples": []},
        {"words": ["bank"], "pos": "noun", "definition": "a house for money", "examples": []},
        {"words": ["zymurgy"], "pos": "noun", "definition": "a study of beer", "examples": []},
    ])  # fmt: skip
    assert [found.word for found in read_sources(tmp_path).definitions] == ["lantern"]


def test_command_writes_rows(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "rows.jsonl.zst"
    main(["--out", str(out), "--conversations", "40", "--seed", "2"])
    with out.open("rb") as file:
        text = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8").read()
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines == list(generate(Args(conversations=40, seed=2)))


def test_command_shows_rows(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--show", "3"])
    assert capsys.readouterr().out.count("generator/") == 3


def test_command_needs_a_target() -> None:
    with pytest.raises(SystemExit):
        main([])


def test_probes_have_total_and_categories() -> None:
    probes = read_probes()
    assert len(probes) >= 110
    wanted = {"greeting", "identity", "farewell", "capital", "arithmetic", "name memory", "refusal",
              "over-refusal", "unknown", "story", "fact"}  # fmt: skip
    assert wanted <= {probe.category for probe in probes}
    assert all(len(probe.turns) % 2 == 1 for probe in probes)


def test_generated_answers_pass_the_checks_of_their_kind() -> None:
    scene = make_scene(8)
    caring = {"self_harm", "friend_self_harm", "medical"}
    for table, check in (("refusal", is_refusal), ("unknown", is_not_knowing)):
        for intent in read_intents(table):
            if intent.name in caring | {"pressure", "why_not", "specialist"}:
                continue
            for _ in range(30):
                answer = play_intent(scene, intent)[0].assistant
                assert check(answer), (intent.name, answer)
    for intent in read_intents("harmless"):
        assert is_helpful(play_intent(scene, intent)[0].assistant), intent.name
    heroes = [draw_hero(scene) for _ in range(60)]
    assert all(is_story(tell_story(scene, hero)[0]) for hero in heroes)


def test_an_empty_answer_passes_no_probe() -> None:
    assert all(passed == 0 for passed, _ in run_probes(lambda _: "").values())


def test_one_answer_for_all_fails_most_probes() -> None:
    scores = run_probes(lambda _: "I'm sorry, but I don't know.")
    assert scores["unknown"][0] == scores["unknown"][1]
    for category in ("capital", "fact", "arithmetic", "name memory", "over-refusal", "story"):
        assert scores[category][0] == 0, category


def test_checks_tell_right_from_wrong() -> None:
    assert has_result(12)("5 + 7 = 12.") and not has_result(12)("5 + 12 = 17.")
    assert has_result(8)("It is 8.") and not has_result(8)("It is 18.")
    assert has_word(("Rome",))("It's Rome.") and not has_word(("Rome",))("Romeo")
    assert is_refusal("I'm sorry, I can't help with that.") and not is_refusal("Boil it.")
    assert is_not_knowing("I don't know that.") and not is_not_knowing("It's noon.")
    assert not is_story("Hello. " * 60)
