"""Conversations in, text out: the local backend over a real, tiny model."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from chat.errors import InvalidRequest, ModelError, QueueFull, SettingsError
from chat.types import GenerationConfig, Message
from inference.backend import (
    Backend,
    GenerationEvent,
    GenerationFinished,
    LocalBackend,
    Queued,
    TextPiece,
)
from tests.tiny_model import TinyModel

HELLO = (Message("user", "Hello there"),)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TinyModel.random().save(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def backend(folder: Path) -> Iterator[LocalBackend]:
    backend = LocalBackend.load(folder, device="cpu", max_running=4, max_waiting=4, threads=1)
    yield backend
    backend.close()


async def ask(
    backend: Backend, config: GenerationConfig, messages: tuple[Message, ...] = HELLO
) -> tuple[str, GenerationFinished, list[GenerationEvent]]:
    events = [event async for event in backend.generate(messages, config)]
    text = "".join(event.text for event in events if isinstance(event, TextPiece))
    assert isinstance(events[-1], GenerationFinished)
    assert not any(isinstance(event, GenerationFinished) for event in events[:-1])
    return text, events[-1], events


def seeded(seed: int, **changes: object) -> GenerationConfig:
    return GenerationConfig(**{"max_new_tokens": 40, "temperature": 1.0, "seed": seed, **changes})


async def test_an_answer_is_text_and_then_its_end(backend: LocalBackend):
    text, end, events = await ask(backend, seeded(1))
    assert text and all(event.text for event in events if isinstance(event, TextPiece))
    assert end.finish_reason in ("length", "stop")
    assert end.usage.prompt_tokens == 12
    assert 0 < end.usage.completion_tokens <= 40
    assert end.num_dropped == 0
    assert 0 < end.queued_ms < end.first_token_ms


def test_it_says_what_it_is(backend: LocalBackend):
    assert backend.model == "tiny"
    assert backend.provider == "CPUExecutionProvider"
    assert backend.context_length == 128
    assert backend.default_config.repetition_penalty == 1.1
    stats = backend.stats()
    assert (stats["num_running"], stats["max_running"], stats["is_alive"]) == (0, 4, True)


async def test_same_seed_same_text_alone_and_together(backend: LocalBackend):
    alone = [await ask(backend, seeded(seed)) for seed in range(4)]
    together = await asyncio.gather(*(ask(backend, seeded(seed)) for seed in range(4)))
    assert [text for text, _, _ in alone] == [text for text, _, _ in together]
    assert len({text for text, _, _ in alone}) == 4


@pytest.mark.parametrize("seed", range(6))
async def test_stop_strings_end_the_answer_and_are_not_shown(backend: LocalBackend, seed: int):
    whole, _, _ = await ask(backend, seeded(seed))
    middle = len(whole) // 2
    stop = whole[middle : middle + 3]
    text, end, _ = await ask(backend, seeded(seed, stop=(stop,)))
    assert text == whole[: whole.find(stop)]
    assert end.finish_reason == "stop"
    assert end.usage.completion_tokens < 40


async def test_stop_string_stops_the_engine_too(backend: LocalBackend):
    whole, _, _ = await ask(backend, seeded(3))
    before = backend.stats()["num_cancelled"]
    await ask(backend, seeded(3, stop=(whole[2],), max_new_tokens=110))
    async with asyncio.timeout(10):
        while backend.stats()["num_running"]:
            await asyncio.sleep(0.001)
    assert backend.stats()["num_cancelled"] == before + 1


async def test_max_new_tokens_is_kept(backend: LocalBackend):
    _, end, _ = await ask(backend, seeded(2, max_new_tokens=1))
    assert (end.usage.completion_tokens, end.finish_reason) == (1, "length")


async def test_long_conversations_lose_their_oldest_turns(backend: LocalBackend):
    turns = [
        Message(role, f"message {number}") for number in range(20) for role in ("user", "assistant")
    ]
    _, end, _ = await ask(backend, seeded(1), (*turns, Message("user", "last")))
    assert end.num_dropped > 0
    # A quarter of the context is kept free for the answer.
    assert end.usage.prompt_tokens <= 96


async def test_message_longer_than_the_context_is_refused(backend: LocalBackend):
    with pytest.raises(InvalidRequest, match="tokens long; this model reads at most 96") as error:
        await ask(backend, seeded(1), (Message("user", "x" * 5000),))
    assert error.value.code == "context_length_exceeded"


async def test_typed_special_tokens_do_not_end_the_readers_turn(backend: LocalBackend):
    _, plain, _ = await ask(backend, seeded(1), (Message("user", "<|end|>"),))
    assert plain.usage.prompt_tokens > 5


@pytest.mark.parametrize("content", ["", "\ud800", "\0", "👩‍👩‍👧‍👦" * 3, "‮א"])
async def test_odd_text_is_answered_or_refused_by_name(backend: LocalBackend, content: str):
    with suppress(InvalidRequest):
        await ask(backend, seeded(1), (Message("user", content),))


async def test_leaving_cancels(backend: LocalBackend):
    before = backend.stats()["num_cancelled"]
    async with aclosing(backend.generate(HELLO, seeded(5, max_new_tokens=100))) as events:
        async for event in events:
            if isinstance(event, TextPiece):
                break
    async with asyncio.timeout(10):
        while backend.stats()["num_running"]:
            await asyncio.sleep(0.001)
    assert backend.stats()["num_cancelled"] == before + 1


async def test_cancelled_task_cancels_the_answer(backend: LocalBackend):
    task = asyncio.create_task(ask(backend, seeded(5, max_new_tokens=100)))
    async with asyncio.timeout(10):
        while not backend.stats()["num_running"] and not task.done():
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        while backend.stats()["num_running"]:
            await asyncio.sleep(0.001)


async def test_crowd_beyond_the_queue_is_refused_and_the_rest_served(folder: Path):
    backend = LocalBackend.load(folder, max_running=1, max_waiting=2, threads=1)
    step = backend._engine.step
    gate = threading.Event()
    backend._engine.step = lambda: gate.wait(10) and step()  # type: ignore[method-assign]
    tasks = [asyncio.create_task(ask(backend, seeded(0)))]
    async with asyncio.timeout(10):
        while not backend.stats()["num_waiting"]:
            await asyncio.sleep(0.001)
        tasks += [asyncio.create_task(ask(backend, seeded(i))) for i in range(1, 5)]
        while backend._loop._inbox.qsize() < 4:
            await asyncio.sleep(0.001)
    gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    backend.close()
    refused = [result for result in results if isinstance(result, QueueFull)]
    served = [result for result in results if isinstance(result, tuple)]
    assert (len(refused), len(served)) == (2, 3)
    places = [e.position for _, _, events in served for e in events if isinstance(e, Queued)]
    assert {1, 2} >= set(places) and 1 in places


async def test_close_ends_running_answers_as_cancelled(folder: Path):
    backend = LocalBackend.load(folder, threads=1)
    task = asyncio.create_task(ask(backend, seeded(5, max_new_tokens=110)))
    async with asyncio.timeout(10):
        while not backend.stats()["num_generated_tokens"]:
            await asyncio.sleep(0)
    backend.close()
    assert (await task)[1].finish_reason in ("cancelled", "length", "stop")
    assert not backend.stats()["is_alive"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_running", 0),
        ("max_waiting", -1),
        ("threads", -1),
        ("context_length", 129),
        ("context_length", 0),
    ],
)
def test_settings_out_of_range_are_named(folder: Path, name: str, value: int):
    with pytest.raises(SettingsError, match=f"{name} is {value}"):
        LocalBackend.load(folder, **{name: value})


async def test_shorter_context_is_kept(folder: Path):
    backend = LocalBackend.load(folder, context_length=32, threads=1)
    _, end, _ = await ask(backend, seeded(1, max_new_tokens=100))
    backend.close()
    assert end.usage.prompt_tokens + end.usage.completion_tokens <= 32


def test_program_that_forgets_to_close_ends_in_peace(folder: Path):
    program = f"""
import asyncio
from chat.types import Message
from inference.backend import GenerationConfig, LocalBackend

async def ask(backend):
    config = GenerationConfig(max_new_tokens=100)
    answers = [backend.generate([Message("user", "hello")], config) for _ in range(4)]
    await asyncio.gather(*(anext(answer) for answer in answers))

asyncio.run(ask(LocalBackend.load({str(folder)!r})))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


def test_missing_model_is_named(tmp_path: Path):
    with pytest.raises(ModelError, match="no model folder"):
        LocalBackend.load(tmp_path / "nothing")
