"""The chain keeps its word whatever its moderators do: raise, hang, lie or answer nonsense."""

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from chat.errors import ModeratorError
from chat.types import Span, Verdict
from moderation.base import Manifest
from moderation.chain import Chain
from moderation.policy import Group, Policy
from tests.moderation_kit import BAD, FINE, Scripted, ask, in_groups, standard


async def test_no_moderators_allow_everything():
    decision = await Chain((), standard()).check(ask("hello"))
    assert not decision.is_refused
    assert decision.verdicts == ()


async def test_verdict_says_what_was_done_and_by_which_policy():
    decision = await Chain((Scripted(BAD),), standard()).check(ask("x"))
    (verdict,) = decision.verdicts
    assert (decision.action, decision.category) == ("template", "hate")
    assert (verdict.action, verdict.category) == ("template", "hate")
    assert verdict.policy_version == standard().version
    assert verdict.moderator == "scripted"


class Plain:
    """What a plugin without imports might return."""

    def __init__(self):
        self.scores = {"hate": 0.9}
        self.spans = ({"start": 0, "end": 1, "category": "hate"},)


@pytest.mark.parametrize(
    "answer",
    [
        {"scores": {"hate": 0.9}},
        {"scores": {"hate": 1}},
        {"scores": {}, "spans": [(0, 1, "hate")]},
        {"scores": {}, "spans": [[0, 1, "hate", 0.9]]},
        {"scores": {}, "spans": [Span(0, 1, "hate")]},
        Verdict("x", "1", "input", scores={"hate": 0.9}),
        Plain(),
    ],
)
async def test_answers_of_any_honest_shape_are_understood(answer):
    decision = await Chain((Scripted(answer),), standard()).check(ask("xy"))
    assert decision.is_refused
    assert decision.verdicts[0].outcome == "judged"


@pytest.mark.parametrize(
    "answer",
    [
        None,
        True,
        "fine",
        {},
        [],
        {"scores": None},
        {"scores": {"hate": float("nan")}},
        {"scores": {"hate": float("inf")}},
        {"scores": {"hate": -0.1}},
        {"scores": {"hate": 1.1}},
        {"scores": {"hate": 10**400}},
        {"scores": {"hate": "0.1"}},
        {"scores": {"hate": True}},
        {"scores": {"hate": None}},
        {"scores": {1: 0.1}},
        {"scores": {"": 0.1}},
        {"scores": {}, "spans": [(0, 3, "hate")]},
        {"scores": {}, "spans": [(-1, 1, "hate")]},
        {"scores": {}, "spans": [(1, 1, "hate")]},
        {"scores": {}, "spans": [(0, 1)]},
        {"scores": {}, "spans": [(0.0, 1.0, "hate")]},
        {"scores": {}, "spans": [(0, 1, "hate", float("nan"))]},
        {"scores": {}, "spans": [None]},
        {"scores": {}, "spans": "hate"},
        ValueError("the question was: xy"),
        SystemExit(3),
        StopIteration(),
        RecursionError(),
    ],
    ids=repr,
)
async def test_nonsense_and_exceptions_refuse(answer):
    decision = await Chain((Scripted(answer),), standard()).check(ask("xy"))
    (verdict,) = decision.verdicts
    assert decision.is_refused
    assert (decision.action, decision.category) == ("block", "error")
    assert verdict.outcome == "error"
    assert "xy" not in verdict.reason


async def test_async_answer_is_nonsense_and_leaves_no_warning():
    async def answer():
        return FINE

    decision = await Chain((Scripted(lambda _: answer()),), standard()).check(ask("x"))
    assert decision.category == "error"


async def test_fail_open_is_obeyed_for_the_moderator_and_stage_it_was_set_for(tmp_path: Path):
    path = tmp_path / "trial.toml"
    path.write_text('[on_error.moderators]\nscripted = { input = "open" }\n')
    chain = Chain((Scripted(ValueError()),), Policy.load(path))
    let_pass = await chain.check(ask("x", "input"))
    assert not let_pass.is_refused
    assert let_pass.verdicts[0].outcome == "error"
    assert (await chain.check(ask("x", "output"))).is_refused


async def test_reason_is_kept_only_if_it_is_a_word():
    quoting = {"scores": {"hate": 0.1}, "reason": "They said: I live in Elm Street"}
    word = {"scores": {"hate": 0.1}, "reason": "list:12"}
    chain = Chain((Scripted(quoting, name="a"), Scripted(word, name="b")), standard())
    decision = await chain.check(ask("x"))
    assert [verdict.reason for verdict in decision.verdicts] == ["", "list:12"]


