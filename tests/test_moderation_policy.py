"""Policies say what they mean, and a wrong one says what is wrong with it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import PolicyError
from chat.types import Span, Verdict
from moderation.categories import CATEGORIES
from moderation.policy import Decision, Policy, merge_spans, presets


def found(*spans: Span, moderator: str = "m", **scores: float) -> Verdict:
    merged = {**{span.category: span.score for span in spans}, **scores}
    return Verdict(moderator, "1", "input", scores=merged, spans=spans)


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_presets_are_there_and_grow_milder():
    assert set(presets()) == {"permissive", "standard", "strict"}
    policies = [Policy.load(name) for name in ("strict", "standard", "permissive")]
    refused = [
        sum(
            policy.decide("input", [found(**{category: 0.6})]).is_refused for category in CATEGORIES
        )
        for policy in policies
    ]
    assert refused[0] > refused[1] > refused[2] > 0


@pytest.mark.parametrize("preset", ["strict", "standard", "permissive"])
@pytest.mark.parametrize("stage", ["input", "output"])
def test_no_preset_lets_the_worst_pass(preset: str, stage):
    policy = Policy.load(preset)
    for category in ("sexual/minors", "self-harm/intent", "illicit/violent", "hate/threatening"):
        assert policy.decide(stage, [found(**{category: 1.0})]).is_refused


def test_threshold_is_reached_not_only_passed(tmp_path: Path):
    path = write(tmp_path, '[input]\nhate = { threshold = 0.7, action = "block" }')
    policy = Policy.load(path)
    assert policy.decide("input", [found(hate=0.7)]).action == "block"
    assert policy.decide("input", [found(hate=0.6999)]).action == "allow"


def test_several_thresholds_give_several_actions(tmp_path: Path):
    path = write(
        tmp_path,
        "[[both.hate]]\nthreshold = 0.9\naction = 'block'\n"
        "[[both.hate]]\nthreshold = 0.3\naction = 'warn'\n",
    )
    policy = Policy.load(path)
    actions = [policy.decide("output", [found(hate=s)]).action for s in (0.2, 0.5, 0.95)]
    assert actions == ["allow", "warn", "block"]


def test_kind_follows_its_parent_and_the_unknown_the_default(tmp_path: Path):
    path = write(
        tmp_path,
        "[default]\nthreshold = 0.4\naction = 'warn'\n"
        "[both]\npii = { action = 'flag' }\n'pii/card' = { action = 'block' }\n",
    )
    policy = Policy.load(path)
    assert policy.action_for("input", "pii/email", 0.6) == "flag"
    assert policy.action_for("input", "pii/card", 0.6) == "block"
    assert policy.action_for("input", "spoilers", 0.5) == "warn"
    assert policy.action_for("input", "spoilers", 0.3) == "allow"


def test_stage_overrides_both(tmp_path: Path):
    path = write(
        tmp_path, "[both]\nhate = { action = 'block' }\n[output]\nhate = { action = 'flag' }\n"
    )
    policy = Policy.load(path)
    assert policy.action_for("input", "hate", 1) == "block"
    assert policy.action_for("output", "hate", 1) == "flag"


def test_most_severe_action_wins_and_self_harm_is_answered_first(tmp_path: Path):
    policy = Policy.load("standard")
    decision = policy.decide("input", [found(profanity=1.0), found(hate=1.0, moderator="n")])
    assert (decision.action, decision.category) == ("template", "hate")
    decision = policy.decide(
        "input", [found(violence=1.0), found(moderator="n", **{"self-harm/intent": 0.9})]
    )
    assert decision.category == "self-harm/intent"


def test_redaction_replaces_each_finding_once():
    policy = Policy.load("strict")
    text = "mail jane@example.com, now"
    email = Span(5, 21, "pii/email")
    decision = policy.decide(
        "input", [found(email), found(Span(10, 21, "pii/name"), moderator="n")]
    )
    assert decision.action == "redact"
    assert decision.apply(text) == "mail [EMAIL], now"


def test_redaction_without_a_place_refuses():
    decision = Policy.load("strict").decide("input", [found(pii=0.9)])
    assert decision.is_refused


def test_abstaining_changes_nothing_and_failing_refuses():
    policy = Policy.load("standard")
    abstained = Verdict("m", "1", "input", outcome="abstained")
    assert policy.decide("input", [abstained]).action == "allow"
    failed = Verdict("m", "1", "input", outcome="error", reason="timeout")
    assert policy.decide("input", [abstained, failed]).category == "error"


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 8))))
def test_merged_spans_cover_the_same_characters_and_never_overlap(rows):
    spans = [Span(start, start + length, "pii") for start, length in rows]
    merged = merge_spans(spans)
    covered = {i for span in spans for i in range(span.start, span.end)}
    again = [i for span in merged for i in range(span.start, span.end)]
    assert sorted(covered) == again
    text = "x" * 40
    shown = Decision("redact", "pii", redactions=merged).apply(text)
    assert shown.count("x") == 40 - len(covered)


def test_version_changes_with_the_content(tmp_path: Path):
    first = Policy.load(write(tmp_path, "[default]\naction = 'flag'\n")).version
    assert first == Policy.load(write(tmp_path, "[default]\naction = 'flag'\n")).version
    assert first != Policy.load(write(tmp_path, "[default]\naction = 'warn'\n")).version


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[input", ["mine.toml"]),
        ("\udcff", ["mine.toml"]),
        ("[inputs]\n", ["'inputs'", "input", "output"]),
        ("input = 3", ["input", "3", "table"]),
        ("[input]\nhat = { action = 'block' }", ["'hat'", "hate", "harassment"]),
        ("[input]\nhate = { action = 'ban' }", ["input.hate.action", "'ban'", "escalate"]),
        ("[input]\nhate = { threshold = 0.5 }", ["input.hate.action", "None"]),
        ("[input]\nhate = { threshold = 1.5, action = 'block' }", ["threshold", "1.5", "0 to 1"]),
        ("[input]\nhate = { threshold = nan, action = 'block' }", ["threshold", "nan"]),
        ("[input]\nhate = { threshold = '1', action = 'block' }", ["threshold", "'1'"]),
        ("[input]\nhate = { threshold = true, action = 'block' }", ["threshold", "True"]),
        ("[input]\nhate = { action = 'block', when = 1 }", ["'when'", "threshold"]),
        ("[input]\nhate = 'block'", ["input.hate", "'block'", "table"]),
        ("[default]\naction = 7", ["default.action", "7"]),
        ("[on_error]\ninput = 'maybe'", ["on_error.input", "'maybe'", "closed, open"]),
        ("[on_error.moderators]\nx = 1", ["on_error.moderators.x", "closed, open"]),
        ("[on_error.moderators.x]\nboth = 'open'", ["'both'", "input, output"]),
    ],
)
def test_wrong_policy_says_what_is_wrong_and_what_is_allowed(tmp_path: Path, text: str, told):
    path = tmp_path / "mine.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(PolicyError) as caught:
        Policy.load(path)
    for piece in ["mine.toml", *told]:
        assert piece in str(caught.value)


def test_missing_policy_lists_the_presets():
    with pytest.raises(PolicyError, match=r"'lenient'.*permissive, standard, strict"):
        Policy.load("lenient")


def test_category_of_a_plugin_may_have_a_rule_once_it_is_known(tmp_path: Path):
    path = write(tmp_path, "[input]\nspoilers = { action = 'warn' }")
    with pytest.raises(PolicyError, match="spoilers"):
        Policy.load(path)
    policy = Policy.load(path, categories=["spoilers"])
    assert policy.decide("input", [found(spoilers=0.5)]).action == "warn"
