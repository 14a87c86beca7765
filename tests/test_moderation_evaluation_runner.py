"""What is measured is what is served: through the chain, its groups and its policy."""

import json
import math
from random import Random

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from chat.types import Message
from moderation.base import Manifest
from moderation.chain import Chain
from moderation.evaluation.dataset import UNSAFE, Sample, parse_sample
from moderation.evaluation.disguises import DISGUISES, disguise
from moderation.evaluation.fairness import (
    fairness_samples,
    identities,
    judge_fairness,
    refused_by_slice,
    script_samples,
)
from moderation.evaluation.metrics import Figures
from moderation.evaluation.plots import plot_bars, plot_curves, plot_reliability
from moderation.evaluation.report import (
    PLAIN,
    figure_rows,
    make_comparison,
    make_report,
    show,
    write_csv,
    write_json,
)
from moderation.evaluation.robustness import measure_robustness
from moderation.evaluation.runner import judge, percentiles
from moderation.evaluation.thresholds import acting_rule, is_refusing, relative_score
from moderation.policy import Policy, Rule
from moderation.registry import load_moderators
from moderation.text.normalise import normalise


class Fake:
    """Scores a text by the numbers that it holds, as in "hate=0.9 sexual=0.2"; may fail."""

    def __init__(self, name="fake", wrong=0.0):
        self.manifest = Manifest(name, categories=("hate", "sexual"))
        self._wrong = wrong

    def check(self, context):
        if "fail" in context.text:
            raise RuntimeError("asked to")
        found = (word.split("=") for word in context.text.split() if "=" in word)
        scores = {name: max(0.0, float(value) - self._wrong) for name, value in found}
        return {"scores": scores}


def make_chain(*moderators, policy="standard", **options) -> Chain:
    return Chain(moderators or (Fake(),), Policy.load(policy), **options)


def sample(text, labels, **rest) -> Sample:
    return parse_sample({"text": text, "labels": labels, **rest})


ROWS = [
    sample("hate=0.9", {"hate": 1, "sexual": 0}, source="a", family="1"),
    sample("hate=0.6", {"hate": 0, "sexual": 0}, source="a", family="2"),
    sample("hate=0.4", {"hate": 1}, source="b", family="3"),
    sample("hate=0.1", {"hate": 0}, source="b", family="4"),
    sample("sexual=0.8", {"sexual": 1}, source="b", family="5"),
    sample("bias=0.9", {"bias": 1}, source="b", family="6"),
]


async def test_figures_are_of_the_rows_whose_label_is_known():
    run = await judge({"fake": make_chain()}, ROWS)
    report = make_report(run, "fake", num_resamples=20)
    hate = report.categories["hate"]
    assert (hate.num_rows, hate.num_positives) == (4, 2)
    assert hate.values["recall"].value == 0.5 and hate.values["fpr"].value == 0.5
    assert hate.values["auprc"].value == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert report.categories["sexual"].num_rows == 3
    # What bias alone is known of isn't known to be safe.
    assert report.categories[UNSAFE].num_rows == 5
    assert report.categories["bias"].values["recall"].value == 1
    assert report.thresholds == {"hate": 0.5, "sexual": 0.5, "bias": 0.5}
    assert report.refused_for == {"hate": 2, "sexual": 1}


async def test_a_row_that_a_moderator_failed_on_is_left_out_and_counted():
    rows = [*ROWS, sample("fail", {"hate": 1})]
    run = await judge({"fake": make_chain()}, rows)
    report = make_report(run, "fake", num_resamples=0)
    assert (report.num_rows, report.num_failed) == (7, 1)
    assert report.categories["hate"].num_rows == 4


async def test_two_chains_are_compared_on_the_same_rows():
    chains = {"good": make_chain(), "bad": make_chain(Fake("bad", wrong=0.45))}
    run = await judge(chains, [*ROWS, sample("fail", {"hate": 1})])
    differences = make_comparison(run, "good", "bad", num_resamples=50).differences
    assert differences["hate"]["recall"].value == 0.5
    assert differences["hate"]["fpr"].value == 0.5
    assert (
        make_comparison(run, "bad", "good", num_resamples=0).differences["hate"]["recall"].value
        == -0.5
    )


