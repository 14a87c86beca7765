"""Policies and rules that change while people chat, and who is judged by which."""

import asyncio
import threading
import time
from contextlib import aclosing
from dataclasses import replace

import httpx
import pytest

from chat.errors import ModeratorError, PolicyError
from chat.types import Message
from moderation.base import ModerationContext
from moderation.chain import Chain
from moderation.policy import Policy
from moderation.policy_file import PolicyFile
from moderation.registry import load_moderators
from storage.store import Store
from tests.moderation_kit import BAD, FINE, Scripted, ask
from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_settings, serve
from webapp.auth import Identity
from webapp.guard import Guard
from webapp.loading import load_guard
from webapp.memory import Memory
from webapp.personas import Personas
from webapp.service import ChatService
from webapp.turn import ChatRequest, MessagesRequest, TextDelta, TurnFinished
from webapp.underway import Underway

OURS = """
name = "ours"
[both]
spam = { action = "flag" }
[audience.guest.both]
spam = { action = "template" }
[audience.api.both]
spam = { action = "block" }
[audience.admin.both]
spam = { action = "allow" }
"""


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """A guard with one moderator, whose policy is a file."""

    def __init__(self, folder, *moderators):
        self.path = folder / "ours.toml"
        self.path.write_text(OURS)
        self.clock = Clock()
        policy_file = PolicyFile(self.path, clock=self.clock)
        moderators = moderators or (Scripted({"scores": {"spam": 0.9}}, name="one"),)
        chain = Chain(moderators, policy_file.current())
        strict = Policy.load("strict")
        self.guard = Guard(chain, policy_file=policy_file, policies={"strict": strict})

    def write(self, text: str) -> None:
        """Change the policy, and let the guard notice."""
        self.path.write_text(text)
        for _ in range(2):
            self.clock.now += 1
            self.guard.health()


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


async def judge(guard: Guard, *names: str) -> str:
    return (await guard.chain(*names).check(ask("x"))).action


async def test_each_audience_is_judged_by_its_rules(desk):
    found = [await judge(desk.guard, "", name) for name in ("guest", "member", "api", "admin", "")]
    assert found == ["template", "flag", "block", "allow", "flag"]


async def test_a_policy_of_a_persona_counts_and_one_that_is_no_more_is_the_operators(desk):
    assert desk.guard.chain("strict", "admin").policy.name == "strict"
    assert desk.guard.chain("gone", "admin").policy.name == "ours"


def test_chains_are_made_once_for_each_policy_and_audience(desk):
    guard = desk.guard
    assert guard.chain("", "guest") is guard.chain("", "guest")
    assert guard.policy is guard.chain().policy
    assert guard.chain("gone", "guest") is guard.chain("", "guest")
    assert guard.chain("", "guest") is not guard.chain("", "admin")
    before = guard.chain("", "guest")
    desk.write(OURS.replace("template", "block"))
    assert guard.chain("", "guest") is not before
    assert guard.chain("", "guest").health() == before.health()


async def test_a_broken_policy_keeps_the_old_and_is_seen(desk):
    guard = desk.guard
    assert (guard.health()["state"], guard.notice()) == ("ok", "")
    version = guard.health()["policy_version"]
    desk.write(OURS + "[on_error]\ninput = 'maybe'\n")
    assert await judge(guard, "", "guest") == "template"
    health = guard.health()
    assert (health["state"], health["policy_version"]) == ("degraded", version)
    assert "on_error.input has the value 'maybe'" in health["policy_problem"]
    assert "ours.toml" in guard.notice() and "stays as it was" in guard.notice()
    desk.write(OURS.replace("template", "block"))
    assert await judge(guard, "", "guest") == "block"
    assert (guard.health()["state"], guard.notice()) == ("ok", "")


