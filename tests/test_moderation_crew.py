"""The threads that make calls: deadlines that are fair, and hangs that cost nobody else."""

import asyncio
import threading
import time

import pytest

from moderation.crew import Crew, Overdue


async def test_a_call_returns_what_it_returns_and_tells_what_it_raises():
    crew = Crew(2)
    outcome = await crew.run(lambda: 7, 1)
    assert (outcome.value, outcome.error) == (7, None)
    assert outcome.latency_ms >= 0

    def leave():
        raise SystemExit(3)

    assert isinstance((await crew.run(leave, 1)).error, SystemExit)
    assert crew.num_open == 0


async def test_no_more_run_at_a_time_than_there_are_threads_while_they_get_done():
    crew = Crew(2, 16)
    lock = threading.Lock()
    counts = [0, 0]

    def work():
        with lock:
            counts[0] += 1
            counts[1] = max(counts)
        time.sleep(0.005)
        with lock:
            counts[0] -= 1

    await asyncio.gather(*(crew.run(work, 5) for _ in range(60)))
    assert counts == [0, 2]


async def test_those_that_wait_for_one_another_get_threads_in_time():
    crew = Crew(1, 4)
    meeting = threading.Barrier(4, timeout=20)
    outcomes = await asyncio.gather(*(crew.run(meeting.wait, 20) for _ in range(4)))
    assert not any(outcome.error for outcome in outcomes)


async def test_the_clock_of_what_waits_does_not_run():
    crew = Crew(1)
    outcomes = await asyncio.gather(*(crew.run(lambda: time.sleep(0.06), 0.5) for _ in range(20)))
    assert len(outcomes) == 20


async def test_a_hanging_call_is_given_up_at_its_deadline_and_its_place_taken():
    crew = Crew(1)
    release = threading.Event()
    calls = []
    for _ in range(3):
        with pytest.raises(Overdue) as caught:
            await crew.run(lambda: release.wait(30), 0.02)
        calls.append(caught.value.call)
    assert (await crew.run(lambda: 7, 5)).value == 7
    assert not any(call.is_finished for call in calls)
    release.set()
    for _ in range(1000):
        if all(call.is_finished for call in calls):
            break
        await asyncio.sleep(0.005)
    assert all(call.is_finished for call in calls)
    assert (await crew.run(lambda: 8, 5)).value == 8
    assert crew.num_open == 0


async def test_a_call_that_nobody_waits_for_is_not_begun():
    crew = Crew(1)
    release = threading.Event()
    first = asyncio.create_task(crew.run(lambda: release.wait(30), 30))
    await asyncio.sleep(0)
    made = []
    second = asyncio.create_task(crew.run(lambda: made.append(1), 30))
    await asyncio.sleep(0.01)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    release.set()
    await first
    assert (await crew.run(lambda: 7, 5)).value == 7
    assert made == []


async def test_a_reader_who_leaves_a_hanging_call_does_not_keep_its_seat_for_ever():
    crew = Crew(1)
    release, begun = threading.Event(), threading.Event()

    def hang():
        begun.set()
        release.wait(30)

    hanging = asyncio.create_task(crew.run(hang, 0.1))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    hanging.cancel()
    assert (await crew.run(lambda: 7, 5)).value == 7
    release.set()


def test_a_crew_outlives_an_event_loop():
    crew = Crew(1, 3)
    for number in range(3):
        assert asyncio.run(crew.run(lambda number=number: number, 5)).value == number
    meeting = threading.Barrier(2, timeout=20)

    async def meet():
        return await asyncio.gather(*(crew.run(meeting.wait, 20) for _ in range(2)))

    for _ in range(2):
        assert not any(outcome.error for outcome in asyncio.run(meet()))


async def test_threads_that_nobody_needs_go(monkeypatch):
    monkeypatch.setattr("moderation.crew._IDLE_S", 0.02)
    crew = Crew(4)
    before = threading.active_count()
    await asyncio.gather(*(crew.run(lambda: time.sleep(0.01), 5) for _ in range(8)))
    for _ in range(1000):
        if threading.active_count() <= before:
            break
        await asyncio.sleep(0.005)
    assert threading.active_count() <= before
    assert (await crew.run(lambda: 7, 5)).value == 7
