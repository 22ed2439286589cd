"""Projected gradient descent: steepest ascent steps, each followed by a projection."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from holdfast.attacks.core.base import Attack, Unscored, Walk, value_and_grad
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.core.starts import Start, Uniform
from holdfast.components import register
from holdfast.losses import Loss
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Region
from holdfast.units import Count, OfRadius


@register("attack")
@dataclass(frozen=True, kw_only=True)
class PGD(Attack):
    """Climb the loss inside the set (Madry et al., 2018, arXiv:1706.06083, sec. 2.1)."""

    spends = Passes("steps + 1", "steps")

    steps: Count = 40
    step_size: OfRadius = 0.1  # fraction of the radius
    start: Start = Uniform()
    loss: Loss | None = None  # None: the objective's own

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(self.loss)
        z = self.start(region, rng) if start is None else start
        for k in range(self.steps):
            here, grad = value_and_grad(objective, region, z, rng.at(k, of=self.steps))
            yield here
            z = region.project(region.step(here.z, grad, self.step_size))
        yield Unscored(z)

    def travel(self) -> float | None:
        return self.steps * self.step_size