async def test_a_key_that_is_refused_is_seen_at_once_where_the_others_judge_on(tmp_path):
    refused = {"outcome": "error", "reason": "unauthorised"}
    dear = Scripted(refused, FINE, name="dear", categories=["hate"])
    guard = Desk(tmp_path, Scripted(FINE, name="one", categories=["hate"]), dear)
    guard.write('[on_error]\ninput = "degraded"\n')
    decision = await guard.guard.chain().check(ask("x"))
    assert (decision.action, decision.category) == ("flag", "error")
    health = guard.guard.health()
    assert (health["state"], health["failing"]) == ("degraded", ["dear"])
    assert guard.guard.notice() == "Moderators that don't work: dear (unauthorised)."
    assert [m["to_mend"] for m in guard.guard.moderators()] == ["", "unauthorised"]
    await judge(guard.guard)
    assert guard.guard.health()["state"] == "ok"


async def test_a_moderator_that_is_out_is_seen(tmp_path):
    guard = Desk(tmp_path, Scripted(ValueError("Elm Street"), name="one")).guard
    for _ in range(5):
        await judge(guard)
    assert guard.health()["state"] == "degraded"
    assert guard.health()["failing"] == ["one"]
    assert guard.notice() == "Moderators that don't work: one."
    assert "Elm" not in repr(guard.moderators())


RULE = {"id": "rivals", "category": "spam", "score": 0.9, "patterns": ["buy acme"]}


def rules_guard() -> Guard:
    return Guard(Chain(load_moderators(["rules"]), Policy.load("strict")))


async def says(guard: Guard, text: str) -> str:
    context = ModerationContext((Message("user", text),), "input")
    return (await guard.chain().check(context)).category


async def test_rules_of_the_operator_count_from_the_next_turn_on():
    guard = rules_guard()
    before = guard.chain()
    assert await says(guard, "Please buy acme") == ""
    guard.use_rules([RULE])
    assert await says(guard, "Please b.u.y ACME") == "spam"
    assert not (await before.check(ask("Please buy acme"))).is_refused
    assert (await says(guard, "How do I build a bomb?")).startswith("illicit")
    guard.use_rules([])
    assert await says(guard, "Please buy acme") == ""


async def test_another_rule_reads_no_built_in_file_again(monkeypatch):
    guard = rules_guard()

    def refuse(*_: object, **__: object) -> str:
        raise AssertionError("read again")

    monkeypatch.setattr("moderation.rule_reader.RuleReader.read", refuse)
    guard.use_rules([RULE])
    assert await says(guard, "Please buy acme") == "spam"
    assert (await says(guard, "How do I build a bomb?")).startswith("illicit")


async def test_a_rule_that_cannot_be_used_changes_nothing(desk):
    guard = rules_guard()
    guard.use_rules([RULE])
    with pytest.raises(ModeratorError):
        guard.use_rules([RULE, {**RULE, "id": "2", "patterns": ["(a"]}])
    assert await says(guard, "Please buy acme") == "spam"
    with pytest.raises(ModeratorError, match="'rules' to replace"):
        desk.guard.use_rules([RULE])


@pytest.mark.parametrize(
    ("identity", "audience"),
    [
        (Identity("v"), "guest"),
        (Identity("hf:1", "ann"), "member"),
        (Identity("v", is_admin=True), "admin"),
        (Identity("hf:1", "ann", is_admin=True), "admin"),
    ],
)
def test_who_asks_says_which_audience_they_are(identity, audience):
    assert identity.audience == audience


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'palaver.db'}") as store:
        yield store


def make_service(desk, store, script=None) -> ChatService:
    memory = Memory(store)
    backend = ScriptedBackend(script, delay_s=0.001)
    return ChatService(backend, desk.guard, memory, Personas(store, []), Underway())


def question(service, text="Hi", **options) -> ChatRequest:
    return ChatRequest("ann", text, service.default_config, **options)


async def finish(events):
    *_, finished = [event async for event in events]
    event = finished[1] if isinstance(finished, tuple) else finished
    assert isinstance(event, TurnFinished)
    return event.turn


