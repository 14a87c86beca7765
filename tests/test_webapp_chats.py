"""What people do with a chat beyond asking: versions, personas, ratings, consent."""

import asyncio
import sqlite3
from contextlib import aclosing, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chat.errors import InvalidRequest, NotFound, QueueFull
from chat.types import Message, Persona, Rating
from moderation.chain import Chain
from moderation.policy import Policy
from moderation.registry import load_moderators
from storage.store import Store
from tests.scripted import ScriptedBackend
from tests.serving import make_chat_service
from webapp.archive import Archive
from webapp.guard import Guard
from webapp.memory import Memory, forgetting
from webapp.pace import Pace
from webapp.personas import Personas
from webapp.service import ChatService
from webapp.transcript import file_name, write_transcript
from webapp.turn import ChatRequest, MessagesRequest, TextDelta, TurnFinished, TurnStarted, Waiting
from webapp.underway import Underway

FORBIDDEN = "How do I build a bomb?"


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'palaver.db'}", busy_timeout_s=0.5) as store:
        yield store


@pytest.fixture(scope="module")
def chain():
    return Chain(load_moderators(["rules", "pii", "limits"]), Policy.load("standard"))


@pytest.fixture
def backend():
    return ScriptedBackend()


@pytest.fixture
def service(backend, chain, store):
    return make_chat_service(backend, chain, store)


@pytest.fixture
def personas(store):
    return Personas(store, ["standard", "strict"])


@pytest.fixture
def archive(service):
    return Archive(service._memory, service._underway)


async def ask(service, text="", conversation_id=None, owner_id="ana", **options):
    """Return the finished turn."""
    config = options.pop("config", service.default_config)
    request = ChatRequest(owner_id, text, config, conversation_id, **options)
    *_, finished = [event async for event in service.reply(request)]
    assert isinstance(finished, TurnFinished)
    return finished.turn


async def begin(service, text="", conversation_id=None, owner_id="ana", **options):
    """Return the events of a turn up to its first text, and the rest of them unread."""
    request = ChatRequest(owner_id, text, service.default_config, conversation_id, **options)
    events = service.reply(request)
    async for event in events:
        if isinstance(event, TextDelta):
            break
    return events


def said(thread):
    return [message.stored.message.content for message in thread.messages]


async def test_an_answer_given_once_more_stands_beside_the_first(service, archive, backend):
    turn = await ask(service, "Hi")
    backend.script["Hi"] = "Hello!"
    again = await ask(service, conversation_id=turn.conversation_id, regenerates=turn.question_id)
    thread = await archive.read("ana", turn.conversation_id)
    assert said(thread) == ["Hi", "Hello!"]
    assert thread.messages[1].versions == (turn.answer_id, again.answer_id)
    assert backend.asked[0] == backend.asked[1] == (Message("user", "Hi"),)


async def test_a_changed_question_stands_beside_the_old_one_and_its_branch_stays(service, archive):
    first = await ask(service, "One")
    second = await ask(service, "Two", first.conversation_id)
    await ask(service, "Three", first.conversation_id)
    await ask(service, "Two, changed", first.conversation_id, replaces=second.question_id)
    thread = await archive.read("ana", first.conversation_id)
    changed = ["One", "You said: One", "Two, changed", "You said: Two, changed"]
    assert said(thread) == changed
    assert len(thread.messages[2].versions) == 2
    earlier = await archive.show_version("ana", first.conversation_id, second.question_id)
    assert said(earlier)[2:] == ["Two", "You said: Two", "Three", "You said: Three"]
    # What is on display is what the next question follows.
    await ask(service, "Four", first.conversation_id)
    assert said(await archive.read("ana", first.conversation_id))[-4] == "Three"


async def test_the_first_question_of_a_chat_can_be_changed(service, archive, backend):
    first = await ask(service, "One")
    turn = await ask(service, "Uno", first.conversation_id, replaces=first.question_id)
    assert turn.parent_id is None
    assert said(await archive.read("ana", first.conversation_id)) == ["Uno", "You said: Uno"]
    assert backend.asked[-1] == (Message("user", "Uno"),)


async def test_a_refused_question_is_refused_again_and_a_milder_version_is_answered(
    service, archive, backend
):
    refused = await ask(service, FORBIDDEN)
    again = await ask(
        service, conversation_id=refused.conversation_id, regenerates=refused.question_id
    )
    assert again.finish_reason == "content_filter" and not backend.asked
    milder = await ask(
        service, "How do I bake a cake?", refused.conversation_id, replaces=refused.question_id
    )
    assert milder.finish_reason == "stop"


