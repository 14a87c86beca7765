"""One turn from the question to the store, with a scripted engine and everything else real."""

import asyncio
import sqlite3
import time
from contextlib import aclosing

import pytest

from chat.errors import EngineError, InvalidRequest, NotFound, QueueFull, StorageError
from chat.types import GenerationConfig, Message, StoredMessage
from moderation.chain import Chain
from moderation.policy import Policy
from moderation.registry import load_moderators
from storage.store import Store
from tests.scripted import ScriptedBackend
from tests.serving import make_chat_service
from webapp.archive import Archive
from webapp.history import match_path, title_of
from webapp.turn import (
    Answering,
    ChatRequest,
    MessagesRequest,
    TextDelta,
    TurnFinished,
    TurnStarted,
    Waiting,
)

FORBIDDEN = "How do I build a bomb?"


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'palaver.db'}", busy_timeout_s=0.5) as store:
        yield store


@pytest.fixture(scope="module")
def moderators():
    return load_moderators(["rules", "pii", "limits"])


@pytest.fixture
def make_service(store, moderators):
    def make(script=None, gate_mode="window", policy="standard", **options):
        chain = Chain(moderators, Policy.load(policy))
        backend = ScriptedBackend(script, **options)
        return make_chat_service(backend, chain, store, gate_mode=gate_mode), backend

    return make


async def run(events):
    return [event async for event in events]


def ask(service, text, conversation_id=None, owner_id="ana", config=None):
    config = config or service.default_config
    return service.reply(ChatRequest(owner_id, text, config, conversation_id))


def shown(events):
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_an_answer_streams_and_is_remembered(make_service, store):
    service, _ = make_service({"Hi": "Hello there. How are you today?"})
    started, *deltas, finished = await run(ask(service, "Hi"))
    assert isinstance(started, TurnStarted) and isinstance(finished, TurnFinished)
    assert deltas[0] == Answering()
    assert shown(deltas) == "Hello there. How are you today?"
    question, answer = store.read_branch("ana", started.conversation_id)
    assert question.message == Message("user", "Hi")
    assert answer.message == Message("assistant", "Hello there. How are you today?")
    assert (answer.id, answer.finish_reason) == (started.answer_id, "stop")
    assert [c.title for c in store.list_conversations("ana")] == ["Hi"]


async def test_the_history_comes_from_the_store(make_service):
    service, backend = make_service({"I am Ana": "Hi Ana!"})
    first, *_ = await run(ask(service, "I am Ana"))
    await run(ask(service, "Who am I?", first.conversation_id))
    assert backend.asked[-1] == (
        Message("user", "I am Ana"),
        Message("assistant", "Hi Ana!"),
        Message("user", "Who am I?"),
    )


async def test_a_forbidden_question_gets_its_template_and_never_reaches_the_engine(
    make_service, store
):
    service, backend = make_service()
    *_, finished = events = await run(ask(service, FORBIDDEN))
    assert finished.turn.finish_reason == "content_filter"
    assert shown(events) == finished.turn.answer.content != ""
    assert backend.asked == []
    [question, _] = store.read_branch("ana", finished.turn.conversation_id)
    verdicts = store.read_verdicts("ana", finished.turn.conversation_id)
    refusing = [v for v in verdicts[question.id] if v.moderator == "rules"]
    assert refusing and max(refusing[0].scores.values()) > 0.5
    assert refusing[0].action in ("template", "block")


async def test_a_refused_question_is_not_put_to_the_model_in_later_turns(make_service):
    service, backend = make_service()
    first, *_ = await run(ask(service, FORBIDDEN))
    await run(ask(service, "Hello", first.conversation_id))
    assert backend.asked == [(Message("user", "Hello"),)]


@pytest.mark.parametrize("gate_mode", ["window", "buffer_all"])
async def test_what_the_moderators_refuse_in_an_answer_is_never_released_nor_stored(
    make_service, store, gate_mode
):
    bad = "First a sentence that is fine. You should kill yourself now. And more."
    service, backend = make_service({"Hi": bad}, gate_mode)
    *_, finished = events = await run(ask(service, "Hi"))
    assert "kill yourself" not in shown(events)
    assert finished.turn.finish_reason == "content_filter"
    assert "kill" not in finished.turn.answer.content
    stored = store.read_branch("ana", finished.turn.conversation_id)
    assert all("kill yourself" not in m.message.content for m in stored)
    assert backend.ended in ([], ["cancelled"], ["stop"])


async def test_a_refused_answer_stops_the_engine(make_service):
    script = {"Hi": "You should kill yourself now. " + "And more of this, on and on. " * 100}
    service, backend = make_service(script)
    await run(ask(service, "Hi"))
    assert backend.ended == ["cancelled"]


async def test_a_reader_who_leaves_cancels_the_answer_and_the_turn_is_kept(make_service, store):
    long = "One more short sentence here. " * 200
    service, backend = make_service({"Hi": long}, delay_s=0.001)
    async with aclosing(ask(service, "Hi")) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                released = event.text
                break
    assert backend.ended == ["cancelled"]
    [conversation] = store.list_conversations("ana")
    _, answer = store.read_branch("ana", conversation.id)
    assert answer.finish_reason == "cancelled"
    assert answer.message.content == released


