"""The moderator "fast", and what the moderators with classifiers have in common."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from chat.errors import ModeratorError
from chat.types import Message
from moderation.base import ModerationContext
from moderation.classifiers.artifact import Artifact
from moderation.classifiers.calibration import Calibration
from moderation.classifiers.linear import KIND, LinearModel, Weights
from moderation.conformance import TEXTS, check_moderator
from moderation.fast import FastModerator
from moderation.registry import load_in_process
from tests.tiny_classifiers import change_manifest, write_linear

CATEGORIES = ("hate", "sexual", "violence")


@pytest.fixture
def folder(tmp_path):
    words = {"zorblatt": "hate", "quuxible": "sexual", "gronka": "violence"}
    return write_linear(tmp_path / "fast", words, CATEGORIES)


def ask(text, stage="input"):
    return ModerationContext((Message("user", text),), stage)


def test_it_keeps_the_contract_of_moderators(folder):
    assert check_moderator(FastModerator(str(folder)), samples=["you zorblatt", "quuxible"]) == []


def test_the_shipped_one_keeps_the_contract_of_moderators():
    sample = "You are a worthless piece of shit and I will kill you, you stupid bitch."
    assert check_moderator(FastModerator(), samples=[sample]) == []


def test_it_is_loaded_by_its_name(folder):
    moderator = load_in_process("fast", {"folder": str(folder)})
    assert moderator.check(ask("zorblatt")).scores["hate"] > 0.5


def test_a_known_word_raises_its_category_alone(folder):
    scores = FastModerator(str(folder)).check(ask("well, quuxible")).scores
    assert scores["sexual"] > 0.5 > max(scores["hate"], scores["violence"])
    assert scores.keys() == set(CATEGORIES)


@pytest.mark.parametrize(
    "text",
    [
        "วันนี้อากาศดีมาก",
        "今天天气很好。",
        "आज मौसम अच्छा है।",
        "الطقس جميل اليوم",
    ],
)
def test_about_other_letters_than_latin_ones_it_has_nothing_to_say(folder, text):
    verdict = FastModerator(str(folder)).check(ask(text))
    assert (verdict.outcome, verdict.reason) == ("abstained", "language")


def test_words_in_other_letters_hide_no_harm_beside_them(folder):
    scores = FastModerator(str(folder)).check(ask("วันนี้อากาศดี zorblatt Сегодня" + "好" * 500)).scores
    assert scores["hate"] > 0.5


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b\u200b"])
def test_where_there_is_nothing_to_read_nothing_is_found(folder, text):
    assert set(FastModerator(str(folder)).check(ask(text)).scores.values()) == {0.0}


@pytest.mark.parametrize("about", TEXTS)
def test_scores_of_odd_texts_are_numbers_from_0_to_1(folder, about):
    scores = FastModerator(str(folder)).check(ask(TEXTS[about])).scores
    assert all(0.0 <= score <= 1.0 for score in scores.values())


def test_a_disguise_changes_nothing(folder):
    moderator = FastModerator(str(folder))
    plain = moderator.check(ask("you zorblatt")).scores
    for disguised in ("you ZORBLATT", "you z\u200borblatt", "you ｚｏｒｂｌａｔｔ", "you z0rbl4tt"):
        assert moderator.check(ask(disguised)).scores == plain, disguised


def test_what_is_encoded_is_judged_as_well(folder):
    encoded = "eW91IHpvcmJsYXR0LCB5b3UgenJvYmxhdHQgem9yYmxhdHQ="
    assert FastModerator(str(folder)).check(ask(f"decode {encoded}")).scores["hate"] > 0.5


def test_a_word_is_found_wherever_it_stands_in_a_long_text(folder):
    moderator = FastModerator(str(folder))
    for place in (0, 150, 180, 199, 2000):
        filler = ["tea"] * 4000
        filler.insert(place, "zorblatt " * 20)
        assert moderator.check(ask(" ".join(filler))).scores["hate"] > 0.5, place


def test_a_batch_is_judged_as_each_text_alone(folder):
    moderator = FastModerator(str(folder))
    contexts = [ask(text) for text in ["zorblatt", "", "tea", "quuxible tea", "zorblatt"]]
    verdicts = moderator.check_batch(contexts)
    assert [v.scores for v in verdicts] == [moderator.check(c).scores for c in contexts]
    assert moderator.check_batch([]) == []


def test_many_threads_get_what_one_gets(folder):
    moderator = FastModerator(str(folder))
    texts = [f"{word} number {n}" for n in range(40) for word in ("zorblatt", "tea", "gronka")]
    alone = [moderator.check(ask(text)).scores for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: moderator.check(ask(text)).scores, texts)) == alone


def test_what_it_judges_is_known_without_loading_it():
    assert FastModerator.manifest.name == "fast"
    assert "self-harm/intent" in FastModerator.manifest.categories


def test_the_version_follows_the_weights(tmp_path):
    words = ("zorblatt", "quuxible")
    folders = [write_linear(tmp_path / word, {word: "hate"}, CATEGORIES) for word in words]
    assert len({FastModerator(str(folder)).manifest.version for folder in folders}) == 2


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ModeratorError, match="nowhere"):
        FastModerator(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"kind": "encoder"},
        {"categories": None},
        {"categories": ["hate"]},
        {"calibration": {"slopes": {}, "midpoints": {}}},
        {"calibration": None},
        {"settings": {}},
        {"settings": {"features": {"bits": 99}, "names": "none", "window": 400}},
        {"settings": {"features": {"what": 1}, "names": "none", "window": 400}},
        {"settings": {"features": {"bits": 2}, "names": "none", "window": 400}},
        {"settings": {"features": {}, "names": "unheard-of", "window": 400}},
        {"files": {"gone.bin": {"bytes": 1, "sha256": ""}}},
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(folder, changes):
    change_manifest(folder, **changes)
    with pytest.raises(ModeratorError, match=str(folder)):
        FastModerator(str(folder))


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not whole", None])
def test_weights_cut_short_or_swapped_are_refused(folder, damage):
    path = folder / "weights.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content) if damage is None else damage)
    with pytest.raises(ModeratorError, match=str(folder)):
        FastModerator(str(folder))


def test_a_broken_archive_is_refused_even_if_its_digest_is_right(folder):
    from training.manifest import describe_files

    path = folder / "weights.npz"
    path.write_bytes(path.read_bytes()[:-40])
    change_manifest(folder, files=describe_files([path]))
    with pytest.raises(ModeratorError, match=str(folder)):
        FastModerator(str(folder))


def test_a_manifest_that_is_no_json_is_refused(folder):
    (folder / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModeratorError, match=str(folder)):
        FastModerator(str(folder))


def test_the_same_weights_are_written_as_the_same_bytes(folder, tmp_path):
    weights = Weights.load(folder / "weights.npz")
    for name in ("one", "two"):
        weights.save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    again = Weights.load(tmp_path / "one")
    for name in Weights.__slots__:
        np.testing.assert_array_equal(getattr(again, name), getattr(weights, name))


def test_figures_of_no_texts_are_an_empty_table(folder):
    model = LinearModel.load(Artifact.open(folder, KIND))
    assert model.judge([]).shape == (0, len(CATEGORIES))


def test_a_calibrated_score_is_one_half_at_the_midpoint_and_rises_with_the_figure():
    calibration = Calibration((2.0, 0.5), (1.0, -3.0))
    figures = np.array([[1.0, -3.0], [2.0, -2.0], [1e9, -1e9]])
    scores = calibration.score(figures)
    assert scores[0].tolist() == [0.5, 0.5]
    assert (scores[1] > 0.5).all()
    assert scores.min() >= 0.0 and scores.max() <= 1.0


def test_a_calibration_survives_its_json():
    calibration = Calibration((2.0, 0.5), (1.0, -3.0))
    assert Calibration.from_json(calibration.to_json("ab"), "ab") == calibration
