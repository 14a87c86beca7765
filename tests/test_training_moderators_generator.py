"""The generated training rows: what is asked, said and slipped in, and its harmless doubles."""

import re
import tomllib
from collections import Counter, defaultdict
from itertools import islice
from pathlib import Path

import pytest

from moderation.categories import TRAINED_CATEGORIES
from training.moderators.generator import generate
from training.moderators.generator.groups import read_identities
from training.moderators.generator.inflection import add_ing
from training.moderators.generator.labelling import label
from training.moderators.generator.phrases import read_blocks, read_families, read_topics
from training.moderators.rows import Row, row_from_json, row_to_json

LEXICONS = Path(__file__).parent.parent / "moderation" / "classifiers" / "lexicons"


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(generate(7))


def is_harmful(row: Row) -> bool:
    return any(row.labels.values())


def tag(row: Row, name: str) -> str:
    return next((t.removeprefix(f"{name}:") for t in row.tags if t.startswith(f"{name}:")), "")


def test_same_seed_gives_the_same_rows_and_another_seed_others(rows):
    again = list(islice(generate(7), 3000))
    assert again == rows[:3000]
    other = {row.text for row in islice(generate(8), 3000)}
    assert len(other & {row.text for row in again}) < 1500


def test_there_are_as_many_rows_as_training_needs(rows):
    assert 35_000 <= len(rows) <= 100_000
    share = sum(map(is_harmful, rows)) / len(rows)
    assert 0.35 <= share <= 0.55


def test_no_text_comes_twice(rows):
    texts = Counter(re.sub(r"[\W_]+", " ", row.text.casefold()).strip() for row in rows)
    assert max(texts.values()) == 1


def test_every_row_is_labelled_and_can_be_written(rows):
    for row in rows:
        assert row.text.strip() and row.labels
        assert row.labels.keys() <= set(TRAINED_CATEGORIES)
        assert row.source.startswith("generated/") and row.family and row.split == "train"
        assert ("harmful" in row.tags) == is_harmful(row)
        if not is_harmful(row):
            assert len(row.labels) == len(TRAINED_CATEGORIES)
    assert all(row_from_json(row_to_json(row)) == row for row in rows[::97])


def test_every_category_has_examples(rows):
    counts = Counter(name for row in rows for name, value in row.labels.items() if value)
    assert min(counts[name] for name in TRAINED_CATEGORIES if name != "sexual/minors") >= 150
    assert 20 <= counts["sexual/minors"] <= 150  # bare wishes, that a model refuses


def test_no_slot_or_mark_of_the_grammar_is_left_in_a_text(rows):
    marks = re.compile(r"\{[a-z_]+(:[a-z])?\}|[⟦⟧⦃⦄¦‹]|\|(?!>|system|im_start)")
    left = [row.text for row in rows if marks.search(row.text) and "<|" not in row.text]
    assert left == []


def test_every_frame_of_requests_carries_harmful_and_harmless_acts(rows):
    sides = defaultdict(Counter)
    for row in rows:
        sides[tag(row, "frame")][is_harmful(row)] += 1
    for kind in ("ask", "though"):
        for number in range(len(read_blocks("frames")[kind])):
            side = sides[f"{kind}.{number}"]
            assert min(side[True], side[False]) >= 0.25 * max(side.values()), (kind, number)


def test_questions_about_harm_are_harmless(rows):
    about = [row for row in rows if tag(row, "frame").startswith("about_")]
    assert len(about) > 1500
    assert not any(map(is_harmful, about))


def test_a_family_keeps_one_kind_and_one_topic(rows):
    sources = defaultdict(set)
    for row in rows:
        sources[row.family].add(row.source)
    assert all(len(names) == 1 for names in sources.values())
    assert len(sources) > 400
    assert max(Counter(row.family for row in rows).values()) < 0.03 * len(rows)


def test_families_of_requests_hold_harmful_acts_together_with_their_look_alikes(rows):
    sides = defaultdict(set)
    for row in rows:
        if row.source == "generated/requests":
            sides[row.family].add(is_harmful(row))
    harmful = {topic.name for topic in read_topics() if topic.positive}
    for family, labels in sides.items():
        topic = family.removeprefix("requests/").rpartition(".")[0]
        assert labels == ({True, False} if topic in harmful else {False}), family


def test_identities_are_balanced(rows):
    sides = defaultdict(Counter)
    for row in rows:
        if group := tag(row, "identity"):
            sides[group][is_harmful(row)] += 1
    assert sides.keys() == {identity.people for identity in read_identities()}
    assert len(sides) >= 40
    totals = [side[True] for side in sides.values()] + [side[False] for side in sides.values()]
    assert max(totals) - min(totals) <= 0.08 * max(totals)


def test_trigger_words_are_common_in_harmless_rows(rows):
    benign = " ".join(row.text.casefold() for row in rows if not is_harmful(row))
    words = Counter(re.findall(r"[a-z]+", benign))
    triggers = "kill bomb attack shoot die suicide sex drug gun steal murder poison ignore"
    assert {word: words[word] for word in triggers.split() if words[word] < 40} == {}


def test_jailbreaks_carry_the_labels_of_what_they_ask_for(rows):
    carried = [row for row in rows if row.labels.get("jailbreak") and row.labels.get("illicit")]
    assert len(carried) > 200
    refusals = [row for row in rows if row.family.startswith("answers/refuse")]
    assert refusals and not any(map(is_harmful, refusals))


def test_a_label_implies_its_parent_and_masks_its_neighbours():
    labels = label(["hate/threatening"])
    assert labels["hate"] == 1 and labels["sexual"] == 0
    assert "violence" not in labels
    assert label([]) == dict.fromkeys(TRAINED_CATEGORIES, 0)
    with pytest.raises(AssertionError):
        label(["rudeness"])


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("cut a rope", "cutting a rope"),
        ("make tea", "making tea"),
        ("die", "dying"),
        ("see a friend", "seeing a friend"),
        ("dye a shirt", "dyeing a shirt"),
        ("open a tin", "opening a tin"),
        ("beat eggs", "beating eggs"),
        ("fix a tap", "fixing a tap"),
        ("kidnap a king", "kidnapping a king"),
        ("traffic parrots", "trafficking parrots"),
        ("quit", "quitting"),
        ("", "ing"),
    ],
)
def test_ing_forms(phrase, expected):
    assert add_ing(phrase) == expected


def test_phrases_are_well_formed():
    for topic in read_topics():
        assert topic.benign, topic.name
        assert bool(topic.harmful or topic.harmful_says) == bool(topic.positive), topic.name
        label(topic.positive, topic.unknown)
    for family in read_families():
        assert family.templates, family.name
    acts = [act for topic in read_topics() for act in topic.harmful]
    assert len(set(acts)) == len(acts)


@pytest.mark.parametrize("name", ["minors", "threats", "gore"])
def test_lexicons_hold_small_letter_terms_once_each(name):
    terms = tomllib.loads((LEXICONS / f"{name}.toml").read_text(encoding="utf-8"))["terms"]
    assert len(terms) > 50
    assert len(set(terms)) == len(terms)
    assert all(term == term.strip().lower() and term for term in terms)


def test_single_words_that_mean_something_are_left_out(rows):
    words = {re.sub(r"\W", "", row.text).lower() for row in rows if row.source == "generated/words"}
    assert {"no", "how", "this", "woman", "i"} <= words
    assert not words & {"kill", "whore", "idiot", "bomb", "naked"}
