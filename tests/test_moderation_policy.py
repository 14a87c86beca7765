"""Policies say what they mean, and a wrong one says what is wrong with it."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import PolicyError
from chat.types import Span, Verdict
from moderation.base import NEVER_OPEN
from moderation.categories import CATEGORIES
from moderation.policy import Decision, Group, Policy, Rule, merge_spans, presets


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


@pytest.mark.parametrize("path", ["/", "/dev/zero"])
def test_a_policy_is_a_file(path: str):
    with pytest.raises(PolicyError, match="is no file"):
        Policy.load(path)


def test_category_of_a_plugin_may_have_a_rule_once_it_is_known(tmp_path: Path):
    path = write(tmp_path, "[input]\nspoilers = { action = 'warn' }")
    with pytest.raises(PolicyError, match="spoilers"):
        Policy.load(path)
    policy = Policy.load(path, categories=["spoilers"])
    assert policy.decide("input", [found(spoilers=0.5)]).action == "warn"


def judged(moderator: str, **scores: float) -> Verdict:
    return Verdict(moderator, "1", "input", scores=scores)


def failed(moderator: str, reason: str = "timeout") -> Verdict:
    return Verdict(moderator, "1", "input", outcome="error", reason=reason)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[audience.child.both]", ["audience", "'child'", "guest, member, api, admin"]),
        ("[audience.guest.question]", ["audience.guest", "'question'", "both, input, output"]),
        ("audience = 1", ["audience", "1", "a table"]),
        ("[audience.guest]\nboth = 1", ["audience.guest.both", "a table"]),
        ("[audience.guest.input]\nhat = { action = 'flag' }", ["audience.guest.input", "'hat'"]),
        (
            "[audience.guest.input]\nhate = { action = 'ban' }",
            ["audience.guest.input.hate.action", "'ban'"],
        ),
        ("shadow = 'mini'", ["shadow", "'mini'", "a list"]),
        ("shadow = [1]", ["shadow", "1", "a list of moderators' names"]),
        ("shadow = ['pii', 'pii']", ["shadow", "'pii'", "each name once"]),
        ("shadow = ['mine']", ["shadow", "moderator 'mine'", "active or built in: fast, pii"]),
        ("groups = 1", ["groups", "a list"]),
        ("default = []", ["default", "[]", "a rule or more"]),
        ("[input]\npii = []", ["input.pii", "[]", "a rule or more"]),
        ("groups = [1]", ["groups[0]", "a table"]),
        ("[[groups]]\nmoderators = []", ["groups[0].moderators", "one moderator or more"]),
        ("[[groups]]\nwhen = 1", ["groups[0]", "'when'", "moderators, ask_if, instead_of"]),
        ("[[groups]]\nmoderators = ['mine']", ["groups[0].moderators", "'mine'"]),
        (
            "[[groups]]\nmoderators = ['pii']\n[[groups]]\nmoderators = ['pii']",
            ["groups[1].moderators", "'pii'", "each moderator in one group"],
        ),
        (
            "[[groups]]\nmoderators = ['pii']\ninstead_of = ['fast']",
            ["groups[0].instead_of", "'fast'", "asked before: nothing in the first group"],
        ),
        (
            "[[groups]]\nmoderators = ['pii']\n[[groups]]\nmoderators = ['fast']\n"
            "instead_of = ['fast']",
            ["groups[1].instead_of", "'fast'", "asked before: pii"],
        ),
        *(
            (
                f"[[groups]]\nmoderators = ['pii']\nask_if = {{ input = {band} }}",
                ["groups[0].ask_if.input", "two numbers from 0 to 1, the smaller one first"],
            )
            for band in ("0.5", "[0.5]", "[0.5, 0.1]", "[0, nan]", "[0, 1.1]", "[0, true]", "[]")
        ),
        (
            "[[groups]]\nmoderators = ['pii']\nask_if = { both = [0, 1] }",
            ["groups[0].ask_if", "'both'", "input, output"],
        ),
        ("[on_error.moderators]\nmine = 'open'", ["on_error.moderators", "moderator 'mine'"]),
        ("[on_error]\ninput = 'degrade'", ["'degrade'", "closed, open, degraded"]),
    ],
)
def test_a_wrong_frame_says_what_is_wrong_and_what_is_allowed(tmp_path: Path, text: str, told):
    with pytest.raises(PolicyError) as caught:
        Policy.load(write(tmp_path, text), moderators=["pii", "fast"])
    for piece in ["mine.toml", *told]:
        assert piece in str(caught.value)


def test_a_policy_that_says_nothing_of_groups_has_those_of_the_presets(tmp_path: Path):
    usual = Policy.load(write(tmp_path, 'name = "x"')).groups
    assert all(Policy.load(name).groups == usual for name in presets())
    assert Policy.load(write(tmp_path, "groups = []")).groups == ()


def test_a_preset_may_name_what_is_not_loaded():
    for name in presets():
        groups = Policy.load(name, moderators=[]).groups
        assert [name for group in groups for name in group.moderators][-1] == "mini"


def test_an_audience_has_rules_of_its_own_and_else_those_of_all(tmp_path: Path):
    policy = Policy.load(
        write(
            tmp_path,
            "[both]\nhate = { action = 'template' }\nspam = { action = 'flag' }\n"
            "[input]\nprofanity = { action = 'warn' }\n"
            "[audience.guest.both]\nprofanity = { action = 'block' }\n"
            "[audience.admin.input]\nhate = { action = 'flag' }\n",
        )
    )
    guest, admin, member = (policy.for_audience(name) for name in ("guest", "admin", "member"))
    assert {guest.version, admin.version, member.version} == {policy.version}
    assert guest.action_for("input", "profanity", 1) == "block"
    assert guest.action_for("output", "profanity", 1) == "block"
    assert guest.action_for("input", "hate", 1) == "template"
    assert admin.action_for("input", "hate", 1) == "flag"
    assert admin.action_for("output", "hate", 1) == "template"
    assert admin.action_for("input", "spam", 1) == "flag"
    assert member.action_for("input", "profanity", 1) == "warn"
    assert policy.for_audience("") is policy


def examples_of_policies() -> list[str]:
    told = (Path(__file__).parent.parent / "docs" / "moderators.md").read_text(encoding="utf-8")
    section = told.split("## The policy\n")[1].split("\n## ")[0]
    return [block.split("```")[0] for block in section.split("```toml\n")[1:]]


@pytest.mark.parametrize("example", examples_of_policies())
def test_the_policies_of_the_manual_mean_something(tmp_path: Path, example: str):
    names = ["limits", "rules", "pii", "secrets", "fast", "jailbreak", "mini", "my-moderator"]
    path = write(tmp_path, example)
    assert Policy.load(path, moderators=names) != Policy.load(write(tmp_path, 'name = "x"'))


COVERS = {"mini": ["hate", "violence"], "fast": ["hate"], "rules": ["hate", "pii"]}
CASCADE = Policy(
    "cascade",
    "1",
    {},
    groups=(Group(("fast", "rules")), Group(("mini",), instead_of=("fast",))),
    covers=COVERS,
)


def test_where_the_dear_one_judged_the_score_of_the_cheap_one_is_only_recorded():
    decision = CASCADE.decide("input", [judged("fast", hate=0.9), judged("mini", hate=0.1)])
    assert decision.action == "allow"
    assert decision.verdicts[0].scores == {"hate": 0.9}
    assert decision.verdicts[0].action == "allow"
    # Others, and what the dear one doesn't look for, count as ever.
    decision = CASCADE.decide("input", [judged("rules", hate=0.9), judged("mini", hate=0.1)])
    assert decision.is_refused
    decision = CASCADE.decide("input", [judged("fast", bias=0.9), judged("mini", hate=0.1)])
    assert decision.category == "bias"


def test_the_dear_one_need_not_mention_what_it_looked_for_in_vain():
    assert CASCADE.decide("input", [judged("fast", hate=0.9), judged("mini")]).action == "allow"


def test_who_judges_hate_has_not_judged_threats():
    verdicts = [judged("fast", **{"hate/threatening": 0.9}), judged("mini", hate=0.0)]
    assert CASCADE.decide("input", verdicts).category == "hate/threatening"


@pytest.mark.parametrize("outcome", ["error", "abstained"])
def test_where_the_dear_one_has_nothing_to_say_the_cheap_one_counts(outcome):
    policy = replace(
        CASCADE, on_error_of={"mini": {"input": "degraded"}}, covers={"mini": ["hate"]}
    )
    silent = Verdict("mini", "1", "input", outcome=outcome)
    decision = policy.decide("input", [judged("fast", hate=0.9), silent])
    assert (decision.action, decision.category) == ("template", "hate")
    assert policy.decide("input", [judged("fast", hate=0.1), silent]).is_refused is False


def test_spans_that_do_not_count_redact_nothing():
    policy = replace(CASCADE, default=(Rule(0.5, "redact"),))
    span = found(Span(0, 4, "hate"), moderator="fast")
    assert policy.decide("input", [span]).redactions == span.spans
    assert policy.decide("input", [span, judged("mini", hate=0.2)]).redactions == ()


def test_a_place_too_unsure_to_redact_is_no_place():
    policy = replace(CASCADE, default=(Rule(0.5, "redact"),))
    unsure = found(Span(0, 4, "hate", 0.2))
    verdict = replace(unsure, scores={"hate": 0.9})
    decision = policy.decide("input", [verdict])
    assert (decision.action, decision.redactions) == ("template", ())
    assert policy.decide("input", [unsure]).action == "allow"


def degraded(**covers) -> Policy:
    return replace(CASCADE, on_error={"input": "degraded", "output": "closed"}, covers=covers)


@pytest.mark.parametrize(
    ("failing", "others", "is_refused"),
    [
        (["hate"], {"rules": ["hate"]}, False),
        (["hate", "bias"], {"rules": ["hate"]}, True),
        (["hate", "bias"], {"rules": ["hate"], "fast": ["bias", "spam"]}, False),
        (["pii/email"], {"rules": ["pii"]}, False),
        (["pii"], {"rules": ["pii/email"]}, True),
        (["hate/threatening"], {"rules": ["hate"]}, True),
        (["hate"], {}, True),
        ([], {"rules": ["hate"]}, True),  # nobody knows what it looked for
    ],
)
def test_degraded_refuses_what_nobody_judged(failing, others, is_refused):
    policy = degraded(mine=failing, **others)
    decision = policy.decide("input", [failed("mine"), *(judged(name) for name in others)])
    assert decision.is_refused is is_refused
    assert decision.category == "error"
    assert policy.fail_mode("output", "mine") == "closed"


def test_two_that_fail_do_not_stand_in_for_one_another():
    policy = degraded(one=["hate"], two=["hate"])
    assert policy.decide("input", [failed("one"), failed("two")]).is_refused


@pytest.mark.parametrize("reason", sorted(NEVER_OPEN))
def test_what_the_operator_has_to_mend_never_lets_a_text_pass(reason):
    policy = replace(CASCADE, on_error={"input": "open", "output": "open"})
    assert policy.decide("input", [failed("rules")]).action == "flag"
    assert policy.decide("input", [failed("rules", reason)]).action == "block"


def test_a_shadow_is_recorded_and_decides_nothing():
    policy = replace(CASCADE, shadow=frozenset({"mini", "new"}))
    verdicts = [judged("fast", hate=0.9), judged("mini", hate=0.0), failed("new", "timeout")]
    decision = policy.decide("input", verdicts)
    assert (decision.action, decision.category) == ("template", "hate")
    assert [(v.action, v.reason, v.policy_version) for v in decision.verdicts[1:]] == [
        ("allow", "shadow", "1"),
        ("allow", "shadow:timeout", "1"),
    ]
    assert policy.decide("input", decision.verdicts).verdicts == decision.verdicts
    assert policy.decide("input", [failed("new")]).action == "allow"
    shown = found(Span(0, 4, "hate"), moderator="new")
    assert replace(policy, default=(Rule(0.5, "redact"),)).decide("input", [shown]).redactions == ()


def test_a_shadow_stands_in_for_nobody():
    policy = replace(degraded(mine=["hate"], new=["hate"]), shadow=frozenset({"new"}))
    assert policy.decide("input", [failed("mine"), judged("new", hate=0.0)]).is_refused


def test_what_counts_is_told_apart_from_what_is_recorded():
    policy = replace(CASCADE, shadow=frozenset({"new"}))
    verdicts = [judged("fast", hate=0.9, spam=0.2), judged("mini", hate=0.1), judged("new", x=1.0)]
    counted = policy.counted(verdicts)
    assert [(v.moderator, v.scores) for v in counted] == [
        ("fast", {"spam": 0.2}),
        ("mini", {"hate": 0.1}),
    ]
