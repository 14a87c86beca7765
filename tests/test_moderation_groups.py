"""Cheap before dear: who is asked, whose word counts, and who is only listened to."""

import asyncio
import threading
import time
from dataclasses import replace

import pytest

from chat.errors import ModeratorError
from moderation.chain import Chain
from moderation.decision import settle as wait_for
from moderation.policy import Group, Policy
from moderation.registry import load_moderators
from tests.moderation_kit import BAD, FINE, Scripted, ask, in_groups, standard


def says(score: float, category: str = "hate"):
    return {"scores": {category: score}}


def cheap(*answers, name="fast", **manifest):
    return Scripted(*answers, name=name, categories=["hate"], **manifest)


def dear(*answers, **manifest):
    return Scripted(*answers, name="mini", categories=["hate"], **manifest)


def cascade(low=0.2, high=0.8, **changes) -> Policy:
    groups = (
        Group(("fast", "jailbreak")),
        Group(("mini",), {"input": (low, high)}, ("fast",)),
    )
    return in_groups(*groups, **changes)


@pytest.mark.parametrize(
    ("score", "is_asked"),
    [(0.0, False), (0.1999, False), (0.2, True), (0.5, True), (0.8, True), (0.8001, False)],
)
async def test_the_dear_one_is_asked_within_the_band_its_ends_included(score, is_asked):
    mini = dear(FINE)
    decision = await Chain((cheap(says(score)), mini), cascade()).check(ask("x"))
    assert mini.num_calls == is_asked
    # Where it was asked its word counts; elsewhere the cheap one's does.
    assert decision.is_refused is (score > 0.8)
    assert [v.moderator for v in decision.verdicts] == ["fast", "mini"][: 1 + is_asked]


async def test_who_is_sure_of_what_passes_does_not_spare_the_dear_one():
    """A swear word that is only flagged must not switch off whoever looks for the worst."""
    sure = {"scores": {"profanity": 1.0, "hate": 0.1}}
    mini = dear(BAD, FINE)
    chain = Chain((cheap(sure, sure, {"scores": {"profanity": 1.0, "hate": 0.9}}), mini), cascade())
    assert (await chain.check(ask("x"))).category == "hate"
    assert not (await chain.check(ask("x"))).is_refused
    assert (await chain.check(ask("x"))).is_refused
    assert mini.num_calls == 2


async def test_a_score_that_does_not_count_any_more_says_nothing_about_the_band():
    groups = (
        Group(("fast",)),
        Group(("mini",), instead_of=("fast",)),
        Group(("large",), {"input": (0.2, 0.8)}),
    )
    large = Scripted(FINE, name="large", categories=["hate"])
    chain = Chain((cheap(says(0.9)), dear(says(0.1)), large), in_groups(*groups))
    await chain.check(ask("x"))
    assert large.num_calls == 0


async def test_a_stage_without_a_band_always_asks():
    mini = dear(FINE)
    await Chain((cheap(says(0.0)), mini), cascade()).check(ask("x", "output"))
    assert mini.num_calls == 1


async def test_the_dear_one_may_refuse_what_the_cheap_one_let_pass_and_let_pass_what_it_refused():
    fast, mini = cheap(says(0.3), says(0.7)), dear(BAD, FINE)
    chain = Chain((fast, mini), cascade())
    assert (await chain.check(ask("x"))).is_refused
    assert not (await chain.check(ask("x"))).is_refused


async def test_a_refusal_that_the_dear_one_cannot_undo_spares_it():
    fast, mini = cheap(says(0.5)), dear(FINE)
    other = Scripted({"scores": {"illicit/violent": 0.9}}, name="jailbreak")
    decision = await Chain((fast, other, mini), cascade()).check(ask("x"))
    assert mini.num_calls == 0
    # Nobody confirmed what the cheap one thought, so it isn't the reason.
    assert decision.category == "illicit/violent"


async def test_what_the_dear_one_does_not_look_for_is_refused_at_once():
    fast, mini = cheap({"scores": {"hate": 0.5, "spam": 1.0}}), dear(FINE)
    chain = Chain((fast, mini), replace(cascade(0.0, 1.0), rules={}))
    assert (await chain.check(ask("x"))).category == "spam"
    assert mini.num_calls == 0