async def test_members_of_a_group_run_side_by_side():
    meeting = threading.Barrier(3, timeout=5)

    def meet(context):
        meeting.wait()
        return FINE

    chain = Chain([Scripted(meet, name=name) for name in "abc"], standard(), timeout_s=10)
    assert not (await chain.check(ask("x"))).is_refused


async def test_later_group_rests_once_something_is_refused():
    cheap, dear = Scripted(BAD, FINE, name="cheap"), Scripted(FINE, name="dear")
    chain = Chain((dear, cheap), in_groups(Group(("cheap",)), Group(("dear",))))
    assert (await chain.check(ask("x"))).is_refused
    assert dear.num_calls == 0
    assert not (await chain.check(ask("x"))).is_refused
    assert dear.num_calls == 1


async def test_moderator_sees_only_its_stages():
    moderator = Scripted(BAD, stages=["input"])
    chain = Chain((moderator,), standard())
    assert not (await chain.check(ask("x", "output"))).is_refused
    assert moderator.num_calls == 0
    assert chain.watches("input")
    assert not chain.watches("output")


async def test_hanging_moderator_is_refused_at_its_deadline_and_taken_out():
    release = threading.Event()

    def hang(context):
        release.wait(30)
        return FINE

    chain = Chain((Scripted(hang),), standard(), timeout_s=0.02, max_failures=2, cool_down_s=0)
    for _ in range(2):
        decision = await chain.check(ask("x"))
        assert decision.is_refused
        assert decision.verdicts[0].reason == "timeout"
    # Even with no rest to wait for, a third thread isn't spent while two still hang.
    assert (await chain.check(ask("x"))).verdicts[0].reason == "out"
    release.set()


async def test_hanging_moderator_takes_no_seat_from_others():
    release = threading.Event()

    def hang_on_request(context):
        if context.text == "hang":
            release.wait(30)
        return FINE

    chain = Chain(
        (Scripted(hang_on_request),), standard(), timeout_s=0.6, max_threads=2, max_failures=99
    )
    hanging = await asyncio.gather(*(chain.check(ask("hang")) for _ in range(6)))
    assert all(decision.is_refused for decision in hanging)
    fine = await asyncio.gather(*(chain.check(ask("x")) for _ in range(20)))
    assert not any(decision.is_refused for decision in fine)
    release.set()


async def test_waiting_for_a_seat_is_not_held_against_a_moderator():
    # 20 checks of 60 ms on one seat take longer than the deadline of each.
    def take_time(context):
        time.sleep(0.06)
        return FINE

    chain = Chain((Scripted(take_time),), standard(), timeout_s=1.0, max_threads=1)
    decisions = await asyncio.gather(*(chain.check(ask("x")) for _ in range(20)))
    assert not any(decision.is_refused for decision in decisions)


def test_hung_thread_does_not_keep_the_interpreter():
    script = """
import asyncio, time
from chat.types import Message
from moderation.base import ModerationContext
from moderation.chain import Chain
from moderation.policy import Group, Policy
from tests.moderation_kit import BAD, FINE, Scripted, ask, in_groups, standard
class Hang:
    manifest = {"name": "hang"}
    def check(self, context):
        time.sleep(600)
chain = Chain((Hang(),), Policy.load("standard"), timeout_s=0.05)
context = ModerationContext((Message("user", "x"),), "input")
print(asyncio.run(chain.check(context)).category)
"""
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "error", done.stderr


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_breaker_takes_out_rests_probes_and_returns():
    clock = Clock()
    moderator = Scripted(ValueError())
    chain = Chain((moderator,), standard(), max_failures=3, cool_down_s=30, clock=clock)
    for _ in range(5):
        assert (await chain.check(ask("x"))).is_refused  # out or not, it counts as a failure
    assert moderator.num_calls == 3
    assert chain.health()[0]["state"] == "out"
    clock.now = 31
    assert (await chain.check(ask("x"))).is_refused  # the probe fails: another rest
    assert moderator.num_calls == 4
    assert (await chain.check(ask("x"))).is_refused
    assert moderator.num_calls == 4
    clock.now = 62
    moderator.answers = [FINE]
    assert not (await chain.check(ask("x"))).is_refused
    assert not (await chain.check(ask("x"))).is_refused
    assert chain.health()[0]["state"] == "working"