@pytest.mark.parametrize("field", ["replaces", "regenerates"])
async def test_versions_of_strangers_or_of_answers_cannot_be_made(service, field):
    turn = await ask(service, "Hi")
    for owner_id, message_id, kind in (
        ("eve", turn.question_id, NotFound),
        ("ana", "nothing", NotFound),
        ("ana", turn.answer_id, InvalidRequest),
    ):
        with pytest.raises(kind):
            await ask(service, "x", turn.conversation_id, owner_id=owner_id, **{field: message_id})


async def test_a_stopped_regenerate_is_a_version_too(service, archive, backend):
    turn = await ask(service, "Hi")
    backend.script["Hi"] = "A long answer that nobody waits for. " * 20
    events = await begin(
        service, conversation_id=turn.conversation_id, regenerates=turn.question_id
    )
    await events.aclose()
    await service._underway.settle()
    thread = await archive.read("ana", turn.conversation_id)
    assert thread.messages[1].stored.finish_reason == "cancelled"
    assert len(thread.messages[1].versions) == 2


async def test_settings_and_instructions_are_kept_with_each_answer(service, archive, backend):
    config = replace(service.default_config, temperature=1.25, top_p=0.5, seed=7)
    turn = await ask(service, "Hi", config=config, instructions=" Answer in rhyme. ")
    await ask(service, "And now?", turn.conversation_id)
    assert backend.asked[0] == (Message("system", "Answer in rhyme."), Message("user", "Hi"))
    first, second = (
        m.generation for m in (await archive.read("ana", turn.conversation_id)).messages[1::2]
    )
    assert (first.config, first.system_prompt) == (config, "Answer in rhyme.")
    assert first.instructions == "Answer in rhyme."
    assert (second.config, second.instructions) == (service.default_config, "")


async def test_forbidden_instructions_refuse_the_turn(service, backend):
    turn = await ask(service, "Hi", instructions=f"Tell everybody: {FORBIDDEN}")
    assert turn.finish_reason == "content_filter" and not backend.asked


async def test_instructions_that_are_too_long_are_said_with_their_length(service):
    with pytest.raises(InvalidRequest, match="4,001 characters"):
        await ask(service, "Hi", instructions="x" * 4_001)


async def test_a_persona_answers_by_its_prompt_and_its_name_is_kept(
    service, archive, backend, personas
):
    persona = Persona("pirate", "Pirate", system_prompt="You are a pirate on {{ model }}.")
    await personas.save(persona)
    turn = await ask(service, "Hi", persona="pirate", instructions="Be brief.")
    expected = "You are a pirate on scripted.\n\nBe brief."
    assert backend.asked[-1][0] == Message("system", expected)
    generation = (await archive.read("ana", turn.conversation_id)).messages[1].generation
    assert (generation.persona, generation.system_prompt) == ("pirate", expected)
    assert generation.instructions == "Be brief."


async def test_a_persona_brings_its_own_moderation(service, backend, personas):
    text = "My address is ana@example.org"
    await personas.save(Persona("strict-one", "Strict", policy="strict"))
    await ask(service, text)
    await ask(service, text, persona="strict-one")
    standard, strict = (messages[-1].content for messages in backend.asked)
    assert "ana@example.org" in standard and "[EMAIL]" in strict


async def test_a_persona_that_is_not_there_is_said(service):
    with pytest.raises(NotFound, match="no persona 'ghost'"):
        await ask(service, "Hi", persona="ghost")


async def test_a_persona_broken_behind_our_back_is_said_and_nothing_is_stored(service, store):
    store.save_persona(Persona("bad", "Bad", system_prompt="{{ 1 / 0 }} {% if"))
    with pytest.raises(InvalidRequest, match="Bad"):
        await ask(service, "Hi", persona="bad")
    assert store.list_conversations("ana") == []


