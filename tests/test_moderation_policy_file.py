"""A policy that is edited while people chat: what is wrong changes nothing."""

import os
from pathlib import Path

import pytest

from chat.errors import PolicyError
from moderation.policy_file import PolicyFile

FIRST = "name = 'first'\n[default]\naction = 'flag'\n"
SECOND = "name = 'second'\n[default]\naction = 'warn'\n"


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """A policy file, and the one who reads it."""

    def __init__(self, path: Path):
        self.path = path
        self.clock = Clock()
        path.write_text(FIRST)
        # As if no time went by since a file was written.
        self.calendar = lambda: path.stat().st_mtime
        self.file = PolicyFile(
            path, ["spoilers"], ["pii"], clock=self.clock, calendar=lambda: self.calendar()
        )

    def name_later(self, seconds: float) -> str:
        self.clock.now += seconds
        return self.file.current().name

    def settle(self) -> str:
        """Return the name of the policy once a change can have been noticed."""
        self.name_later(1.0)
        return self.name_later(1.0)


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path / "ours.toml")


def test_a_change_counts_from_the_second_look_on(desk):
    before = desk.file.current()
    desk.path.write_text(SECOND)
    assert desk.name_later(0.9) == "first"
    assert desk.name_later(0.1) == "first"  # seen, and perhaps still being written
    assert desk.name_later(1.0) == "second"
    assert desk.file.current().version != before.version
    assert before.name == "first"


def test_a_change_of_long_ago_counts_at_the_first_look(desk):
    """Nobody asked for an hour: the next question is judged by what was written meanwhile."""
    desk.path.write_text(SECOND)
    desk.calendar = lambda: desk.path.stat().st_mtime + 3600
    assert desk.name_later(3600) == "second"


def test_what_does_not_change_is_the_very_same_policy(desk):
    before = desk.file.current()
    desk.settle()
    assert desk.file.current() is before


def test_a_file_that_is_being_written_is_left_alone(desk):
    # Each half of it would be a policy of its own.
    for end in range(5, len(SECOND), 9):
        desk.path.write_text(SECOND[:end])
        assert desk.name_later(1.0) == "first"
        assert desk.file.problem == ""
    desk.path.write_text(SECOND)
    assert desk.settle() == "second"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[input", "cannot be read"),
        ("[input]\nhate = { action = 'ban' }", "input.hate.action has the value 'ban'"),
        ("shadow = ['nobody']", "moderator 'nobody'"),
        ("[input]\nhat = { action = 'flag' }", "category 'hat'"),
    ],
)
def test_a_broken_file_keeps_the_old_policy_and_says_why_once(desk, caplog, text, told):
    desk.path.write_text(text)
    assert desk.settle() == "first"
    assert told in desk.file.problem
    for _ in range(5):
        assert desk.name_later(1.0) == "first"
    assert caplog.text.count(told) == 1
    desk.path.write_text(SECOND)
    assert desk.settle() == "second"
    assert desk.file.problem == ""


def test_a_file_that_goes_away_and_comes_back(desk):
    desk.path.unlink()
    assert desk.settle() == "first"
    assert desk.file.problem == "The policy ours.toml isn't there any more."
    desk.path.write_text(SECOND)
    assert desk.settle() == "second"
    assert desk.file.problem == ""


def test_another_file_in_its_place_counts_even_with_the_same_time_and_length(desk):
    stamp = desk.path.stat()
    other = desk.path.with_suffix(".new")
    other.write_text(FIRST.replace("first", "other"))
    os.utime(other, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    other.replace(desk.path)
    assert desk.settle() == "other"


def test_a_policy_that_is_broken_from_the_start_is_refused(tmp_path):
    with pytest.raises(PolicyError, match="'lenient'"):
        PolicyFile("lenient")
    path = tmp_path / "ours.toml"
    path.write_text("x = 1")
    with pytest.raises(PolicyError, match="'x'"):
        PolicyFile(path)


def test_a_preset_is_a_file_too():
    assert PolicyFile("strict").current().name == "strict"