@pytest.mark.parametrize("answer", [ValueError(), {"outcome": "abstained"}, {"outcome": "error"}])
async def test_where_the_dear_one_fails_the_cheap_one_counts(answer):
    policy = cascade(on_error_of={"mini": {"input": "degraded"}})
    chain = Chain((cheap(says(0.7), says(0.3)), dear(answer)), policy)
    bad, fine = [await chain.check(ask("x")) for _ in range(2)]
    assert (bad.action, bad.category) == ("template", "hate")
    assert not fine.is_refused


@pytest.mark.parametrize("answer", [ValueError(), {"outcome": "abstained"}])
async def test_where_the_cheap_one_fails_the_dear_one_is_asked_and_stands_in(answer):
    mini = dear(FINE, BAD)
    policy = cascade(on_error_of={"fast": {"input": "degraded"}})
    chain = Chain((cheap(answer), mini), policy)
    assert not (await chain.check(ask("x"))).is_refused
    assert (await chain.check(ask("x"))).category == "hate"
    assert mini.num_calls == 2


async def test_both_failing_is_a_refusal():
    policy = cascade(on_error={"input": "degraded", "output": "degraded"})
    decision = await Chain((cheap(ValueError()), dear(ValueError())), policy).check(ask("x"))
    assert (decision.action, decision.category) == ("block", "error")


async def test_without_the_cheap_one_the_dear_one_is_always_asked():
    mini = dear(FINE)
    await Chain((mini,), cascade()).check(ask("x"))
    assert mini.num_calls == 1


async def test_a_cheap_one_that_does_not_watch_the_stage_says_nothing_about_the_band():
    groups = Group(("fast", "other")), Group(("mini",), {"output": (0.5, 1.0)}, ("fast", "other"))
    mini = dear(FINE)
    questions_only = Scripted(BAD, name="other", stages=["input"])
    chain = Chain((cheap(says(0.1)), questions_only, mini), in_groups(*groups))
    await chain.check(ask("x", "output"))
    assert mini.num_calls == 0


async def test_a_band_without_names_is_about_all_that_were_asked():
    groups = Group(("fast",)), Group(("mini",), {"input": (0.2, 1.0)})
    fast, mini = cheap(says(0.1), says(0.3)), dear(FINE)
    chain = Chain((fast, mini), in_groups(*groups))
    await chain.check(ask("x"))
    assert mini.num_calls == 0
    await chain.check(ask("x"))
    assert mini.num_calls == 1


def in_shadow(*names: str) -> Policy:
    return replace(standard(), shadow=frozenset(names))


@pytest.mark.parametrize("answer", [BAD, ValueError(), {"scores": {"hate": float("nan")}}])
async def test_a_shadow_never_decides_and_is_recorded(answer):
    chain = Chain((Scripted(FINE, name="old"), Scripted(answer, name="new")), in_shadow("new"))
    decision = await settle(await chain.check(ask("x")))
    assert decision.action == "allow"
    (_, new) = decision.verdicts
    assert (new.moderator, new.action) == ("new", "allow")
    assert new.reason.startswith("shadow")
    assert new.policy_version == standard().version


async def settle(decision):
    """Return the decision with what came late."""
    await wait_for(decision.pending)
    return replace(decision, verdicts=(*decision.verdicts, *decision.late_verdicts()), pending=())


async def test_a_shadow_that_hangs_keeps_nobody_waiting_and_takes_nobody_s_seat():
    release = threading.Event()
    hanging = Scripted(lambda _: release.wait(30) and FINE, name="new")
    old = Scripted(FINE, name="old")
    chain = Chain((old, hanging), in_shadow("new"), timeout_s=20, max_threads=1)
    decisions = await asyncio.gather(*(chain.check(ask("x")) for _ in range(200)))
    assert not any(decision.is_refused for decision in decisions)
    # Those that wait for it in vain are bounded, and of the others it is said, too.
    assert sum(len(decision.pending) for decision in decisions) == 64
    for decision in decisions:
        (found,) = (*decision.verdicts[1:], *decision.late_verdicts())
        reason = "shadow:late" if decision.pending else "shadow:busy"
        assert (found.moderator, found.outcome, found.reason) == ("new", "abstained", reason)
    release.set()


async def test_a_slow_shadow_is_recorded_when_it_comes():
    slow = Scripted(lambda _: time.sleep(0.05) or BAD, name="new")
    chain = Chain((Scripted(FINE, name="old"), slow), in_shadow("new"))
    decision = await chain.check(ask("x"))
    assert [v.moderator for v in decision.verdicts] == ["old"]
    (missing,) = decision.late_verdicts()
    assert (missing.outcome, missing.action) == ("abstained", "allow")
    assert (missing.reason, missing.policy_version) == ("shadow:late", standard().version)
    await wait_for(decision.pending)
    (verdict,) = decision.late_verdicts()
    assert (verdict.scores, verdict.action, verdict.reason) == (BAD["scores"], "allow", "shadow")


