"""The optimizers and their learning-rate schedule."""

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch

ScheduleName: TypeAlias = Literal["cosine", "wsd", "linear"]
OptimizerName: TypeAlias = Literal["adamw", "muon"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """The learning rate over a run, as a factor of its peak.

    `cosine` and `linear` fall from the end of the warm-up to the end of the run; `wsd` (warm-up,
    stable, decay: Hu et al. 2024) stays at the peak and falls linearly over the last
    `decay_fraction`, so a run can be made longer or shorter while it is still stable.
    """

    name: ScheduleName
    steps: int
    warmup_steps: int
    floor: float
    decay_fraction: float = 0.3

    def factor(self, step: int) -> float:
        """Return the factor for step 0, 1, ... (clamped to `floor` after the last)."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        first = self.warmup_steps
        if self.name == "wsd":
            first = max(first, int(self.steps * (1 - self.decay_fraction)))
        done = min(1.0, max(0.0, (step - first) / max(1, self.steps - first)))
        if self.name == "cosine":
            done = (1 - math.cos(math.pi * done)) / 2
        return 1 - (1 - self.floor) * done


class OptimizerSet:
    """One or two torch optimizers, used as one.

    `muon` (Jordan et al. 2024) orthogonalises the updates of the matrices inside the layers and
    leaves embeddings and norms to AdamW; at these sizes it learns more from each token.
    """

    def __init__(
        self, model: torch.nn.Module, name: OptimizerName, peak: float, weight_decay: float
    ) -> None:
        named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        inner = [p for n, p in named if p.ndim == 2 and "embed" not in n and "lm_head" not in n]
        embeddings = [p for n, p in named if p.ndim == 2 and ("embed" in n or "lm_head" in n)]
        vectors = [p for _, p in named if p.ndim != 2]
        to_adamw = [
            {"params": embeddings, "weight_decay": weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        self._peak = peak
        self._optimizers: list[torch.optim.Optimizer] = []
        if name == "muon":
            self._optimizers.append(
                torch.optim.Muon(
                    inner, lr=peak, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
                )
            )
        else:
            to_adamw.append({"params": inner, "weight_decay": weight_decay})
        self._optimizers.append(
            torch.optim.AdamW(to_adamw, lr=peak, betas=(0.9, 0.95), eps=1e-8, fused=True)
        )

    def step(self, factor: float) -> float:
        """Update the weights at `factor` times the peak; return that learning rate."""
        rate = self._peak * factor
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return rate

    def state(self) -> list[dict[str, Any]]:
        """Return what `restore` takes."""
        return [optimizer.state_dict() for optimizer in self._optimizers]

    def restore(self, state: list[dict[str, Any]]) -> None:
        """Go on from what `state` returned."""
        for optimizer, each in zip(self._optimizers, state, strict=True):
            optimizer.load_state_dict(each)
