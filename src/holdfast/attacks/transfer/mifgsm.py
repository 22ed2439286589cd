"""Momentum I-FGSM: steps along a running sum of normalized gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Unscored, Walk, value_and_grad
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.transfer.diverse import over_dual_norm
from holdfast.components import register
from holdfast.losses import Loss
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Normed, Trait
from holdfast.units import Count, NotNegative, OfRadius


@register("attack", name="mifgsm")
@dataclass(frozen=True, kw_only=True)
class MIFGSM(Attack):
    """BIM with momentum (Dong et al., 2018, arXiv:1710.06081, algorithm 1)."""

    needs = (Trait.VECTOR, Normed)
    spends = Passes("steps + 1", "steps")

    steps: Count = 10
    step_size: OfRadius = 0.1  # fraction of the radius
    decay: NotNegative = 1.0  # of the running sum, per step
    loss: Loss | None = None  # None: the objective's own

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(self.loss)
        z = region.center() if start is None else start
        momentum = torch.zeros_like(z)
        for k in range(self.steps):
            here, grad = value_and_grad(objective, region, z, rng.at(k, of=self.steps))
            yield here
            momentum = self.decay * momentum + over_dual_norm(region, grad)
            z = region.project(region.step(here.z, momentum, self.step_size))
        yield Unscored(z)

    def travel(self) -> float | None:
        return self.steps * self.step_size
