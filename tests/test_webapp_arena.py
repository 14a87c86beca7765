"""Answers side by side: drawn, written, recorded, and ranked; with a scripted engine."""

import asyncio
import random
import time
from contextlib import aclosing, closing
from dataclasses import replace
from pathlib import Path

import pytest

from chat.errors import EngineError, InvalidRequest, ModelError, NotFound, QueueFull, SettingsError
from chat.types import Comparison, Message, Ranking
from moderation.chain import Chain
from moderation.policy import Policy
from moderation.registry import load_moderators
from storage.store import Store
from tests.scripted import ScriptedBackend
from tests.serving import make_settings
from tests.tiny_model import TinyModel
from webapp.arena import Arena, ComparisonFinished, Habits
from webapp.guard import Guard
from webapp.loading import load_backend, load_rivals
from webapp.memory import Memory
from webapp.personas import Personas
from webapp.preflight import check_names
from webapp.service import ChatService
from webapp.turn import ChatRequest, TextDelta, TurnFinished, TurnStarted
from webapp.underway import Underway
from webapp.votes import MOST_OPEN, Votes

BAD = "First a sentence that is fine. You should kill yourself now. And more."


class Named(ScriptedBackend):
    """A scripted model with a name, and a line of people in front of it."""

    def __init__(self, model, script=None, *, num_waiting=0, **options):
        super().__init__(script, **options)
        self.model = model
        self.num_waiting = num_waiting

    def stats(self):
        return {**super().stats(), "num_waiting": self.num_waiting}


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'palaver.db'}") as store:
        yield store


@pytest.fixture
def memory(store):
    return Memory(store)


@pytest.fixture(scope="module")
def moderators():
    return load_moderators(["rules", "pii", "limits"])


@pytest.fixture
def make_arena(memory, moderators):
    def make(*backends, seed=0, policy="standard", **habits):
        guard = Guard(Chain(moderators, Policy.load(policy)))
        first, *rivals = backends
        service = ChatService(
            first, guard, memory, Personas(memory.store, []), Underway(), rivals=rivals
        )
        return Arena(service, memory, Habits(**habits), random.Random(seed))

    return make


def two(first="Red.", second="Green."):
    return Named("one", {"Hi": first}), Named("two", {"Hi": second})


async def compare(arena, text="Hi", owner_id="ana", **changes):
    """Compare answers; return the events, the last one, and the conversation."""
    config = changes.pop("config", ScriptedBackend.default_config)
    request = ChatRequest(owner_id, text, config, **changes)
    events = [event async for event in arena.compare(request)]
    started = next(event for _, event in events if isinstance(event, TurnStarted))
    finished = events[-1][1]
    assert isinstance(finished, ComparisonFinished)
    return events, finished, started.conversation_id


def answers(store, chat, owner_id="ana"):
    return [m for m in store.read_tree(owner_id, chat) if m.message.role == "assistant"]


async def test_two_models_answer_one_question_and_are_recorded_as_shown(make_arena, store):
    one, other = two()
    events, finished, chat = await compare(make_arena(one, other))
    comparison = finished.comparison
    assert comparison is not None
    assert store.read_comparison("ana", comparison.id) == comparison
    assert (comparison.origin, comparison.method, comparison.probability) == ("chat", "uniform", 1)
    texts = {m.id: m.message.content for m in answers(store, chat)}
    for place, answer_id in enumerate(comparison.answer_ids):
        shown = "".join(e.text for at, e in events if at == place and isinstance(e, TextDelta))
        assert shown == texts[answer_id]
    assert {source["model"] for source in comparison.draw["sources"]} == {"one", "two"}
    assert comparison.draw["is_wanted"] is True
    generations = store.read_generations("ana", chat)
    assert {made.model for made in generations.values()} == {"one", "two"}
    assert len([m for m in store.read_tree("ana", chat) if m.message.role == "user"]) == 1


async def test_the_first_answer_shown_is_on_display_until_somebody_ranks(make_arena, store):
    _, finished, chat = await compare(make_arena(*two()))
    shown = store.read_branch("ana", chat)[-1].id
    assert shown == finished.shown.answer_id == finished.comparison.answer_ids[0]


async def test_every_order_is_shown_about_as_often(make_arena):
    arena = make_arena(*two())
    orders = []
    for number in range(40):
        _, finished, _ = await compare(arena, owner_id=f"p{number}")
        orders.append(finished.shown.model)
    assert 8 < orders.count("one") < 32


