"""The sampler against a plain reference, and against transformers' own processors."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from chat.types import GenerationConfig
from inference.sampler import BadLogits, Sampler, top_k_ids, top_p_positions


def reference_probabilities(
    logits: np.ndarray, config: GenerationConfig, seen: set[int]
) -> np.ndarray:
    """Return the distribution [vocab] by the definitions, in float64 and full sorts."""
    x = logits.astype(np.float64)
    for i in seen:
        penalty = config.repetition_penalty
        x[i] = x[i] * penalty if x[i] < 0 else x[i] / penalty
    x /= config.temperature
    if 0 < config.top_k < len(x):
        x[x < np.sort(x)[-config.top_k]] = -np.inf
    p = np.exp(x - x.max())
    p /= p.sum()
    if config.top_p < 1:
        order = np.argsort(-p, kind="stable")
        before = p[order].cumsum() - p[order]
        removed = before >= config.top_p
        removed[0] = False
        p[order[removed]] = 0
    p[p < config.min_p * p.max()] = 0
    return p / p.sum()


def draw_many(logits: np.ndarray, config: GenerationConfig, count: int) -> np.ndarray:
    """Return how often each token was drawn."""
    sampler = Sampler(config)
    tokens = [sampler.sample(logits.copy()) for _ in range(count)]
    return np.bincount(tokens, minlength=len(logits)) / count


@pytest.mark.parametrize(
    "settings_",
    [
        {"top_k": 0},
        {"top_k": 5},
        {"top_k": 0, "top_p": 0.7},
        {"top_k": 0, "min_p": 0.2},
        {"top_k": 12, "top_p": 0.9, "min_p": 0.05, "temperature": 1.7},
        {"top_k": 0, "top_p": 0.0},
        {"top_k": 1},
    ],
)
def test_draws_follow_the_reference_distribution(settings_: dict):
    config = GenerationConfig(
        **{"temperature": 0.8, "repetition_penalty": 1.0, "seed": 5, **settings_}
    )
    logits = np.random.default_rng(1).standard_normal(40).astype(np.float32) * 2
    expected = reference_probabilities(logits, config, set())
    found = draw_many(logits, config, 8000)
    assert not found[expected == 0].any()
    assert np.abs(found - expected).max() < 0.02


def test_repetition_penalty_counts_prompt_and_answer():
    logits = np.array([3.0, 2.9, -1.0, 0.5], np.float32)
    config = GenerationConfig(temperature=0.0, repetition_penalty=2.0)
    sampler = Sampler(config, prompt_ids=[0])
    assert [sampler.sample(logits.copy()) for _ in range(3)] == [1, 0, 0]
    row = logits.copy()
    Sampler(config, prompt_ids=[0, 2, 2])._penalise(row)
    assert row.tolist() == [1.5, np.float32(2.9), -2.0, 0.5]


def test_temperature_zero_is_greedy_and_takes_the_first_of_equals():
    config = GenerationConfig(temperature=0.0, repetition_penalty=1.0)
    assert Sampler(config).sample(np.array([1.0, 7.0, 7.0], np.float32)) == 1


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1e-5, 2.0])
@pytest.mark.parametrize("broken", [np.nan, np.inf])
@pytest.mark.parametrize("top_k", [0, 3, 40])
def test_broken_logits_are_noticed(temperature: float, broken: float, top_k: int):
    logits = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    logits[517] = broken
    sampler = Sampler(GenerationConfig(temperature=temperature, top_k=top_k))
    with pytest.raises(BadLogits):
        sampler.sample(logits)


def test_logits_of_minus_infinity_are_never_drawn():
    logits = np.full(500, -np.inf, np.float32)
    logits[[3, 4]] = 0.0
    for top_k, top_p in ((0, 1.0), (40, 1.0), (0, 0.9)):
        config = GenerationConfig(top_k=top_k, top_p=top_p, repetition_penalty=1.2, seed=1)
        found = draw_many(logits, config, 50)
        assert found[[3, 4]].sum() == 1
    with pytest.raises(BadLogits):
        Sampler(GenerationConfig()).sample(np.full(500, -np.inf, np.float32))


@pytest.mark.parametrize("seed", [0, -1, -(2**63), 2**64 - 1])
def test_seed_repeats_and_other_seeds_differ(seed: int):
    logits = np.zeros(1000, np.float32)

    def draw(seed: int | None) -> list[int]:
        sampler = Sampler(GenerationConfig(top_k=0, repetition_penalty=1.0, seed=seed))
        return [sampler.sample(logits.copy()) for _ in range(10)]

    assert draw(seed) == draw(seed)
    assert draw(seed) != draw(12345)
    assert draw(None) != draw(None)


def test_a_draw_at_step_t_does_not_depend_on_the_logits_before():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((5, 300)).astype(np.float32)
    config = GenerationConfig(seed=9, repetition_penalty=1.0)
    first, second = Sampler(config), Sampler(config)
    for row in rows[:4]:
        first.sample(row.copy())
        second.sample(np.zeros(300, np.float32))
    assert first.sample(rows[4].copy()) == second.sample(rows[4].copy())


logit_rows = hnp.arrays(
    np.float32, st.integers(1, 700), elements=st.integers(-30, 30).map(lambda i: i / 4)
)


@settings(max_examples=200, deadline=None)
@given(logit_rows, st.data())
def test_top_k_is_exact_with_ties(row: np.ndarray, data: st.DataObject):
    k = data.draw(st.integers(1, len(row)))
    expected = np.flatnonzero(row >= np.sort(row)[-k])
    assert top_k_ids(row, k).tolist() == expected.tolist()


@settings(max_examples=200, deadline=None)
@given(logit_rows, st.floats(0, 0.999))
def test_top_p_is_exact_with_ties(row: np.ndarray, top_p: float):
    weights = np.exp(row.astype(np.float64))
    order = np.argsort(-weights, kind="stable")
    sums = weights[order].cumsum()
    # At the boundary itself the order of summation may decide: leave that out.
    assume(np.abs(sums / sums[-1] - top_p).min() > 1e-9)
    expected = order[(sums - weights[order]) / sums[-1] < top_p]
    expected = expected if len(expected) else order[:1]
    assert top_p_positions(weights, top_p).tolist() == sorted(expected.tolist())


@pytest.mark.parametrize("k", [1, 40, 50, 5000, 151_936])
def test_top_k_is_exact_at_a_large_vocabulary(k: int):
    row = np.random.default_rng(k).standard_normal(151_936).astype(np.float32)
    expected = np.sort(np.argsort(row)[-k:])
    assert top_k_ids(row, k).tolist() == expected.tolist()


@pytest.mark.torch
@pytest.mark.parametrize("case", range(20))
def test_kept_tokens_are_those_of_transformers(case: int):
    torch = pytest.importorskip("torch")
    processors = pytest.importorskip("transformers.generation.logits_process")
    rng = np.random.default_rng(case)
    logits = rng.standard_normal(2000).astype(np.float32) * 3
    prompt = rng.integers(0, 2000, 50).tolist()
    config = GenerationConfig(
        temperature=float(rng.uniform(0.3, 2)),
        top_k=int(rng.integers(1, 200)),
        top_p=float(rng.uniform(0.3, 0.99)),
        min_p=float(rng.uniform(0, 0.1)),
        repetition_penalty=float(rng.uniform(1, 2)),
    )
    chain = [
        processors.RepetitionPenaltyLogitsProcessor(config.repetition_penalty),
        processors.TemperatureLogitsWarper(config.temperature),
        processors.TopKLogitsWarper(config.top_k),
        processors.TopPLogitsWarper(config.top_p),
        processors.MinPLogitsWarper(config.min_p),
    ]
    scores = torch.tensor(logits, dtype=torch.float64)[None]
    for process in chain:
        scores = process(torch.tensor([prompt]), scores)
    theirs = scores.softmax(-1)[0].numpy()
    ours = reference_probabilities(logits, config, set(prompt))
    assert np.abs(ours - theirs).max() < 1e-6
    sampler = Sampler(config, prompt)
    drawn = set()
    for _ in range(300):
        sampler._seen = set(prompt)
        sampler._seen_ids = np.unique(prompt)
        drawn.add(sampler.sample(logits.copy()))
    assert drawn <= set(np.flatnonzero(theirs))