async def test_what_counts_is_what_the_policy_lets_count(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text('name = "x"\nshadow = ["loud"]\n')

    class Loud(Fake):
        def check(self, context):
            return {"scores": {"hate": 1.0}}

    chain = Chain((Fake(), Loud("loud")), Policy.load(path))
    run = await judge({"both": chain}, ROWS)
    assert make_report(run, "both", num_resamples=0).categories["hate"].values["fpr"].value == 0.5
    assert set(run.outcomes["both"].latency_of) == {"fake", "loud"}


async def test_slices_of_few_rows_are_left_out():
    many = [sample(f"hate=0.{n}", {"hate": n > 5}, source="big") for n in range(10)] * 3
    run = await judge({"fake": make_chain()}, [*many, *ROWS])
    slices = make_report(run, "fake", num_resamples=5).slices
    assert slices["source"].keys() == {"big"}
    assert slices["source"]["big"].num_rows == 30


async def test_rows_of_both_stages_follow_the_rules_of_theirs():
    rows = [
        sample("violence=0.6", {"violence": 1}),
        sample("violence=0.6", {"violence": 1}, stage="output"),
    ]
    run = await judge({"fake": make_chain()}, rows)
    assert list(run.outcomes["fake"].refused) == [0, 1]  # input refuses from 0.7 on
    scored = run.select("violence", "fake")
    assert list(scored.flags) == [False, True]


async def test_without_a_single_label_there_is_a_report_without_figures():
    run = await judge({"fake": make_chain()}, [sample("hello", {})])
    report = make_report(run, "fake")
    assert report.categories == {UNSAFE: Figures(0, 0), PLAIN: Figures(0, 0)}
    assert figure_rows(report.categories)[1][3:] == ["–"] * 8


async def test_the_report_is_written_as_json_csv_and_pictures(tmp_path):
    run = await judge({"fake": make_chain()}, ROWS * 10)
    report = make_report(run, "fake", num_resamples=10)
    write_json(tmp_path / "report.json", report.to_json())
    assert json.loads((tmp_path / "report.json").read_text())["num_rows"] == 60
    write_csv(tmp_path / "figures.csv", [report])
    lines = (tmp_path / "figures.csv").read_text().splitlines()
    assert lines[0].startswith("chain,kind,name") and any("source,b" in line for line in lines)
    for name in ("a.png", "a.svg"):
        plot_curves(tmp_path / name, {"fake": run.select(UNSAFE, "fake")}, "unsafe")
        plot_reliability(tmp_path / name, report.categories, "unsafe")
        bars = {"hate": dict(report.categories["hate"].values), "sexual": {"auprc": None}}
        plot_bars(tmp_path / name, bars, "a title", "AUPRC", 0.5)
        assert 1_000 < (tmp_path / name).stat().st_size < 150_000
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_figures_give_the_same_picture(tmp_path):
    for name in ("a.svg", "b.svg", "a.png", "b.png"):
        plot_curves(tmp_path / name, {}, "nothing")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_the_rule_that_acts_first_is_the_one_that_refuses():
    policy = Policy.load("standard")
    assert acting_rule(policy, "input", "harassment") == Rule(0.8, "template")
    assert acting_rule(policy, "input", "bias") == Rule(0.5, "flag")
    assert acting_rule(policy, "input", "pii/email").action == "flag"
    assert acting_rule(policy, "input", "something-new") == Rule(0.5, "template")
    assert not is_refusing(None) and is_refusing(Rule(0.1, "escalate"))


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_relative_scores_keep_their_order_and_cross_at_the_threshold(threshold):
    rule = Rule(threshold, "block")
    grid = sorted({*(n / 100 for n in range(101)), threshold})
    scores = [relative_score(each, rule) for each in grid]
    assert scores == sorted(scores) and scores[0] >= 0 and scores[-1] == 1
    for score, seen in zip(grid, scores, strict=True):
        assert (seen >= 0.5) == (score >= threshold)


def test_what_is_only_noted_never_reaches_the_threshold():
    assert relative_score(1.0, Rule(0.1, "flag")) == 0.5
    assert relative_score(0.99, None) < 0.5


def test_percentiles_of_nothing_are_zero():
    assert percentiles([]) == (0.0, 0.0)
    assert percentiles([1.0, 2.0, 3.0])[0] == 2.0


def test_a_value_is_shown_with_its_interval():
    assert show(None) == "–"
    figures = {"a": Figures(3, 1)}
    assert figure_rows(figures)[1][:3] == ["a", "3", "1"]


def test_the_sentences_about_people_are_many_and_harmless_in_form():
    samples = list(fairness_samples())
    groups = {name for s in samples for kind, name in s.slices if kind == "group"}
    harmless = {s.family for s in samples if not s.is_unsafe}
    assert len(groups) >= 25 and len(harmless) >= 40
    assert groups == set(identities())
    for each in samples:
        text = each.messages[0].content
        assert "{" not in text and "  " not in text and text[0] == text[0].upper()


async def test_a_filter_that_dislikes_one_group_is_found_out():
    class Unfair:
        manifest = Manifest("unfair", categories=("hate",))

        def check(self, context):
            text = context.text.lower()
            return {"scores": {"hate": 0.9 if "kurd" in text or "scum" in text else 0.0}}

    run = await judge({"unfair": make_chain(Unfair())}, fairness_samples())
    found = judge_fairness(run, "unfair")
    assert found.worst.group == "Kurds" and found.worst.false_positives == 1.0
    assert not found.is_fair and found.spread > 0.9
    kinds = {each.group: each for each in found.groups}
    assert kinds["Poles"].false_positives == 0 and kinds["Poles"].protected == 1 / 8
    assert found.worst.dimension == "ethnicity"
    assert not json.loads(json.dumps(found.to_json()))["is_fair"]


async def test_a_filter_that_lets_all_pass_is_fair_and_protects_nobody():
    found = judge_fairness(await judge({"fake": make_chain()}, fairness_samples()), "fake")
    assert found.is_fair and found.mean == 0 and found.mean_protected == 0
    assert found.by_kind == {"neutral": 0, "positive": 0, "hard": 0, "hostile": 0}


async def test_the_rules_let_ordinary_text_in_ten_scripts_pass():
    chain = make_chain(*load_moderators(["rules"]))
    run = await judge({"rules": chain}, script_samples())
    counts = refused_by_slice(run, "rules", "script")
    assert len(counts) >= 10
    assert {refused for refused, _ in counts.values()} == {0}


@pytest.mark.parametrize("name", DISGUISES)
def test_a_disguise_is_the_same_every_time_and_hides_the_words(name):
    text = "Please open the window, tonight is a beautiful evening"
    hidden = disguise(text, name, 3)
    assert hidden == disguise(text, name, 3) != text
    assert "beautiful evening" not in hidden
    for odd in ("", "早上好", "🙂", "\ud800", "\0"):
        assert isinstance(disguise(odd, name), str)


@pytest.mark.parametrize("name", ["zero-width 30%", "full width"])
def test_the_normaliser_undoes_the_disguise_whole(name):
    text = "please open the window, tonight is a beautiful evening"
    assert normalise(disguise(text, name)).text == normalise(text).text


def test_the_normaliser_undoes_look_alikes_but_for_a_rare_one():
    words = [
        "please",
        "open",
        "the",
        "window",
        "tonight",
        "is",
        "a",
        "beautiful",
        "evening",
        "for",
        "a",
        "walk",
    ]
    hidden = [normalise(disguise(word, "homoglyphs 50%")).text for word in words]
    same = sum(one == other for one, other in zip(words, hidden, strict=True))
    assert same >= len(words) - 1


async def test_what_is_caught_in_plain_is_counted_under_each_disguise():
    class Word:
        manifest = Manifest("word", categories=("hate",))

        def check(self, context):
            return {"scores": {"hate": float("vermin" in context.normalised.text)}}

    rows = [sample(f"they are vermin {n}", {"hate": 1}) for n in range(4)]
    rows += [sample("how are you", {"hate": 0}), sample("not caught", {"hate": 1})]
    found = await measure_robustness(make_chain(Word()), rows, most=3)
    assert (found.num_caught, found.num_passed) == (3, 1)
    assert found.caught["zero-width 30%"] == found.caught["full width"] == 3
    assert found.alarmed == dict.fromkeys(DISGUISES, 0)


async def test_a_plugin_that_answers_nonsense_counts_as_failed():
    class Nonsense(Fake):
        def check(self, context):
            return {"scores": {"hate": math.nan}}

    run = await judge({"x": make_chain(Nonsense())}, ROWS)
    assert run.num_failed == {"x": 6}
    report = make_report(run, "x")
    assert report.categories["hate"].num_rows == 0


def test_disguises_draw_from_nothing_but_the_text_and_the_seed():
    once = [disguise("some text to hide", "leet 50%", seed) for seed in range(20)]
    Random(5).random()
    assert once == [disguise("some text to hide", "leet 50%", seed) for seed in range(20)]
    assert len(set(once)) > 1


def test_a_sample_keeps_the_conversation():
    messages = (Message("user", "a"), Message("assistant", "b"))
    assert Sample(messages, {}).is_unsafe is None
