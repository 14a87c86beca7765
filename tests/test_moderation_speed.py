"""What is measured is what a text costs that was never seen before."""

from moderation.chain import Chain
from moderation.policy import Policy
from moderation.speed import measure_speed
from tests.moderation_kit import FINE, Scripted


def test_no_text_is_measured_twice():
    """A moderator that remembers what it judged would make the whole chain look quick."""
    judged: list[str] = []
    watcher = Scripted(lambda context: judged.append(context.text) or FINE, name="watcher")
    chain = Chain((watcher,), Policy.load("standard"))
    rows = measure_speed([watcher], chain, lengths=(50, 900), num_checks=3)
    assert [row.name for row in rows] == ["(normaliser)", "watcher", "(all together)"] * 2
    assert len(judged) == len(set(judged)) == 2 * 2 * 5