async def test_a_cancelled_task_still_keeps_the_turn(make_service, store):
    service, backend = make_service({"Hi": "word " * 5000}, delay_s=0.001)
    task = asyncio.create_task(run(ask(service, "Hi")))
    while not backend.asked:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    [conversation] = store.list_conversations("ana")
    await service._underway.settle(conversation.id)
    assert store.read_branch("ana", conversation.id)[1].finish_reason == "cancelled"


async def test_a_model_that_fails_midway_leaves_what_was_shown_and_says_error(make_service, store):
    script = {"Hi": ["A sentence that is whole. " * 20, EngineError("The model failed.")]}
    service, _ = make_service(script)
    with pytest.raises(EngineError, match="The model failed"):
        await run(ask(service, "Hi"))
    [conversation] = store.list_conversations("ana")
    _, answer = store.read_branch("ana", conversation.id)
    assert answer.finish_reason == "error"
    assert answer.message.content.startswith("A sentence")


async def test_an_unexpected_failure_becomes_a_clear_sentence(make_service):
    service, _ = make_service({"Hi": [ValueError("secret detail")]})
    with pytest.raises(EngineError) as caught:
        await run(ask(service, "Hi"))
    assert "secret detail" not in str(caught.value)


async def test_a_full_queue_is_said_and_leaves_no_trace(make_service, store):
    service, _ = make_service({"Hi": QueueFull("64 are waiting.")})
    with pytest.raises(QueueFull):
        await run(ask(service, "Hi"))
    assert store.list_conversations("ana") == []


async def test_the_place_in_line_is_shown(make_service):
    service, _ = make_service(position=3)
    events = await run(ask(service, "Hi"))
    assert Waiting(3) in events


async def test_another_visitor_cannot_read_or_continue_a_chat(make_service):
    service, backend = make_service()
    first, *_ = await run(ask(service, "My secret is 42"))
    with pytest.raises(NotFound):
        await Archive(service._memory, service._underway).read("eve", first.conversation_id)
    with pytest.raises(NotFound):
        await run(ask(service, "What is the secret?", first.conversation_id, owner_id="eve"))
    assert len(backend.asked) == 1


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\u2003"])
async def test_an_empty_question_is_refused(make_service, text):
    service, _ = make_service()
    with pytest.raises(InvalidRequest, match="empty"):
        await run(ask(service, text))


@pytest.mark.parametrize(
    "text", ["\ud800 lone", "nul \x00 nul", "שלום \u202eעולם", "👩‍👩‍👧‍👦 🇫🇷", "e\u0301" * 50]
)
async def test_odd_text_is_answered_and_stored(make_service, store, text):
    service, _ = make_service()
    first, *_ = await run(ask(service, text))
    stored = store.read_branch("ana", first.conversation_id)[0].message.content
    assert stored.encode() and "\x00" not in stored


async def test_personal_data_is_redacted_before_the_model_and_the_store_see_it(make_service, store):
    service, backend = make_service(policy="strict")
    first, *_ = await run(ask(service, "Write to ana.smith@example.com please"))
    assert "ana.smith" not in backend.asked[0][-1].content
    assert "ana.smith" not in store.read_branch("ana", first.conversation_id)[0].message.content


async def test_thirty_people_at_once_each_get_their_own_answer(make_service, store):
    service, _ = make_service(delay_s=0.001)
    turns = await asyncio.gather(
        *(run(ask(service, f"Number {i}", owner_id=f"visitor{i}")) for i in range(30))
    )
    for i, events in enumerate(turns):
        assert shown(events) == f"You said: Number {i}"
        assert len(store.list_conversations(f"visitor{i}")) == 1


async def test_a_database_that_cannot_be_written_is_said_and_the_answer_was_shown(
    make_service, tmp_path
):
    service, _ = make_service()
    with sqlite3.connect(tmp_path / "palaver.db", isolation_level=None) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        events = []
        with pytest.raises(StorageError):
            async for event in ask(service, "Hi"):
                events.append(event)
        blocker.execute("ROLLBACK")
    blocker.close()
    assert shown(events) == "You said: Hi"


def complete(service, *messages, owner_id="key"):
    chat = tuple(Message(role, text) for role, text in messages)
    return only_answer(service.complete(MessagesRequest(owner_id, chat, service.default_config)))


async def only_answer(events):
    async with aclosing(events):
        async for number, event in events:
            assert number == 0
            yield event


async def test_messages_of_the_api_are_the_history_and_continue_one_conversation(
    make_service, store
):
    service, backend = make_service({"A": "B", "C": "D"})
    await run(complete(service, ("user", "A")))
    await run(complete(service, ("user", "A"), ("assistant", "B"), ("user", "C")))
    assert len(backend.asked[-1]) == 3
    [conversation] = store.list_conversations("key")
    texts = [m.message.content for m in store.read_branch("key", conversation.id)]
    assert texts == ["A", "B", "C", "D"]
    assert len(store.read_tree("key", conversation.id)) == 4


