"""The shipped moderator "mini": its contract, its size, and its tie to the shipped "fast"."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from chat.errors import ModeratorError
from chat.types import Message
from moderation.base import ModerationContext
from moderation.classifiers.artifact import FOLDER
from moderation.conformance import check_moderator
from moderation.mini import MiniModerator
from moderation.registry import load_in_process

HARMFUL = "You are worthless, you stupid bitch, and tonight I will come to your house and kill you."
HARMLESS = "What is the highest mountain of Wales, and how long does it take to walk up?"


@pytest.fixture(scope="module")
def mini():
    return MiniModerator()


def ask(text, stage="input"):
    return ModerationContext((Message("user", text),), stage)


def test_it_keeps_the_contract_of_moderators(mini):
    assert check_moderator(mini, samples=[HARMFUL], timeout_s=60) == []


def test_it_tells_harm_from_a_question_about_wales(mini):
    assert max(mini.check(ask(HARMFUL)).scores.values()) > 0.5
    assert max(mini.check(ask(HARMLESS)).scores.values()) < 0.2


def test_it_is_loaded_by_its_name(mini):
    loaded = load_in_process("mini")
    assert loaded.manifest == mini.manifest
    assert loaded.check(ask(HARMFUL)).scores == mini.check(ask(HARMFUL)).scores


def test_what_it_judges_is_known_without_loading_it(mini):
    assert set(MiniModerator.manifest.categories) == set(mini.manifest.categories)


def test_many_threads_get_what_one_gets(mini):
    texts = [f"{text} {number}" for number in range(12) for text in (HARMFUL, HARMLESS)]
    alone = [MiniModerator().check(ask(text)).scores for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: mini.check(ask(text)).scores, texts)) == alone


def test_a_disguise_changes_nothing(mini):
    disguised = HARMFUL.replace("kill", "k\u200bill").replace("stupid", "ѕtuріd")
    assert mini.check(ask(disguised)).scores == mini.check(ask(HARMFUL)).scores


def test_harm_is_found_inside_a_long_text(mini):
    text = f"{HARMLESS} " * 30 + HARMFUL + f" {HARMLESS}" * 30
    assert max(mini.check(ask(text)).scores.values()) > 0.5


def test_a_long_and_odd_text_is_judged_all_the_same(mini):
    scores = mini.check(ask("東京の夜 \ud800 " * 3000)).scores
    assert all(0.0 <= score <= 1.0 for score in scores.values())


def test_it_says_which_folder_is_missing(tmp_path):
    with pytest.raises(ModeratorError, match="nowhere"):
        MiniModerator(str(tmp_path / "nowhere"))
    with pytest.raises(ModeratorError, match="elsewhere"):
        MiniModerator("", str(tmp_path / "elsewhere"))


def test_all_classifiers_together_are_small_enough_to_be_committed():
    sizes = [path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()]
    assert max(sizes) < 10_000_000
    assert sum(sizes) < 30_000_000