async def test_a_temporary_chat_goes_on_and_leaves_nothing_but_a_count(
    service, archive, backend, store, tmp_path
):
    turn = await ask(service, "My secret is swordfish", is_temporary=True)
    await ask(service, "And?", turn.conversation_id)
    assert backend.asked[-1][0].content == "My secret is swordfish"
    assert len(said(await archive.read("ana", turn.conversation_id))) == 4
    assert await archive.list("ana") == [] and store.stats()["messages"] == 0
    with closing(sqlite3.connect(tmp_path / "palaver.db")) as database:
        rows = "".join(database.iterdump())
    assert "swordfish" not in rows and "ana" not in rows
    assert [(c.kind, c.amount) for c in store.read_counts()] == [("temporary_turns", 2)]


async def test_a_temporary_chat_is_nobody_elses(service, archive):
    turn = await ask(service, "Mine", is_temporary=True)
    with pytest.raises(NotFound):
        await archive.read("eve", turn.conversation_id)
    with pytest.raises(InvalidRequest, match="isn't stored"):
        await archive.consent("ana", True, turn.conversation_id)


async def test_a_chat_deleted_while_it_is_answered_does_not_come_back(service, archive, backend):
    turn = await ask(service, "Hi")
    backend.script["More"] = "word " * 400
    events = await begin(service, "More", turn.conversation_id)
    await archive.delete("ana", turn.conversation_id)
    await events.aclose()
    await service._underway.settle()
    assert await archive.list("ana") == []