async def test_a_shadow_covers_holds_back_and_replaces_nothing():
    new = Scripted(FINE, name="new", categories=["spam"], hold_back=500)
    mini = dear(BAD)
    policy = replace(cascade(0.0, 1.0), shadow=frozenset({"new", "mini"}))
    chain = Chain((cheap(says(0.9)), mini, new), policy)
    assert chain.categories("output") == {"hate"}
    assert chain.hold_back("output") == 0
    assert (await chain.check(ask("x"))).category == "hate"


async def test_the_same_moderator_decides_for_one_policy_and_is_a_shadow_in_another():
    moderator = Scripted(BAD)
    chain = Chain((moderator,), standard())
    other = chain.under(in_shadow("scripted"))
    assert (await chain.check(ask("x"))).is_refused
    assert not (await other.check(ask("x"))).is_refused
    assert [h["in_shadow"] for h in (*chain.health(), *other.health())] == [False, True]


class Batched(Scripted):
    """Takes texts together; `batch` says what it answers, one way or another."""

    def __init__(self, batch, **manifest):
        super().__init__(lambda context: says(float("bad" in context.text)), **manifest)
        self.batch = batch
        self.sizes = []

    def check_batch(self, contexts):
        self.sizes.append(len(contexts))
        return self.batch([self.answers[0](context) for context in contexts])


async def test_texts_are_judged_in_batches_if_the_moderator_offers_that():
    moderator = Batched(list)
    chain = Chain((moderator, Scripted(FINE, name="plain")), standard())
    texts = ["bad" if number % 3 == 0 else "good" for number in range(40)]
    decisions = await chain.check_many([ask(text) for text in texts])
    assert [d.is_refused for d in decisions] == [text == "bad" for text in texts]
    assert (sum(moderator.sizes), moderator.num_calls) == (40, 0)
    assert max(moderator.sizes) <= 16
    assert all(len(d.verdicts) == 2 and d.verdicts[0].latency_ms > 0 for d in decisions)
    assert chain.health()[0]["checks"] == 40


def raise_error(answers):
    raise ValueError("the question was: bad")


@pytest.mark.parametrize(
    "batch", [raise_error, lambda answers: answers[:-1], lambda _: None, lambda _: time.sleep(0.3)]
)
async def test_a_batch_that_fails_is_judged_text_by_text(batch):
    moderator = Batched(batch)
    chain = Chain((moderator,), standard(), timeout_s=0.1)
    decisions = await chain.check_many([ask("bad"), ask("good"), ask("good")])
    assert [d.category for d in decisions] == ["hate", "", ""]
    assert moderator.num_calls == 3


async def test_one_bad_answer_of_a_batch_is_one_failure():
    moderator = Batched(lambda answers: [{"scores": {"hate": float("nan")}}, *answers[1:]])
    decisions = await Chain((moderator,), standard()).check_many([ask("good"), ask("good")])
    assert [d.category for d in decisions] == ["error", ""]
    assert moderator.num_calls == 0


async def test_many_texts_each_go_their_own_way_through_the_groups():
    fast = cheap(lambda context: says(float(context.text)))
    mini = dear(lambda context: says(float(context.text == "0.7")))
    chain = Chain((fast, mini), cascade())
    decisions = await chain.check_many([ask(text) for text in ("0.1", "0.6", "0.7", "0.9")])
    assert [d.is_refused for d in decisions] == [False, False, True, True]
    assert [len(d.verdicts) for d in decisions] == [1, 2, 2, 1]
    assert await chain.check_many([]) == []


async def test_texts_of_both_stages_may_come_together():
    questions = Scripted(BAD, name="questions", stages=["input"])
    chain = Chain((questions,), standard())
    decisions = await chain.check_many([ask("x"), ask("x", "output")])
    assert [d.is_refused for d in decisions] == [True, False]