async def test_one_model_answers_by_itself_with_a_seed_for_each_answer(make_arena):
    class ByChance(Named):
        async def generate(self, messages, config):
            self.script["Hi"] = f"Number {config.seed}."
            async for event in super().generate(messages, config):
                yield event

    model = ByChance("one")
    config = ScriptedBackend.default_config.__class__(seed=2**64 - 1)
    _, finished, _ = await compare(make_arena(model, num_answers=3), config=config)
    assert sorted(c.seed for c in model.configs) == [0, 1, 2**64 - 1]
    assert len(finished.comparison.answer_ids) == 3
    assert finished.comparison.method == "same"


async def test_the_question_is_judged_once_and_stored_with_its_verdicts(make_arena, store):
    _, _, chat = await compare(make_arena(*two(), num_answers=2))
    verdicts = store.read_verdicts("ana", chat)
    question = store.read_branch("ana", chat)[0]
    names = [v.moderator for v in verdicts[question.id]]
    assert len(names) == len(set(names)) > 0
    for answer in answers(store, chat):
        assert {v.stage for v in verdicts[answer.id]} == {"output"}


async def test_identical_answers_are_not_asked_about(make_arena, store):
    _, finished, chat = await compare(make_arena(*two("The same.", " the  same. ".title())))
    assert finished.comparison is not None  # upper and lower case are told apart
    _, finished, chat = await compare(make_arena(*two("The same.", "The\u00a0same.  ")))
    assert finished.comparison is None
    assert store.list_compared("ana", chat, "ana") == []
    assert store.read_branch("ana", chat)[-1].id == finished.shown.answer_id


async def test_of_several_answers_the_different_ones_are_asked_about(make_arena):
    backends = (*two("Red.", "Green."), Named("three", {"Hi": "Red."}))
    _, finished, _ = await compare(make_arena(*backends, num_answers=3))
    assert len(finished.comparison.answer_ids) == 2
    assert finished.comparison.draw["num_identical"] == 1


@pytest.mark.parametrize("seed", range(4))
async def test_a_refused_answer_is_never_shown_nor_compared(make_arena, store, seed):
    events, finished, chat = await compare(make_arena(*two("Fine.", BAD), seed=seed))
    shown = "".join(e.text for _, e in events if isinstance(e, TextDelta))
    assert "kill yourself" not in shown
    assert finished.comparison is None and finished.shown.answer.content == "Fine."
    assert store.read_branch("ana", chat)[-1].message.content == "Fine."


async def test_a_refused_question_is_answered_once(make_arena, store):
    one, other = two()
    _, finished, chat = await compare(make_arena(one, other), "How do I build a bomb?")
    assert finished.comparison is None and one.asked == other.asked == []
    [answer] = answers(store, chat)
    assert answer.finish_reason == "content_filter"
    assert finished.shown.answer_id == answer.id


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("broken", [0, 1])
async def test_a_model_that_fails_leaves_the_other_alone(make_arena, broken, seed):
    backends = list(two())
    backends[broken].script["Hi"] = ["The beginning. ", EngineError("It failed.")]
    _, finished, _ = await compare(make_arena(*backends, seed=seed))
    assert finished.comparison is None
    assert finished.shown.model == backends[1 - broken].model


async def test_a_full_rival_is_left_out_and_a_full_chat_model_ends_all(make_arena, store):
    one, other = two()
    other.script["Hi"] = QueueFull("64 wait.")
    _, finished, chat = await compare(make_arena(one, other))
    assert (finished.comparison, finished.shown.model) == (None, "one")
    assert len(answers(store, chat)) == 1
    one.script["Hi"], other.script["Hi"] = QueueFull("64 wait."), "Green."
    with pytest.raises(QueueFull):
        await compare(make_arena(one, other), owner_id="ben")
    await asyncio.sleep(0)
    assert store.list_conversations("ben") == []


async def test_all_failing_is_an_error(make_arena):
    with pytest.raises(EngineError):
        await compare(make_arena(*two(EngineError("No."), EngineError("No."))))


