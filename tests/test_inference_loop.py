"""The engine's thread and the bridge to asyncio."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import numpy as np
import pytest

from chat.errors import EngineError, InvalidRequest, QueueFull
from chat.types import GenerationConfig
from inference.engine import Engine
from inference.loop import EngineLoop, Progress
from tests.fake_runner import VOCAB_SIZE, FakeRunner, continuation


class GatedRunner(FakeRunner):
    """A runner whose steps a test lets through one by one, or that fails on demand."""

    def __init__(self, max_running: int) -> None:
        super().__init__(max_running)
        self.gate = threading.Semaphore(0)
        self.is_gated = False
        self.is_broken = False

    def reserve(self, num_slots: int) -> None:
        if self.is_gated:
            assert self.gate.acquire(timeout=10)
        if self.is_broken:
            raise RuntimeError("out of memory")
        super().reserve(num_slots)


@pytest.fixture
def runner() -> GatedRunner:
    return GatedRunner(2)


@pytest.fixture
def engine(runner: GatedRunner) -> Engine:
    return Engine(
        runner,
        vocab_size=VOCAB_SIZE,
        context_length=4000,
        stop_token_ids=[4],
        max_running=2,
        max_waiting=3,
    )


@pytest.fixture
def engine_loop(engine: Engine, runner: GatedRunner) -> Iterator[EngineLoop]:
    engine_loop = EngineLoop(engine)
    yield engine_loop
    runner.is_gated = False
    runner.gate.release(1000)
    engine_loop.close()


def greedy(max_new_tokens: int = 8) -> GenerationConfig:
    return GenerationConfig(max_new_tokens=max_new_tokens, temperature=0.0, repetition_penalty=1.0)


async def collect(progresses: AsyncIterator[Progress]) -> tuple[list[int], str | None]:
    ids, reason = [], None
    async for progress in progresses:
        ids += progress.token_ids
        reason = progress.finish_reason
    return ids, reason


async def wait_until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def test_many_readers_get_their_own_answers(engine_loop: EngineLoop):
    async def ask(number: int) -> None:
        async with asyncio.timeout(10):
            while True:
                try:
                    stream = engine_loop.submit([number, 7], greedy(20))
                    found = await collect(stream.read())
                except QueueFull:
                    await asyncio.sleep(0.001)
                    continue
                assert found == (continuation([number, 7], 20), "length")
                return

    await asyncio.gather(*(ask(number) for number in range(10, 50)))


async def test_closing_the_reader_cancels_before_the_next_step(
    engine_loop: EngineLoop, runner: GatedRunner, engine: Engine
):
    runner.is_gated = True
    stream = engine_loop.submit([7], greedy(3000))
    async with aclosing(stream.read()) as progresses:
        runner.gate.release(1)
        async for progress in progresses:
            if progress.token_ids:
                break
    # The engine may be in its second step already; there must be no third.
    runner.gate.release(10)
    await wait_until(lambda: not engine.has_work)
    assert engine.stats.num_steps <= 2
    assert stream.sequence is not None
    assert stream.sequence.finish_reason == "cancelled"


async def test_cancel_while_waiting_and_twice(
    engine_loop: EngineLoop, runner: GatedRunner, engine: Engine
):
    runner.is_gated = True
    streams = [engine_loop.submit([7], greedy()) for _ in range(4)]
    streams[3].cancel()
    streams[3].cancel()
    runner.is_gated = False
    runner.gate.release(1000)
    for stream in streams[:3]:
        assert (await collect(stream.read()))[1] == "length"
    await wait_until(lambda: engine.stats.num_finished == 4)
    assert engine.stats.num_cancelled == 1


async def test_waiting_readers_see_their_place_move_up(
    engine_loop: EngineLoop, runner: GatedRunner
):
    runner.is_gated = True
    running = [engine_loop.submit([7], greedy(3000)) for _ in range(2)]
    waiting = [engine_loop.submit([8], greedy(5)) for _ in range(3)]
    readers = [stream.read() for stream in waiting]
    runner.gate.release(3)
    first = [await anext(reader) for reader in readers]
    assert [progress.position for progress in first] == [1, 2, 3]
    running[0].cancel()
    runner.gate.release(3)
    moved = [await anext(reader) for reader in readers[1:]]
    assert [progress.position for progress in moved] == [1, 2]
    for reader in readers:
        await reader.aclose()


async def test_full_queue_and_bad_prompts_are_raised_before_anything_is_yielded(
    engine_loop: EngineLoop, runner: GatedRunner
):
    runner.is_gated = True
    for _ in range(5):
        engine_loop.submit([7], greedy(3000))
    refused = engine_loop.submit([7], greedy()).read()
    runner.gate.release(3)
    with pytest.raises(QueueFull, match="All 5 places are taken"):
        await anext(refused)
    with pytest.raises(InvalidRequest):
        runner.gate.release(3)
        await anext(engine_loop.submit([], greedy()).read())


async def test_failing_step_is_told_to_all_and_the_engine_serves_on(
    engine_loop: EngineLoop, runner: GatedRunner, caplog: pytest.LogCaptureFixture
):
    runner.is_broken = runner.is_gated = True
    readers = [engine_loop.submit([7], greedy()).read() for _ in range(4)]
    runner.gate.release(1)
    results = await asyncio.gather(*map(anext, readers), return_exceptions=True)
    # Whoever came while the step was failing is in the next one, which fails as well.
    assert {type(result) for result in results} == {EngineError}
    assert "a step of the engine failed" in caplog.text
    runner.is_broken = runner.is_gated = False
    found = await collect(engine_loop.submit([9], greedy()).read())
    assert found == (continuation([9], 8), "length")


async def test_prompt_that_breaks_the_queue_harms_nobody_else(
    engine_loop: EngineLoop, engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    other = engine_loop.submit([8], greedy(200))
    await wait_until(lambda: other.sequence is not None)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "_check_prompt", lambda ids: 1 / 0)
        with pytest.raises(EngineError):
            await anext(engine_loop.submit([7], greedy()).read())
    assert await collect(other.read()) == (continuation([8], 200), "length")


async def test_not_a_number_ends_that_answer_with_error(
    engine_loop: EngineLoop, runner: GatedRunner
):
    runner.poison = 9
    good = engine_loop.submit([8], greedy())
    bad = engine_loop.submit([9], greedy())
    assert await collect(bad.read()) == ([], "error")
    assert await collect(good.read()) == (continuation([8], 8), "length")


async def test_shutdown_ends_the_streams_and_refuses_new_ones(engine: Engine, runner: GatedRunner):
    runner.is_gated = True  # however quick the machine, none comes to its end by itself
    engine_loop = EngineLoop(engine)
    streams = [engine_loop.submit([7], greedy(3000)) for _ in range(4)]
    readers = [asyncio.create_task(collect(stream.read())) for stream in streams]
    runner.gate.release(20)
    await wait_until(lambda: engine.stats.num_generated_tokens > 5)
    runner.gate.release(1000)
    engine_loop.close()
    engine_loop.close()
    assert not engine_loop.is_alive
    assert {reason for _, reason in await asyncio.gather(*readers)} == {"cancelled"}
    with pytest.raises(EngineError, match="shut down"):
        engine_loop.submit([7], greedy())


def test_reader_whose_event_loop_is_gone_is_cancelled(
    engine_loop: EngineLoop, engine: Engine, runner: GatedRunner
):
    runner.is_gated = True  # however slow the event loop ends, the answer doesn't end before

    async def ask() -> None:
        engine_loop.submit([7], greedy(3000))

    asyncio.run(ask())
    runner.gate.release(1000)
    deadline = threading.Event()
    for _ in range(1000):
        if engine.stats.num_cancelled:
            break
        deadline.wait(0.01)
    assert engine.stats.num_cancelled == 1


async def test_slow_reader_gets_everything_at_once(engine_loop: EngineLoop, engine: Engine):
    stream = engine_loop.submit([7], greedy(50))
    await wait_until(lambda: engine.stats.num_finished == 1)
    progresses = [progress async for progress in stream.read()]
    assert [len(progress.token_ids) for progress in progresses] == [50]
    assert np.array_equal(progresses[0].token_ids, continuation([7], 50))
