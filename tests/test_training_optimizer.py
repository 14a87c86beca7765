"""The optimizers and their schedules."""

import itertools

import pytest

torch = pytest.importorskip("torch")

from training.model import build_config, build_model  # noqa: E402
from training.optimizer import OptimizerSet, Schedule  # noqa: E402

pytestmark = pytest.mark.torch


def test_schedules_warm_up_and_end_at_the_floor():
    for name in ("cosine", "wsd", "linear"):
        schedule = Schedule(name, steps=100, warmup_steps=10, floor=0.1)
        factors = [schedule.factor(step) for step in range(101)]
        assert factors[0] < factors[5] < factors[10] == 1.0
        assert factors[100] == pytest.approx(0.1)
        assert all(a >= b for a, b in itertools.pairwise(factors[10:]))
    assert Schedule("wsd", 100, 10, 0.1).factor(69) == 1.0


def test_muon_updates_the_matrices_and_adamw_the_rest():
    model = build_model(build_config("nano", 300))
    before = {name: p.clone() for name, p in model.named_parameters()}
    optimizer = OptimizerSet(model, "muon", 0.01, 0.0)
    for p in model.parameters():
        p.grad = torch.randn_like(p)
    optimizer.step(1.0)
    assert all(not torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert [len(state["param_groups"]) for state in optimizer.state()] == [1, 2]