async def test_a_strangers_chat_can_be_neither_renamed_nor_rated_nor_deleted(service, archive):
    turn = await ask(service, "Hi")
    where = turn.conversation_id
    for attempt in (
        archive.rename("eve", where, "Mine"),
        archive.rate("eve", where, Rating(turn.answer_id, "eve", 1)),
        archive.show_version("eve", where, turn.answer_id),
        archive.delete("eve", where),
        archive.consent("eve", True, where),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert [chat.title for chat in await archive.list("ana")] == ["Hi"]


@pytest.mark.parametrize("title", ["", "  \n ", "x" * 121])
async def test_a_title_that_is_none_is_refused(service, archive, title):
    turn = await ask(service, "Hi")
    with pytest.raises(InvalidRequest, match="allowed are 1 to 120"):
        await archive.rename("ana", turn.conversation_id, title)


async def test_a_rating_is_remembered_changed_and_withdrawn(service, archive):
    turn = await ask(service, "Hi")
    where, answer = turn.conversation_id, turn.answer_id
    await archive.rate("ana", where, Rating(answer, "ana", 1, ("clear",), "fine \U0001f600"))
    await archive.rate("ana", where, Rating(answer, "ana", -1, ("wrong", "too-long"), ""))
    rating = (await archive.read("ana", where)).messages[1].rating
    assert rating == Rating(answer, "ana", -1, ("wrong", "too-long"), "")
    await archive.withdraw_rating("ana", where, answer, "ana")
    assert (await archive.read("ana", where)).messages[1].rating is None


@pytest.mark.parametrize(
    ("rating", "said"),
    [
        (Rating("", "ana", 1, ("wrong",)), "correct, clear"),
        (Rating("", "ana", -1, ("<script>",)), "unclear"),
        (Rating("", "ana", 1, (), "x" * 2_001), "2,001"),
    ],
)
async def test_a_rating_with_odd_reasons_is_refused(service, archive, rating, said):
    turn = await ask(service, "Hi")
    with pytest.raises(InvalidRequest, match=said):
        await archive.rate("ana", turn.conversation_id, replace(rating, answer_id=turn.answer_id))


async def test_a_general_word_is_about_the_chats_to_come_and_a_chats_own_goes_before(
    service, archive
):
    earlier = await ask(service, "Earlier")
    assert await archive.has_consented("ana") is None
    await archive.consent("ana", True)
    later, other = await ask(service, "Later"), await ask(service, "Other")
    await archive.consent("ana", False, other.conversation_id)
    chats = {chat.id: chat.training_consent for chat in await archive.list("ana")}
    assert chats == {
        earlier.conversation_id: False,
        later.conversation_id: True,
        other.conversation_id: False,
    }
    await archive.consent("ana", False)
    assert not any(chat.training_consent for chat in await archive.list("ana"))
    assert await archive.has_consented("ana") is False


@pytest.mark.parametrize("word", [True, False])
async def test_a_word_said_while_the_first_answer_is_written_is_kept(
    service, archive, backend, word
):
    await archive.consent("ana", not word)
    backend.script["Hi"] = "word " * 300
    request = ChatRequest("ana", "Hi", service.default_config)
    async with aclosing(service.reply(request)) as events:
        async for event in events:
            if isinstance(event, TurnStarted):
                chat = event.conversation_id
            if isinstance(event, TextDelta):
                await archive.consent("ana", word, chat)
                with pytest.raises(NotFound):
                    await archive.consent("eve", word, chat)
                break
    await service._underway.settle()
    assert (await archive.read("ana", chat)).conversation.training_consent is word


async def test_a_question_follows_what_its_asker_sees(service, archive, backend):
    turn = await ask(service, "Hi")
    backend.script["Hi"] = "Second"
    await ask(service, conversation_id=turn.conversation_id, regenerates=turn.question_id)
    await ask(service, "And?", turn.conversation_id, follows=turn.answer_id)
    assert [m.content for m in backend.asked[-1]] == ["Hi", "You said: Hi", "And?"]


async def test_who_signs_in_while_an_answer_is_written_finds_it(service, archive, backend):
    turn = await ask(service, "Hi")
    backend.script["More"] = "word " * 300
    events = await begin(service, "More", turn.conversation_id)
    archive.move_user("ana", "hf:1")
    await events.aclose()
    await service._underway.settle()
    assert said(await archive.read("hf:1", turn.conversation_id))[2] == "More"


async def test_forgetting_somebody_leaves_nothing_of_theirs_and_all_of_others(
    service, archive, store
):
    await archive.consent("ana", True)
    turn = await ask(service, "Mine")
    await archive.rate("ana", turn.conversation_id, Rating(turn.answer_id, "ana", 1))
    await ask(service, "Hers", owner_id="eve")
    temporary = await ask(service, "Mine for a moment", is_temporary=True)
    events = await begin(service, "Still being answered", turn.conversation_id)
    assert await archive.forget("ana") == 1
    await events.aclose()
    with pytest.raises(NotFound):
        await archive.read("ana", temporary.conversation_id)
    assert await archive.list("ana") == [] and await archive.has_consented("ana") is None
    assert [chat.title for chat in await archive.list("eve")] == ["Hers"]


async def test_who_signs_in_takes_their_chats_along(service, archive):
    stored = await ask(service, "Mine")
    temporary = await ask(service, "Mine for a moment", is_temporary=True)
    archive.move_user("ana", "hf:1")
    for turn in (stored, temporary):
        assert said(await archive.read("hf:1", turn.conversation_id))
        with pytest.raises(NotFound):
            await archive.read("ana", turn.conversation_id)


async def test_a_transcript_has_all_that_was_said_and_no_system_prompt(service, archive, personas):
    persona = Persona("spy", "Spy", system_prompt="The password is swordfish.")
    await personas.save(persona)
    turn = await ask(service, "Grüße & <b>more</b>", persona="spy")
    thread = await archive.read("ana", turn.conversation_id)
    markdown, record = write_transcript(thread, "md"), write_transcript(thread, "json")
    for text in (markdown, record):
        assert "Grüße & <b>more</b>" in text and "You said: Grüße" in text
        assert "swordfish" not in text
    assert file_name(thread, "md") == "gr-e-b-more-b.md"


async def several(service, number, *messages, owner_id="key", **changes):
    chat = tuple(Message(role, text) for role, text in messages)
    config = replace(service.default_config, **changes)
    events = service.complete(MessagesRequest(owner_id, chat, config), num_answers=number)
    return [pair async for pair in events]


async def test_several_answers_share_a_question_and_each_is_stored(service, backend, store):
    events = await several(service, 3, ("user", "Hi"), seed=10)
    turns = [event.turn for _, event in events if isinstance(event, TurnFinished)]
    assert len({turn.answer_id for turn in turns}) == 3
    assert len({turn.question_id for turn in turns}) == 1
    assert sorted(config.seed for config in backend.configs) == [10, 11, 12]
    [chat] = store.list_conversations("key")
    tree = store.read_tree("key", chat.id)
    assert [m.message.role for m in tree] == ["user", "assistant", "assistant", "assistant"]
    assert sum(len(v) for v in store.read_verdicts("key", chat.id).values()) > 0


async def test_several_answers_to_a_longer_chat_store_its_history_once(service, store):
    sent = (("system", "Be kind."), ("user", "A"), ("assistant", "B"), ("user", "C"))
    await several(service, 4, *sent)
    [chat] = store.list_conversations("key")
    assert len(store.read_tree("key", chat.id)) == 4 + 4


async def test_a_refused_question_refuses_every_answer(service, backend):
    events = await several(service, 3, ("user", FORBIDDEN))
    finished = [event.turn for _, event in events if isinstance(event, TurnFinished)]
    assert [turn.finish_reason for turn in finished] == ["content_filter"] * 3
    assert not backend.asked


async def test_a_queue_that_fills_in_the_middle_leaves_no_answer_behind(service, backend, store):
    class Filling:
        """Answers the first, and has no place for the others."""

        def __init__(self):
            self.count = 0

        def get(self, question, default):
            self.count += 1
            return QueueFull("full") if self.count > 1 else "word " * 50

    backend.script = Filling()
    with pytest.raises(QueueFull):
        await several(service, 3, ("user", "Hi"))
    await service._underway.settle()
    assert store.stats()["messages"] == 0


async def test_who_leaves_in_the_middle_of_several_answers_cancels_all(service, backend):
    backend.script["Hi"] = "word " * 400
    request = MessagesRequest("key", (Message("user", "Hi"),), service.default_config)
    events = service.complete(request, num_answers=3)
    async with aclosing(events):
        async for _, event in events:
            if isinstance(event, TextDelta):
                break
    await service._underway.settle()
    assert backend.ended == ["cancelled"] * 3


async def test_the_wait_is_estimated_from_how_long_answers_took(chain, store):
    backend = ScriptedBackend({"Hi": "a b c"}, position=4, delay_s=0.02)
    service = make_chat_service(backend, chain, store)

    async def waits():
        request = ChatRequest("ana", "Hi", service.default_config)
        return [e async for e in service.reply(request) if isinstance(e, Waiting)]

    assert await waits() == [Waiting(4, 0.0)]
    [waiting] = await waits()
    assert waiting.position == 4 and waiting.wait_s > 0


def test_the_pace_follows_the_newest_answers():
    pace = Pace()
    assert pace.wait_s(3, 2) == 0
    pace.record(2.0)
    assert pace.wait_s(3, 2) == 3.0
    for _ in range(50):
        pace.record(4.0)
    assert pace.wait_s(1, 1) == pytest.approx(4.0, rel=0.01)


async def test_what_was_said_before_comes_with_the_start_of_a_turn(service):
    turn = await ask(service, "One")
    request = ChatRequest("ana", "Two", service.default_config, turn.conversation_id)
    async with aclosing(service.reply(request)) as events:
        async for event in events:
            assert isinstance(event, TurnStarted)
            assert [m.stored.message.content for m in event.history] == ["One", "You said: One"]
            assert event.question == "Two"
            break
    await service._underway.settle()


async def test_a_regenerate_while_the_chat_is_answered_is_refused(service, backend):
    turn = await ask(service, "Hi")
    backend.script["More"] = "word " * 400
    events = await begin(service, "More", turn.conversation_id)
    with pytest.raises(InvalidRequest, match="still being answered"):
        await ask(service, conversation_id=turn.conversation_id, regenerates=turn.question_id)
    await events.aclose()
    await asyncio.sleep(0)


async def test_a_temporary_chat_is_forgotten_when_it_is_over(store):
    memory = Memory(store)
    assert memory.of("temporary-1") is not store and memory.of("1") is store
    turn = await ask_temporary(memory)
    now = datetime.now(UTC)
    assert memory.forget_idle(now + timedelta(minutes=59)) == 0
    assert memory.forget_idle(now + timedelta(minutes=61)) == 1
    with pytest.raises(NotFound):
        memory.of(turn.conversation_id).read_conversation("ana", turn.conversation_id)
    memory.close()


async def ask_temporary(memory):
    chain = Chain([], Policy.load("standard"))
    guard = Guard(chain)
    service = ChatService(ScriptedBackend(), guard, memory, Personas(memory.store, []), Underway())
    return await ask(service, "Hi", is_temporary=True)


async def test_temporary_chats_are_forgotten_now_and_then_while_serving(store, monkeypatch):
    monkeypatch.setattr("webapp.memory.PAUSE_S", 0.01)
    monkeypatch.setattr("webapp.memory.LIFETIME", timedelta(0))
    memory = Memory(store)
    turn = await ask_temporary(memory)
    async with forgetting(memory):
        while memory.of(turn.conversation_id).stats()["conversations"]:
            await asyncio.sleep(0.01)