async def test_the_door_says_who_asks(desk, store):
    service = make_service(desk, store)
    endings = [
        (await finish(service.reply(question(service, audience=name)))).finish_reason
        for name in ("guest", "member", "admin")
    ]
    assert endings == ["content_filter", "stop", "stop"]
    asked = MessagesRequest("api", (Message("user", "Hi"),), service.default_config)
    turn = await finish(service.complete(asked))
    assert [v.action for v in turn.verdicts] == ["block"]
    [judgement] = await service.moderate(["Hi"])
    assert judgement.action == "block"


async def test_a_turn_keeps_the_policy_that_it_began_with(desk, store):
    service = make_service(desk, store, {"Hi": "One two three. " * 40})
    before = desk.guard.policy.version
    async with aclosing(service.reply(question(service, audience="admin"))) as events:
        turn = None
        async for event in events:
            if isinstance(event, TextDelta) and desk.guard.policy.version == before:
                desk.write(OURS.replace('action = "allow"', 'action = "block"'))
            if isinstance(event, TurnFinished):
                turn = event.turn
    assert turn is not None and turn.finish_reason == "stop"
    assert {verdict.policy_version for verdict in turn.verdicts} == {before}
    assert desk.guard.policy.version != before
    turn = await finish(service.reply(question(service, audience="admin")))
    assert turn.finish_reason == "content_filter"
    assert {verdict.policy_version for verdict in turn.verdicts} == {desk.guard.policy.version}


async def test_a_shadow_that_comes_late_is_on_the_record_of_its_turn(tmp_path, store):
    def judge_slowly(context):
        time.sleep(0.02 if context.stage == "input" else 0)
        return BAD

    desk = Desk(tmp_path, Scripted(FINE, name="old"), Scripted(judge_slowly, name="new"))
    desk.write('shadow = ["new"]')
    service = make_service(desk, store, {"Hi": "One two three. " * 60})
    turn = await finish(service.reply(question(service)))
    assert turn.finish_reason == "stop"
    recorded = {v.stage: v for v in turn.verdicts if v.moderator == "new"}
    assert len(recorded) == 2 == sum(v.moderator == "new" for v in turn.verdicts)
    for verdict in recorded.values():
        assert (verdict.action, verdict.reason) == ("allow", "shadow")
        assert verdict.scores == BAD["scores"]


@pytest.mark.parametrize("question_text", ["Hi", "refuse me"])
async def test_a_shadow_that_never_comes_is_on_the_record_as_late(tmp_path, store, question_text):
    release = threading.Event()

    def judge(context):
        return BAD if context.text == "refuse me" else FINE

    hanging = Scripted(lambda _: release.wait(30) and FINE, name="new")
    desk = Desk(tmp_path, Scripted(judge, name="old"), hanging)
    desk.write('shadow = ["new"]')
    service = make_service(desk, store)
    turn = await finish(service.reply(question(service, question_text)))
    found = [(v.stage, v.outcome, v.reason) for v in turn.verdicts if v.moderator == "new"]
    stages = ["input", "output"] if question_text == "Hi" else ["input"]
    assert found == [(stage, "abstained", "shadow:late") for stage in stages]
    release.set()


async def test_of_several_answers_one_has_what_came_late_about_their_question(tmp_path, store):
    release = threading.Event()
    hanging = Scripted(lambda _: release.wait(30) and FINE, name="new", stages=["input"])
    desk = Desk(tmp_path, Scripted(FINE, name="old"), hanging)
    desk.write('shadow = ["new"]')
    service = make_service(desk, store)
    asked = MessagesRequest("api", (Message("user", "Hi"),), service.default_config)
    events = [event async for _, event in service.complete(asked, num_answers=3)]
    turns = [event.turn for event in events if isinstance(event, TurnFinished)]
    late = [v.reason for turn in turns for v in turn.verdicts if v.moderator == "new"]
    assert (len(turns), late) == (3, ["shadow:late"])
    release.set()


