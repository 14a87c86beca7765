"""The operator's rules, from their trial to their use."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import httpx
import pytest

from chat.errors import InvalidRequest, ModeratorError, NotFound, StorageError
from chat.review import OperatorRule
from chat.types import Message
from moderation.base import ModerationContext
from moderation.chain import Chain
from moderation.policy import Policy
from moderation.policy_file import PolicyFile
from moderation.rules import RulesModerator
from storage.store import Store
from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_settings, serve
from tests.storage_kit import make_turn, record_chain
from webapp.guard import Guard
from webapp.loading import load_guard
from webapp.rules import RuleDesk, RuleEntry, find_sound, keeping_rules
from webapp.trial import Trial
from webapp.ui import review_rules
from webapp.ui.language import read_languages

WORDS = read_languages()["en"]
POLICY = Policy.load("standard")
RIVALS = OperatorRule("", "Rivals & co", "harassment", patterns=("acme", "  "), is_active=True)


@pytest.fixture
def store():
    with Store.open("sqlite://") as store:
        yield store


def make_rules(rules) -> RulesModerator:
    return RulesModerator(rules=rules, built_in=False)  # the built-in ones take their time


@pytest.fixture
def guard():
    guard = Guard(Chain([RulesModerator(built_in=False)], POLICY), make_rules=make_rules)
    yield guard
    guard.close()


@pytest.fixture
def desk(store, guard):
    return RuleDesk(store, guard)


def record(store: Store, question: str) -> None:
    number = store.stats()["conversations"]
    store.record_turn("ann", make_turn(f"c{number}", question=question))


async def is_refused(guard: Guard, text: str) -> bool:
    context = ModerationContext((Message("user", text),), "input")
    return (await guard.chain().check(context)).is_refused


async def all_of(trials) -> Sequence[Trial]:
    return [trial async for trial in trials]


async def test_a_rule_is_tried_on_stored_texts_before_it_judges_any(store, desk, guard):
    record(store, "Buy A.C.M.E. now")
    record(store, "nothing")
    trials = await all_of(desk.attempt(RIVALS, num_days=7, most_texts=100))
    assert (trials[0].num_done, trials[0].num_texts) == (0, 4)
    last = trials[-1]
    assert (last.num_done, last.num_matches, last.is_over) == (4, 1, True)
    (match,) = last.matches
    assert [match.text.text[span.start : span.end] for span in match.spans] == ["A.C.M.E"]
    assert store.list_rules() == [] and not await is_refused(guard, "acme")


async def test_a_trial_is_bounded_and_ends_when_nobody_waits_for_it(store, desk, monkeypatch):
    monkeypatch.setattr("webapp.trial._BATCH", 2)
    record_chain(store, 12)
    rule = replace(RIVALS, stages=("input",), patterns=("question",))
    trials = await all_of(desk.attempt(rule, num_days=7, most_texts=5))
    assert [trial.num_done for trial in trials] == [0, 2, 4, 5, 5]
    monkeypatch.setattr("webapp.trial.MOST_SHOWN", 1)
    assert len((await all_of(desk.attempt(rule, num_days=7, most_texts=5)))[-1].matches) == 1
    trials = desk.attempt(rule, num_days=7, most_texts=100)
    assert (await anext(trials)).num_texts == 12
    await trials.aclose()
    store.delete_user("ann")  # nothing is held open


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": " "}, "name is '0 characters'"),
        ({"name": "x" * 61}, "61 characters"),
        ({"category": "Hate!"}, "small letters"),
        ({"patterns": ()}, "at least one wording"),
        ({"patterns": ("x+y",)}, r"Rivals|rivals.*'x\+y'"),
        ({"patterns": ("(",)}, "'\\('"),
        ({"patterns": ("a{0,100000}",)}, "a{0,100000}"),
        # What RE2 takes, or each alone, can still make no rule.
        ({"patterns": ("(?P<name>a)",)}, "a group can't have a name"),
        ({"patterns": (r"a\Q(\E",)}, "isn't allowed"),
        ({"patterns": (r"\C",)}, "isn't allowed"),
        ({"patterns": tuple(rf"a{n}\pL{{0,40}}x" for n in range(200))}, "have fewer or shorter"),
        ({"patterns": ("x" * 501,)}, "of 501 characters"),
        ({"patterns": ("x",) * 201}, "201 lines"),
        ({"unless": ("x*",)}, r"x\*"),
        ({"score": 1.5}, "1.5"),
        ({"score": float("nan")}, "nan"),
        ({"stages": ()}, "stages"),
        ({"language": "e n"}, "language is 'e n'"),
    ],
)
async def test_a_rule_that_cannot_be_used_changes_nothing(store, desk, guard, changes, told):
    rule = replace(RIVALS, **changes)
    before = guard.chain()
    with pytest.raises((InvalidRequest, ModeratorError), match=told):
        await desk.save(rule, "eve")
    with pytest.raises((InvalidRequest, ModeratorError), match=told):
        await all_of(desk.attempt(rule, num_days=7, most_texts=9))
    assert store.list_rules() == [] and guard.chain() is before


async def test_a_rule_judges_as_soon_as_it_is_saved_until_it_rests_or_goes(store, desk, guard):
    saved = await desk.save(RIVALS, "eve")
    assert (saved.id, saved.patterns) == ("rivals-co", ("acme",))
    assert await is_refused(guard, "I like A C M E.")
    await desk.save(replace(saved, is_active=False), "bob")
    assert not await is_refused(guard, "acme")
    (entry,) = await desk.list()
    assert (entry.rule.created_by, entry.rule.updated_by, entry.fault) == ("eve", "bob", "")
    await desk.save(saved, "bob")
    assert await is_refused(guard, "acme")
    await desk.delete("rivals-co")
    assert not await is_refused(guard, "acme")
    with pytest.raises(NotFound):
        await desk.delete("x")


async def test_two_rules_of_one_name_are_two(store, desk):
    first, second = await asyncio.gather(*(desk.save(RIVALS, "eve") for _ in range(2)))
    assert {first.id, second.id} == {"rivals-co", "rivals-co-2"}
    assert len(await desk.list()) == 2


async def test_a_rule_that_cannot_be_stored_does_not_judge(store, desk, guard, monkeypatch):
    def fail(*_: object) -> None:
        raise StorageError("The disk is full.")

    monkeypatch.setattr(store, "save_rule", fail)
    with pytest.raises(StorageError):
        await desk.save(RIVALS, "eve")
    assert not await is_refused(guard, "acme")


async def test_a_broken_rule_harms_no_other(store, desk, guard, caplog):
    store.save_rule(replace(RIVALS, id="a", patterns=("x+",)))
    store.save_rule(replace(RIVALS, id="b"))
    store.save_rule(replace(RIVALS, id="c", patterns=("globex",), is_active=False))
    await desk.refresh()
    assert await is_refused(guard, "acme") and not await is_refused(guard, "globex")
    assert "the rule a is left out" in caplog.text
    faults = [bool(entry.fault) for entry in await desk.list()]
    assert faults == [True, False, False]
    sound = find_sound(store.list_rules())
    assert [rule.id for rule in sound] == ["b", "c"]


async def test_where_the_moderator_rules_does_not_run_rules_can_only_rest(store, caplog):
    store.save_rule(replace(RIVALS, id="a"))
    desk = RuleDesk(store, Guard(Chain([], POLICY)))
    await desk.refresh()
    await desk.refresh()
    assert caplog.text.count("stay as they were") == 1
    with pytest.raises(ModeratorError):
        await desk.save(replace(RIVALS, name="Others"), "eve")
    assert len(store.list_rules()) == 1
    await desk.delete("a")
    await desk.save(replace(RIVALS, is_active=False), "eve")
    assert len(store.list_rules()) == 1


async def test_rules_that_another_server_saves_are_used_too(store, desk, guard):
    async with keeping_rules(desk, pause_s=0.001):
        store.save_rule(replace(RIVALS, id="a"))
        for _ in range(2_000):
            if await is_refused(guard, "acme"):
                break
            await asyncio.sleep(0.005)
    assert await is_refused(guard, "acme")


HOUSE = replace(RIVALS, category="house/rivals")
HOUSE_POLICY = '[audience.guest.input]\nhouse = { threshold = 0.5, action = "block" }\n'


@pytest.fixture
def house(tmp_path):
    """Return a guard by a policy that is about a category of rules alone."""
    path = tmp_path / "ours.toml"
    path.write_text(HOUSE_POLICY)
    policy_file = PolicyFile(path, ["house"])
    chain = Chain([RulesModerator(built_in=False)], policy_file.current())
    return Guard(chain, policy_file=policy_file, make_rules=make_rules)


@pytest.mark.parametrize("is_active", [True, False])
async def test_the_last_rule_that_the_policy_needs_stays(store, house, is_active):
    desk = RuleDesk(store, house)
    house_rule = replace(HOUSE, category="house")
    first = await desk.save(replace(house_rule, is_active=is_active), "eve")
    other = await desk.save(RIVALS, "eve")
    told = "'ours.toml' says what to do about house, and this is the last rule"
    with pytest.raises(InvalidRequest, match=told):
        await desk.delete(first.id)
    with pytest.raises(InvalidRequest, match=told):
        await desk.save(replace(first, category="spam"), "eve")
    assert [rule.category for rule in store.list_rules()] == ["house", "harassment"]
    await desk.save(replace(first, is_active=False), "eve")  # it may rest
    await desk.delete(other.id)
    second = await desk.save(replace(house_rule, is_active=not is_active), "eve")
    await desk.delete(first.id)  # there is another
    await desk.save(replace(second, patterns=("globex",)), "eve")


async def test_a_rule_goes_though_the_others_are_too_large_together(store, house):
    desk = RuleDesk(store, house)
    for name in "abc":
        category = {"a": "spam"}.get(name, "hate")
        wide = replace(RIVALS, id=name, category=category, patterns=(rf"{name}\pL{{0,100}}x",))
        store.save_rule(wide)
    await desk.delete("a")
    assert [rule.id for rule in store.list_rules()] == ["b", "c"]
    assert "have fewer" in desk.problem


async def test_a_rule_goes_once_the_policy_names_it_no_more(store, house, tmp_path):
    desk = RuleDesk(store, house)
    saved = await desk.save(replace(HOUSE, category="house"), "eve")
    (tmp_path / "ours.toml").write_text("# nothing\n")
    for _ in range(400):
        if not house.policy.named:
            break
        await asyncio.sleep(0.02)
    await desk.delete(saved.id)
    assert store.list_rules() == []


def test_a_policy_may_name_what_only_a_broken_rule_looks_for(tmp_path):
    path = tmp_path / "ours.toml"
    path.write_text(HOUSE_POLICY)
    settings = make_settings(tmp_path, moderators="rules", policy=path)
    with Store.open(settings.database_url) as store:
        store.save_rule(replace(RIVALS, id="a", category="house", patterns=("x+",)))
    with serve(create_app(settings, backend=ScriptedBackend())) as address:
        assert httpx.get(f"{address}/health").status_code == 200


def test_rules_that_became_too_large_together_do_not_stop_the_start(tmp_path, caplog):
    settings = make_settings(tmp_path, moderators="rules")
    with Store.open(settings.database_url) as store:
        for name in "ab":
            store.save_rule(replace(RIVALS, id=name, patterns=(rf"{name}\pL{{0,100}}x",)))
    with serve(create_app(settings, backend=ScriptedBackend())) as address:
        assert httpx.get(f"{address}/health").status_code == 200
    assert "The operator's rules aren't in force" in caplog.text


async def test_it_is_said_why_active_rules_are_not_in_force(store, guard):
    desk = RuleDesk(store, guard)
    assert desk.problem == ""
    idle = RuleDesk(store, Guard(Chain([], POLICY)))
    assert "'rules' doesn't run" in idle.problem and "PALAVER_MODERATORS" in idle.problem
    shadow = replace(POLICY, shadow=frozenset({"rules"}))
    in_shadow = RuleDesk(store, Guard(Chain([RulesModerator(built_in=False)], shadow)))
    assert "in shadow" in in_shadow.problem
    for name in "ab":
        rule = replace(RIVALS, id=name, patterns=(rf"{name}\pL{{0,100}}x",))
        store.save_rule(rule)
    await desk.refresh()
    assert "couldn't be put in force" in desk.problem and "have fewer" in desk.problem
    await desk.delete("a")
    assert desk.problem == ""
    page = review_rules.rules([RuleEntry(rule)], "", WORDS, idle.problem)
    assert "(not in force)" in page and "PALAVER_MODERATORS" in page
    resting = review_rules.rules([RuleEntry(replace(rule, is_active=False))], "", WORDS, "x")
    assert "(resting)" in resting
    assert "(in force)" in review_rules.rules([RuleEntry(rule)], "", WORDS)


def test_rules_are_in_force_from_the_start(tmp_path):
    settings = make_settings(tmp_path, moderators="rules", policy="strict")
    with Store.open(settings.database_url) as store:
        store.save_rule(replace(RIVALS, id="a"))
        store.save_rule(replace(RIVALS, id="b", patterns=("(?P<name>x)",)))
    with serve(create_app(settings, backend=ScriptedBackend())) as address:
        for text, expected in (("Buy acme.", True), ("Buy nothing.", False)):
            answer = httpx.post(f"{address}/v1/moderations", json={"input": text})
            assert answer.json()["results"][0]["flagged"] is expected


def test_active_rules_without_their_moderator_are_said_to_be_out_of_force(tmp_path, caplog):
    settings = make_settings(tmp_path, moderators="limits")
    load_guard(settings, [replace(RIVALS, id="a").to_table()]).close()
    assert "the moderator 'rules' doesn't run" in caplog.text