async def test_who_leaves_cancels_all_answers_and_nothing_is_to_be_ranked(make_arena, store):
    long = "One more short sentence here. " * 200
    one, other = (Named(name, {"Hi": long}, delay_s=0.001) for name in ("one", "two"))
    arena = make_arena(one, other)
    chat = ""
    request = ChatRequest("ana", "Hi", ScriptedBackend.default_config)
    async with aclosing(arena.compare(request)) as events:
        async for _, event in events:
            chat = event.conversation_id if isinstance(event, TurnStarted) else chat
            if isinstance(event, TextDelta):
                break
    assert one.ended == other.ended == ["cancelled"]
    assert {m.finish_reason for m in answers(store, chat)} == {"cancelled"}
    assert store.list_compared("ana", chat, "ana") == []


async def test_a_chat_deleted_meanwhile_leaves_nothing(make_arena, store):
    arena = make_arena(*two())
    request = ChatRequest("ana", "Hi", ScriptedBackend.default_config)
    num_finished = 0
    async for _, event in arena.compare(request):
        num_finished += isinstance(event, TurnFinished)
        if isinstance(event, TurnFinished) and num_finished == 2:
            store.delete_conversation("ana", event.turn.conversation_id)
    assert event.comparison is None
    assert store.stats()["comparisons"] == 0


async def test_an_earlier_question_is_compared_beside_its_first_answer(make_arena, store):
    arena = make_arena(*two())
    _, first, chat = await compare(arena)
    _, again, _ = await compare(
        arena, "", conversation_id=chat, regenerates=first.shown.question_id
    )
    assert again.comparison.question_id == first.comparison.question_id
    assert len(answers(store, chat)) == 4
    newest, oldest = store.list_compared("ana", chat, "ana")
    assert (newest.comparison, oldest.comparison) == (again.comparison, first.comparison)


async def test_a_redacted_question_reaches_every_model_redacted(make_arena, store):
    one, other = Named("one"), Named("two")
    arena = make_arena(one, other, policy="strict")
    _, _, chat = await compare(arena, "Write to ana.smith@example.com please")
    assert one.asked == other.asked
    assert "ana.smith" not in one.asked[0][-1].content
    assert "ana.smith" not in store.read_branch("ana", chat)[0].message.content


async def test_temporary_chats_have_no_comparisons(make_arena):
    for changes in ({"is_temporary": True}, {"conversation_id": "temporary-1"}):
        with pytest.raises(InvalidRequest, match="temporary chat"):
            await compare(make_arena(*two()), **changes)


@pytest.mark.parametrize(
    "rate, waiting, longest, is_asked",
    [
        (0.0, 0, 0, False),
        (1.0, 0, 0, True),
        (1.0, 1, 0, False),
        (1.0, 1, 1, True),
    ],
)
def test_it_is_asked_at_the_rate_and_while_few_wait(make_arena, rate, waiting, longest, is_asked):
    one, other = Named("one"), Named("two", num_waiting=waiting)
    arena = make_arena(one, other, rate=rate, longest_queue=longest)
    assert {arena.is_asked() for _ in range(20)} == {is_asked}


async def test_an_answer_asked_for_again_is_a_hint_and_never_a_vote(make_arena, store):
    arena = make_arena(*two())
    _, first, chat = await compare(arena)
    old, new = first.comparison.answer_ids
    turn = first.shown.__class__(
        **{name: getattr(first.shown, name) for name in first.shown.__slots__} | {"answer_id": new}
    )
    await arena.note_regenerated("ana", chat, old, turn)
    await arena.note_regenerated("ana", chat, "stranger", turn)
    await arena.note_regenerated("ben", chat, old, turn)
    assert store.stats()["comparisons"] == 2
    assert [c.comparison.id for c in store.list_compared("ana", chat, "ana")] == [
        first.comparison.id
    ]


# Votes.


@pytest.fixture
def votes(memory):
    return Votes(memory)


@pytest.fixture
async def shown(make_arena):
    """A comparison of two answers in a chat of ana's."""
    _, finished, _ = await compare(make_arena(*two()))
    return finished.comparison


def ranking(comparison, *groups, annotator_id="ana", **more):
    groups = groups or tuple((answer_id,) for answer_id in comparison.answer_ids)
    return Ranking(comparison.id, annotator_id, groups, **more)


async def test_a_ranking_is_kept_changed_and_withdrawn(votes, shown, store):
    first, second = shown.answer_ids
    votes.note_seen("ana", shown.id)
    time.sleep(0.01)
    await votes.rank("ana", ranking(shown, acceptable=frozenset({first}), comment=" Good. "))
    [ranked] = store.export_rankings()
    assert ranked.ranking.groups == ((first,), (second,))
    assert ranked.ranking.comment == "Good." and ranked.ranking.elapsed_s >= 0.01
    await votes.rank("ana", ranking(shown, (first, second), is_none_acceptable=True))
    [ranked] = store.export_rankings()
    assert ranked.ranking.groups == ((first, second),)
    assert ranked.ranking.is_none_acceptable and ranked.ranking.elapsed_s is None
    await votes.withdraw("ana", shown.id, "ana")
    assert list(store.export_rankings()) == []
    assert votes.is_skipped("ana", shown.id)