async def test_a_version_that_changes_while_running_is_the_one_on_record():
    moderator = Scripted(FINE, version="1")
    chain = Chain((moderator,), standard())
    versions = []
    for version in ("1", "2", "2"):
        moderator.manifest = {**moderator.manifest, "version": version}
        versions.append((await chain.check(ask("x"))).verdicts[0].version)
    assert versions == ["1", "2", "2"]
    assert chain.health()[0]["version"] == "2"
    # What else it says of itself now changes nothing: what was held back was promised by the old.
    moderator.manifest = {"name": "another", "hold_back": 9, "stages": ["output"], "version": "3"}
    (verdict,) = (await chain.check(ask("x"))).verdicts
    assert (verdict.moderator, verdict.version) == ("scripted", "3")
    assert chain.hold_back("input") == 0
    for nonsense in (None, {"version": ""}, {"version": "x" * 999}, {"version": "a\nb"}):
        moderator.manifest = nonsense
        assert (await chain.check(ask("x"))).verdicts[0].version == "3"
    moderator.answers = [ValueError()]
    assert (await chain.check(ask("x"))).verdicts[0].version == "3"


async def test_a_moderator_is_exchanged_and_the_old_chain_goes_on_as_it_was():
    old, other = Scripted(BAD, name="a"), Scripted(FINE, name="b")
    chain = Chain((old, other), standard())
    new = Scripted(FINE, name="a", categories=["spam"])
    changed = chain.replacing(new)
    assert (await chain.check(ask("x"))).is_refused
    assert not (await changed.check(ask("x"))).is_refused
    assert [v.moderator for v in (await changed.check(ask("x"))).verdicts] == ["a", "b"]
    assert changed.policy.version == chain.policy.version
    assert changed.categories("input") == {"spam"}
    assert changed.under(standard()).health()[1]["checks"] == 3  # b is shared, with its health


async def test_what_cannot_take_a_place_is_refused():
    chain = Chain((Scripted(FINE, name="a"),), standard())
    with pytest.raises(ModeratorError, match=r"no moderator 'z' to replace; active are a\."):
        chain.replacing(Scripted(FINE, name="z"))
    with pytest.raises(ModeratorError, match="no manifest"):
        chain.replacing(object())


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        ({"outcome": "abstained"}, "abstained", ""),
        ({"outcome": "abstained", "reason": "language"}, "abstained", "language"),
        ({"outcome": "error", "reason": "overloaded"}, "error", "overloaded"),
        ({"outcome": "error", "reason": "They said: I live in Elm Street"}, "error", "error"),
        ({"outcome": "perhaps", "scores": {}}, "error", "NonsenseAnswer"),
        ({"outcome": None, "scores": {}}, "error", "NonsenseAnswer"),
    ],
)
async def test_abstaining_and_failing_are_answers(answer, outcome, reason):
    (verdict,) = (await Chain((Scripted(answer),), standard()).check(ask("x"))).verdicts
    assert (verdict.outcome, verdict.reason) == (outcome, reason)
    assert verdict.action == ("block" if outcome == "error" else "allow")


async def test_a_verdict_is_a_complete_record():
    moderator = Scripted(says(0.9), name="one", version="7", categories=["hate"])
    chain = Chain((moderator,), standard())
    (verdict,) = (await chain.check(ask("x"))).verdicts
    assert (verdict.moderator, verdict.version, verdict.stage) == ("one", "7", "input")
    assert (verdict.scores, verdict.outcome) == ({"hate": 0.9}, "judged")
    assert (verdict.action, verdict.category) == ("template", "hate")
    assert verdict.latency_ms > 0
    assert verdict.policy_version == standard().version


async def test_a_category_that_nobody_knows_follows_the_default():
    decision = await Chain((Scripted(says(0.9, "spoilers")),), standard()).check(ask("x"))
    assert (decision.action, decision.category) == ("template", "spoilers")


async def test_a_text_that_is_refused_for_its_length_is_read_by_nobody():
    """To normalise a megabyte takes longer than any deadline, and would take the others out."""
    context = ask("word " * 200_000)
    chain = Chain(load_moderators(["limits", "rules", "pii"]), standard())
    decision = await chain.check(context)
    assert decision.category == "limits"
    assert [verdict.moderator for verdict in decision.verdicts] == ["limits"]
    assert "views" not in vars(context)


async def test_a_text_that_is_too_long_for_a_moderator_takes_it_out_for_nobody():
    too_long = {"outcome": "error", "reason": "too-long"}
    policy = in_groups(on_error={"input": "open", "output": "open"})
    chain = Chain((Scripted(*[too_long] * 6, FINE),), policy)
    assert [(await chain.check(ask("x"))).action for _ in range(7)] == [*["block"] * 6, "allow"]
    assert chain.health()[0]["errors"] == 6
