"""The engine: batched equals alone, limits, cancellation, broken logits."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.errors import InvalidRequest, QueueFull
from chat.types import GenerationConfig
from inference.engine import Engine, StepOutput
from inference.model_dir import ModelDir
from inference.model_runner import ModelRunner
from inference.sequence import Sequence
from tests.fake_runner import VOCAB_SIZE, FakeRunner, continuation
from tests.tiny_model import TinyModel

GREEDY = {"temperature": 0.0, "repetition_penalty": 1.0}


def greedy(max_new_tokens: int = 8) -> GenerationConfig:
    return GenerationConfig(max_new_tokens=max_new_tokens, **GREEDY)


def make_engine(**limits: int) -> Engine:
    limits = {"max_running": 4, "max_waiting": 8, "prefill_chunk": 8, **limits}
    runner = FakeRunner(limits["max_running"])
    limits = {"vocab_size": VOCAB_SIZE, "context_length": 64, **limits}
    return Engine(runner, stop_token_ids=[4], **limits)


def drain(engine: Engine) -> list[StepOutput]:
    outputs = []
    while engine.has_work:
        outputs += engine.step()
    return outputs


# ---- a fake model: every interleaving -------------------------------------------------------

actions = st.one_of(
    st.tuples(st.just("add"), st.integers(1, 60), st.integers(1, 20)),
    st.tuples(st.just("cancel"), st.integers(0, 50), st.just(0)),
    st.tuples(st.just("step"), st.integers(1, 5), st.just(0)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(actions, max_size=40), st.integers(1, 5), st.integers(1, 20), st.randoms())
def test_any_crowd_leaves_every_answer_as_if_alone(script, max_running, chunk, random):
    engine = make_engine(max_running=max_running, max_waiting=6, prefill_chunk=chunk)
    added: list[Sequence] = []
    streamed: dict[Sequence, list[int]] = {}

    def step() -> None:
        for output in engine.step():
            assert output.sequence not in cancelled
            if output.token_id is not None:
                streamed[output.sequence].append(output.token_id)

    cancelled: set[Sequence] = set()
    for action, a, b in script:
        if action == "add":
            prompt = [random.randrange(5, VOCAB_SIZE) for _ in range(a)]
            try:
                sequence = engine.add(prompt, greedy(b))
            except QueueFull:
                continue
            added.append(sequence)
            streamed[sequence] = []
        elif action == "cancel" and added:
            engine.cancel(sequence := added[a % len(added)])
            if sequence.finish_reason == "cancelled":
                cancelled.add(sequence)
        else:
            for _ in range(a):
                step()
    for _ in range(2000):
        if not engine.has_work:
            break
        step()
    assert not engine.has_work
    assert engine.scheduler.running == ()
    for sequence in added:
        expected = continuation(sequence.prompt_ids, sequence.max_new_tokens)
        got = streamed[sequence]
        assert got == sequence.output_ids == expected[: len(got)]
        assert sequence.slot == -1
        if sequence not in cancelled:
            assert (got, sequence.finish_reason) == (expected, "length")


def test_a_step_reads_no_more_prompt_than_its_chunk():
    engine = make_engine(prefill_chunk=8)
    for _ in range(4):
        engine.add([7] * 30, greedy())
    drain(engine)
    assert max(engine._runner.num_prefilled) <= 8


def test_running_streams_get_a_token_in_every_step_while_a_long_prompt_is_read():
    engine = make_engine(prefill_chunk=4)
    first = engine.add([7], greedy(40))
    engine.step()
    engine.add([8] * 50, greedy(2))
    for _ in range(12):
        assert [output.sequence for output in engine.step()] == [first]


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_cancel_while_waiting_prefilling_and_decoding_is_final(steps: int):
    engine = make_engine(prefill_chunk=8)
    sequence = engine.add([7] * 20, greedy(30))
    for _ in range(steps):
        engine.step()
    engine.cancel(sequence)
    engine.cancel(sequence)
    assert sequence.finish_reason == "cancelled"
    assert drain(engine) == []
    assert engine.stats.num_cancelled == 1


def test_cancel_after_the_end_changes_nothing():
    engine = make_engine()
    sequence = engine.add([7], greedy(1))
    drain(engine)
    engine.cancel(sequence)
    assert sequence.finish_reason == "length"


def test_not_a_number_ends_one_answer_and_not_the_others():
    engine = make_engine()
    engine._runner.poison = 9
    bad, good = engine.add([9, 7], greedy()), engine.add([8, 7], greedy())
    drain(engine)
    assert (bad.finish_reason, good.finish_reason) == ("error", "length")
    assert good.output_ids == continuation([8, 7], 8)
    assert engine.stats.num_failed == 1


def test_answer_ends_where_the_context_ends():
    engine = make_engine(context_length=16)
    sequence = engine.add([7] * 15, greedy(100))
    drain(engine)
    assert (len(sequence.output_ids), sequence.finish_reason) == (1, "length")


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ([], "empty"),
        ([7] * 64, "64 tokens long; this model reads at most 63"),
        ([7] * 10_000, "10000 tokens long"),
        ([7, VOCAB_SIZE], f"token id {VOCAB_SIZE}"),
        ([-1], "token id -1"),
    ],
)
def test_prompt_that_cannot_be_served_is_refused(prompt: list[int], words: str):
    engine = make_engine()
    with pytest.raises(InvalidRequest, match=words):
        engine.add(prompt, greedy())
    assert not engine.has_work


def test_step_without_work_does_nothing():
    assert make_engine().step() == []


def test_abort_ends_all_and_the_engine_serves_on():
    engine = make_engine()
    sequences = [engine.add([7] * 20, greedy()) for _ in range(9)]
    engine.step()
    engine.abort("error")
    assert {s.finish_reason for s in sequences} == {"error"}
    assert not engine.has_work
    again = engine.add([7], greedy())
    drain(engine)
    assert again.output_ids == continuation([7], 8)


# ---- the real thing -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny() -> TinyModel:
    return TinyModel.random()


@pytest.fixture(scope="module")
def runner(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> ModelRunner:
    folder: Path = tiny.save(tmp_path_factory.mktemp("tiny"))
    return ModelRunner.load(ModelDir.load(folder), device="cpu", threads=1)


def make_real_engine(runner: ModelRunner, **limits: int) -> Engine:
    limits = {"context_length": 128, "vocab_size": 300, "max_waiting": 100, **limits}
    return Engine(runner, stop_token_ids=[4, 0], **limits)


def test_greedy_answers_equal_the_reference(tiny: TinyModel, runner: ModelRunner):
    engine = make_real_engine(runner, prefill_chunk=16)
    rng = np.random.default_rng(0)
    prompts = [rng.integers(5, 300, length).tolist() for length in (1, 5, 16, 40, 90)]
    sequences = [engine.add(prompt, greedy(30)) for prompt in prompts]
    drain(engine)
    for prompt, sequence in zip(prompts, sequences, strict=True):
        expected = tiny.greedy(prompt, 30)
        stops = [i for i, token in enumerate(expected) if token in (0, 4)]
        assert sequence.output_ids == expected[: stops[0] if stops else 30]
        assert sequence.finish_reason == ("stop" if stops else "length")


@pytest.mark.parametrize("seed", range(4))
def test_same_seed_gives_the_same_answer_alone_and_in_a_crowd(runner: ModelRunner, seed: int):
    rng = np.random.default_rng(seed)
    prompt = rng.integers(5, 300, 40).tolist()
    config = GenerationConfig(max_new_tokens=60, temperature=1.0, top_p=0.95, seed=seed)
    engine = make_real_engine(runner)
    alone = engine.add(prompt, config)
    drain(engine)

    engine = make_real_engine(runner, prefill_chunk=int(rng.integers(3, 64)))
    crowded, others = None, 15
    while others or engine.has_work:
        if others and rng.random() < 0.4:
            others -= 1
            length = int(rng.integers(1, 100))
            new_tokens = int(rng.integers(1, 40))
            noise = GenerationConfig(max_new_tokens=new_tokens, temperature=1.5, seed=others)
            engine.add(rng.integers(5, 300, length).tolist(), noise)
        if others == 9 and crowded is None:
            crowded = engine.add(prompt, config)
        engine.step()
    assert crowded is not None
    assert crowded.output_ids == alone.output_ids
    assert crowded.finish_reason == alone.finish_reason


def test_padding_rows_of_the_vocabulary_are_never_drawn(runner: ModelRunner):
    engine = make_real_engine(runner, vocab_size=20)
    config = GenerationConfig(max_new_tokens=100, temperature=2.0, top_k=0, seed=1)
    sequence = engine.add([7], config)
    drain(engine)
    assert sequence.output_ids and max(sequence.output_ids) < 20