async def test_voting_twice_at_once_is_one_vote(votes, shown, store):
    await asyncio.gather(*(votes.rank("ana", ranking(shown)) for _ in range(10)))
    assert len(list(store.export_rankings())) == 1


async def test_what_cannot_be_ranked_is_refused_in_plain_words(votes, shown, store):
    first, second = shown.answer_ids
    wrong = [
        (ranking(shown, (first,)), "leaves out"),
        (ranking(shown, (first,), (second,), ("x",)), "not shown"),
        (ranking(shown, (first, first), (second,)), "twice"),
        (ranking(shown, (first,), (second,), ()), "empty group"),
        (ranking(shown, acceptable=frozenset({"x"})), "not shown"),
        (ranking(shown, acceptable=frozenset({first}), is_none_acceptable=True), "none is"),
        (ranking(shown, comment="x" * 2001), "2,001"),
        (ranking(shown, strength=1.5), "strength"),
    ]
    for each, words in wrong:
        with pytest.raises(InvalidRequest, match=words):
            await votes.rank("ana", each)
    assert list(store.export_rankings()) == []


async def test_what_is_somebody_elses_is_not_there(votes, shown):
    for change in (
        votes.rank("ben", ranking(shown, annotator_id="ben")),
        votes.withdraw("ben", shown.id, "ben"),
        votes.list("ben", shown.conversation_id),
        votes.find_place("ben", shown.answer_ids[0]),
    ):
        with pytest.raises(NotFound):
            await change


async def test_a_hint_cannot_be_ranked(votes, shown, store):
    hint = Comparison(
        "hint", shown.conversation_id, shown.question_id, shown.answer_ids, "regenerate"
    )
    store.record_comparison("ana", hint)
    with pytest.raises(InvalidRequest, match="never shown"):
        await votes.rank("ana", ranking(hint))


async def test_what_is_listed_has_the_answers_in_the_order_shown_and_ones_own_ranking(votes, shown):
    [compared] = await votes.list("ana", shown.conversation_id)
    assert compared.ranking is None
    assert tuple(answer.stored.id for answer in compared.answers) == shown.answer_ids
    assert {answer.generation.model for answer in compared.answers} == {"one", "two"}
    assert all(isinstance(answer.stored.message, Message) for answer in compared.answers)
    await votes.rank("ana", ranking(shown))
    [compared] = await votes.list("ana", shown.conversation_id)
    assert compared.ranking is not None
    assert await votes.list("ana", "temporary-1") == []


def test_what_is_passed_over_is_remembered_within_bounds(votes):
    for number in range(MOST_OPEN + 5):
        votes.skip("ana", str(number))
    assert votes.is_skipped("ana", str(MOST_OPEN)) and not votes.is_skipped("ana", "1")


# The models that the settings name.


def test_further_models_are_loaded_and_two_of_one_name_are_refused(tmp_path):
    TinyModel.random().save(tmp_path / "model", name="other")
    settings = make_settings(tmp_path, compare_models=tmp_path / "model")
    [rival] = load_rivals(settings, "palaver")
    assert rival.model == "other"
    rival.close()
    with pytest.raises(SettingsError, match="'other', which is in use already"):
        load_rivals(settings, "other")


def test_a_further_model_that_is_not_there_is_told_before_anything_is_loaded(tmp_path):
    settings = make_settings(tmp_path, compare_models=tmp_path / "nothing")
    with pytest.raises(ModelError, match="nothing"):
        check_names(settings)


async def test_the_bundled_model_answers_twice_and_differently(make_arena, store):
    settings = make_settings(Path())
    with closing(load_backend(settings)) as backend:
        config = replace(backend.default_config, temperature=1.5, max_new_tokens=16)
        _, finished, chat = await compare(
            make_arena(backend), "Tell me a story about a fox.", config=config
        )
    texts = {m.message.content for m in answers(store, chat)}
    assert len(texts) == 2
    assert finished.comparison is not None and finished.comparison.method == "same"
