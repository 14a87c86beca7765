"""The scheduler alone: bounds, fairness, slots."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.errors import QueueFull
from chat.types import GenerationConfig
from inference.sampler import Sampler
from inference.scheduler import Scheduler
from inference.sequence import Sequence, SequenceState


def make_sequence(num_prompt_tokens: int) -> Sequence:
    config = GenerationConfig(seed=0)
    return Sequence((7,) * num_prompt_tokens, config, Sampler(config), 10, added_s=0.0)


def run_step(scheduler: Scheduler) -> None:
    schedule = scheduler.schedule()
    for sequence in schedule.decodes:
        sequence.num_cached += 1
    for prefill in schedule.prefills:
        scheduler.record_prefill(prefill)


def test_sequences_beyond_running_and_waiting_are_refused_with_numbers():
    scheduler = Scheduler(max_running=2, max_waiting=1, prefill_chunk=8)
    for _ in range(3):
        scheduler.add(make_sequence(1))
    run_step(scheduler)
    with pytest.raises(
        QueueFull, match=r"All 3 places are taken \(2 answers written at once, 1 waiting\)"
    ):
        scheduler.add(make_sequence(1))


def test_long_prompt_is_read_in_chunks_beside_running_streams():
    scheduler = Scheduler(max_running=4, max_waiting=4, prefill_chunk=8)
    short, long = make_sequence(3), make_sequence(30)
    scheduler.add(short)
    run_step(scheduler)
    scheduler.add(long)
    for _ in range(4):
        schedule = scheduler.schedule()
        assert schedule.decodes == (short,)
        assert sum(p.end - p.start for p in schedule.prefills) <= 8
        run_step(scheduler)
    assert long.state is SequenceState.DECODING


def test_short_prompts_share_a_step():
    scheduler = Scheduler(max_running=8, max_waiting=8, prefill_chunk=16)
    for _ in range(6):
        scheduler.add(make_sequence(3))
    assert len(scheduler.schedule().prefills) == 5


def test_removing_closes_gaps_with_the_fewest_copies():
    scheduler = Scheduler(max_running=4, max_waiting=4, prefill_chunk=8)
    sequences = [make_sequence(2) for _ in range(3)]
    for sequence in sequences:
        scheduler.add(sequence)
    run_step(scheduler)
    scheduler.add(half_read := make_sequence(20))
    run_step(scheduler)
    moves = scheduler.remove(sequences[0])
    assert [(m.source, m.target, m.num_tokens) for m in moves] == [(2, 0, 3), (3, 2, 8)]
    assert scheduler.running == (sequences[2], sequences[1], half_read)
    assert scheduler.remove(sequences[0]) == []


operations = st.one_of(
    st.tuples(st.just("add"), st.integers(1, 40)),
    st.tuples(st.just("remove"), st.integers(0, 30)),
    st.tuples(st.just("step"), st.just(0)),
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(operations, max_size=60),
    st.integers(1, 4),
    st.integers(0, 4),
    st.integers(1, 16),
)
def test_slots_stay_dense_and_admission_is_first_come_first_served(
    steps: list[tuple[str, int]], max_running: int, max_waiting: int, chunk: int
):
    scheduler = Scheduler(max_running=max_running, max_waiting=max_waiting, prefill_chunk=chunk)
    added: list[Sequence] = []
    for operation, number in steps:
        if operation == "add":
            is_full = scheduler.num_running + scheduler.num_waiting == max_running + max_waiting
            try:
                scheduler.add(sequence := make_sequence(number))
            except QueueFull:
                assert is_full
            else:
                assert not is_full
                added.append(sequence)
        elif operation == "remove" and added:
            scheduler.remove(added.pop(number % len(added)))
        else:
            before = [s.num_cached for s in scheduler.running]
            run_step(scheduler)
            # Whoever had a slot has moved on: nobody starves.
            after = [s.num_cached for s in scheduler.running]
            assert all(b > a for a, b in zip(before, after, strict=False))
        check_slots(scheduler, added)


def check_slots(scheduler: Scheduler, added: list[Sequence]) -> None:
    running = scheduler.running
    assert [s.slot for s in running] == list(range(len(running)))
    assert len(running) <= scheduler.max_running
    states = [s.state for s in running]
    num_decoding = states.count(SequenceState.DECODING)
    assert states[:num_decoding] == [SequenceState.DECODING] * num_decoding
    assert len(states) - num_decoding <= 1
    # `added` is in the order of arrival: whoever still waits came after all who don't.
    assert [s for s in added if s.state is SequenceState.WAITING] == list(scheduler.waiting)
    assert added[len(running) :] == list(scheduler.waiting)
    assert set(running) == set(added[: len(running)])