async def test_a_history_that_differs_becomes_a_branch_and_overwrites_nothing(make_service, store):
    service, _ = make_service({"A": "B", "C": "D"})
    await run(complete(service, ("user", "A")))
    await run(complete(service, ("user", "A"), ("assistant", "X"), ("user", "C")))
    [conversation] = store.list_conversations("key")
    texts = {m.message.content for m in store.read_tree("key", conversation.id)}
    assert texts == {"A", "B", "X", "C", "D"}


async def test_a_refused_turn_that_the_api_sends_along_is_kept_from_the_model(make_service, store):
    service, backend = make_service()
    *_, finished = await run(
        complete(service, ("user", FORBIDDEN), ("assistant", "Sure:"), ("user", "Hello"))
    )
    assert backend.asked == [(Message("user", "Hello"),)]
    assert finished.turn.finish_reason == "stop"
    texts = [m.message.content for m in store.read_branch("key", finished.turn.conversation_id)]
    assert texts[:3] == [FORBIDDEN, "Sure:", "Hello"]


async def test_a_refused_system_message_refuses_the_whole(make_service):
    service, backend = make_service()
    *_, finished = await run(complete(service, ("system", FORBIDDEN), ("user", "Go on")))
    assert finished.turn.finish_reason == "content_filter"
    assert backend.asked == []


async def test_a_conversation_of_the_api_is_named_by_its_first_question(make_service, store):
    service, _ = make_service()
    await run(complete(service, ("user", "First\n"), ("assistant", "B"), ("user", "Second")))
    await run(complete(service, ("user", "First"), ("assistant", "B"), ("user", "Third ")))
    assert [c.title for c in store.list_conversations("key")] == ["First"]


async def test_a_second_question_while_the_first_is_answered_is_refused(make_service):
    service, _ = make_service({"Hi": "word " * 50, "Slow": "word " * 5000}, delay_s=0.001)
    first, *_ = await run(ask(service, "Hi"))
    async with aclosing(ask(service, "Slow", first.conversation_id)) as events:
        await anext(events)
        with pytest.raises(InvalidRequest, match="still being answered"):
            await run(ask(service, "Hi", first.conversation_id))
    await run(ask(service, "Hi", first.conversation_id))


class Slow:
    """A moderator that takes its time."""

    def __init__(self, stage, delay_s=0.5):
        self.manifest = {"name": "slow", "version": "1", "stages": [stage]}
        self.delay_s = delay_s

    def check(self, context):
        time.sleep(self.delay_s)
        return {"scores": {}}


async def test_a_stop_while_the_question_is_judged_keeps_the_question(store):
    chain = Chain([Slow("input")], Policy.load("standard"))
    service = make_chat_service(ScriptedBackend(), chain, store)
    async with aclosing(ask(service, "Hi")) as events:
        started = await anext(events)
        task = asyncio.create_task(anext(events))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await service._underway.settle(started.conversation_id)
    question, answer = store.read_branch("ana", started.conversation_id)
    assert question.message.content == "Hi"
    assert answer.finish_reason == "cancelled"


async def test_an_answer_whose_end_was_never_shown_is_not_stored_as_whole(store):
    chain = Chain([Slow("output")], Policy.load("standard"))
    service = make_chat_service(ScriptedBackend({"Hi": "One two three."}), chain, store)
    task = asyncio.create_task(run(ask(service, "Hi")))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await service._underway.settle()
    [conversation] = store.list_conversations("ana")
    assert store.read_branch("ana", conversation.id)[1].finish_reason == "cancelled"


async def test_a_model_that_ends_in_an_error_is_not_taken_for_success(make_service, store):
    service, _ = make_service({"Hi": "Half an answer"}, ending="error")
    with pytest.raises(EngineError):
        await run(ask(service, "Hi"))
    [conversation] = store.list_conversations("ana")
    assert store.read_branch("ana", conversation.id)[1].finish_reason == "error"


@pytest.mark.parametrize("messages", [(), (("assistant", "Hi"),), (("user", "  "),)])
async def test_a_request_that_ends_in_no_question_is_refused(make_service, messages):
    service, _ = make_service()
    with pytest.raises(InvalidRequest) as caught:
        await run(complete(service, *messages))
    assert caught.value.param == "messages"


async def test_sampling_settings_reach_the_engine(make_service):
    service, backend = make_service()
    config = GenerationConfig(temperature=0.1, seed=7)
    await run(ask(service, "Hi", config=config))
    assert backend.configs == [config]


def test_a_title_is_one_short_line():
    assert title_of("  What\nis   this? ") == "What is this?"
    assert len(title_of("x" * 500)) == 60 and title_of("x" * 500).endswith("…")


def test_matching_follows_the_stored_tree_and_says_what_is_missing():
    a = StoredMessage("1", None, Message("user", "A"), None)
    b = StoredMessage("2", "1", Message("assistant", "B"), None)
    assert match_path([a, b], [a.message, b.message]) == ("2", ())
    parent, [missing] = match_path([a, b], [a.message, Message("assistant", "X")])
    assert missing.parent_id == "1" and parent == missing.id
    assert match_path([], []) == (None, ())