async def test_only_one_probe_at_a_time_and_a_reader_who_leaves_frees_it():
    clock = Clock()
    release = threading.Event()
    moderator = Scripted(ValueError())
    chain = Chain((moderator,), standard(), max_failures=1, cool_down_s=30, clock=clock)
    await chain.check(ask("x"))
    clock.now = 31
    moderator.answers = [lambda _: release.wait(5) and FINE]
    probe = asyncio.create_task(chain.check(ask("x")))
    while moderator.num_calls < 2:
        await asyncio.sleep(0.001)
    assert (await chain.check(ask("x"))).verdicts[0].reason == "out"
    assert chain.health()[0]["state"] == "probing"
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    release.set()
    moderator.answers = [FINE]
    assert not (await chain.check(ask("x"))).is_refused


async def test_health_counts_and_never_quotes():
    secret = "I live in Elm Street"
    chain = Chain((Scripted(FINE, ValueError(secret), FINE, version="7"),), standard())
    for _ in range(3):
        await chain.check(ask(secret))
    (health,) = chain.health()
    assert (health["checks"], health["errors"], health["version"]) == (3, 1, "7")
    assert health["last_error"] == "ValueError"
    assert secret not in repr(health)


async def test_logs_never_quote(caplog: pytest.LogCaptureFixture):
    chain = Chain((Scripted(ValueError("I live in Elm Street")),), standard())
    await chain.check(ask("I live in Elm Street"))
    assert "ValueError" in caplog.text
    assert "Elm" not in caplog.text


@pytest.mark.parametrize(
    ("manifest", "named"),
    [
        (None, "manifest"),
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x", "stages": ["inputs"]}, "stages"),
        ({"name": "x", "stages": "input"}, "stages"),
        ({"name": "x", "hold_back": -1}, "hold_back"),
        ({"name": "x", "hold_back": "long"}, "hold_back"),
    ],
)
def test_bad_manifest_is_named(manifest, named: str):
    moderator = Scripted(FINE)
    moderator.manifest = manifest
    with pytest.raises(ModeratorError, match=named):
        Chain((moderator,), standard())


def test_async_check_is_refused_at_the_door():
    class Wrong:
        manifest = Manifest("wrong")

        async def check(self, context):
            return FINE

    with pytest.raises(ModeratorError, match="plain"):
        Chain((Wrong(),), standard())


def test_same_name_twice_is_refused():
    with pytest.raises(ModeratorError, match="'scripted'"):
        Chain((Scripted(FINE), Scripted(FINE)), standard())


async def test_a_group_names_what_is_not_loaded_and_the_rest_is_the_last_group():
    one, rest = Scripted(BAD, name="one"), Scripted(FINE, name="rest")
    chain = Chain((rest, one), in_groups(Group(("nobody",)), Group(("one", "nobody as well"))))
    assert (await chain.check(ask("x"))).is_refused
    assert rest.num_calls == 0


async def test_many_readers_at_once_each_get_their_own_verdict():
    def judge(context):
        return {"scores": {"hate": 1.0 if context.text.startswith("bad") else 0.0}}

    chain = Chain((Scripted(judge),), standard(), timeout_s=30)
    texts = [f"{'bad' if i % 3 == 0 else 'good'} {i}" for i in range(150)]
    decisions = await asyncio.gather(*(chain.check(ask(text)) for text in texts))
    assert [d.is_refused for d in decisions] == [text.startswith("bad") for text in texts]


async def test_chain_under_another_policy_shares_the_members_and_nothing_of_the_policy():
    moderator = Scripted({"scores": {"profanity": 0.6}}, categories=["profanity"])
    chain = Chain((moderator,), Policy.load("standard"), max_failures=2)
    strict = chain.under(Policy.load("strict"))
    assert (chain.policy.name, strict.policy.name) == ("standard", "strict")
    before = await chain.check(ask("x"))
    after = await strict.check(ask("x"))
    assert before.action != after.action
    assert after.verdicts[0].policy_version == strict.policy.version
    assert strict.health()[0]["checks"] == chain.health()[0]["checks"] == 2
    moderator.answers = [ValueError()]
    for one in (chain, strict):
        await one.check(ask("x"))
    assert strict.health()[0]["state"] == chain.health()[0]["state"] == "out"


def test_categories_are_those_of_the_stage():
    questions = Scripted(FINE, name="a", stages=["input"], categories=["spam", "pii/email"])
    both = Scripted(FINE, name="b", categories=["hate"])
    chain = Chain((questions, both), standard())
    assert chain.categories("input") == {"spam", "pii/email", "hate"}
    assert chain.categories("output") == {"hate"}
    assert Chain((), standard()).categories("input") == frozenset()


async def test_closing_twice_does_no_harm():
    chain = Chain((Scripted(FINE),), standard())
    chain.close()
    chain.under(standard()).close()
    assert not (await chain.check(ask("x"))).is_refused