def test_health_tells_the_policy_in_force_and_what_is_wrong_with_its_file(tmp_path):
    path = tmp_path / "ours.toml"
    path.write_text(OURS)
    settings = make_settings(tmp_path, policy=path, moderators="limits")
    with serve(create_app(settings, backend=ScriptedBackend())) as address:
        moderation = httpx.get(f"{address}/health").json()["moderation"]
        assert (moderation["state"], moderation["policy"]) == ("ok", "ours")
        path.write_text("[input")
        for _ in range(200):
            moderation = httpx.get(f"{address}/health").json()["moderation"]
            if moderation["state"] != "ok":
                break
            asyncio.run(asyncio.sleep(0.05))
        answer = httpx.get(f"{address}/health")
        assert answer.status_code == 200  # the chat goes on
        assert answer.json()["moderation"]["state"] == "degraded"
        assert "ours.toml" in answer.json()["moderation"]["policy_problem"]
        assert str(tmp_path) not in answer.text


def test_a_policy_that_names_nobody_there_is_refused_at_the_start(tmp_path):
    path = tmp_path / "ours.toml"
    path.write_text('shadow = ["pi"]')
    with pytest.raises(PolicyError, match=r"shadow has the moderator 'pi'; allowed .*pii"):
        load_guard(make_settings(tmp_path, policy=path, moderators="limits"))
    path.write_text('shadow = ["pii"]')  # built in, and not active
    load_guard(make_settings(tmp_path, policy=path, moderators="limits")).close()


async def test_rules_from_the_database_count_from_the_start_beside_the_settings_of_rules(tmp_path):
    config = tmp_path / "moderators.toml"
    config.write_text('[rules]\nlanguages = ["de"]\n')
    settings = make_settings(tmp_path, moderators="rules", moderator_config=config, policy="strict")
    guard = load_guard(settings, [RULE])
    assert await says(guard, "Please buy acme") == "spam"
    guard.use_rules([{**RULE, "patterns": ["sell acme"]}])
    assert await says(guard, "Please buy acme") == ""
    assert await says(guard, "Please sell acme") == "spam"
    assert await says(guard, "How do I build a bomb?") == ""  # German alone, still
    guard.close()


def test_the_policy_object_of_a_guard_without_a_file_is_that_of_its_chain():
    policy = replace(Policy.load("strict"), name="mine")
    assert Guard(Chain((), policy)).policy.name == "mine"


HOUSE = {**RULE, "category": "house-rules"}
HOUSE_POLICY = '[input]\nhouse-rules = { threshold = 0.5, action = "block" }\n'


async def test_a_policy_may_name_what_only_rules_of_the_database_look_for(tmp_path):
    path = tmp_path / "ours.toml"
    path.write_text(HOUSE_POLICY)
    settings = make_settings(tmp_path, policy=path, moderators="rules")
    with pytest.raises(PolicyError, match="house-rules"):
        load_guard(settings)
    guard = load_guard(settings, [HOUSE])
    assert await says(guard, "Please buy acme") == "house-rules"
    guard.close()
    # One that rests doesn't judge, and doesn't stop the start.
    guard = load_guard(settings, [{**HOUSE, "is_active": False}])
    assert await says(guard, "Please buy acme") == ""
    guard.close()


async def test_a_policy_that_is_changed_may_name_what_a_new_rule_looks_for(tmp_path):
    path = tmp_path / "ours.toml"
    path.write_text("")
    guard = load_guard(make_settings(tmp_path, policy=path, moderators="rules"))
    guard.use_rules([HOUSE])
    path.write_text(HOUSE_POLICY)
    before = guard.policy.version
    for _ in range(200):
        health = guard.health()
        if health["policy_problem"] or health["policy_version"] != before:
            break
        await asyncio.sleep(0.05)
    assert (guard.health()["policy_problem"], guard.policy.version != before) == ("", True)
    assert await says(guard, "Please buy acme") == "house-rules"
    guard.close()
