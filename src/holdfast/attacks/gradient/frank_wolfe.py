"""The Frank-Wolfe attack: steps towards extreme points of the set, without projection."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Unscored, Walk, value_and_grad
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.core.starts import Start, Unchanged
from holdfast.components import register
from holdfast.losses import Loss
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import normalize
from holdfast.threat import Region, Trait
from holdfast.units import Count, Decay, OfWay

FAR = 1e3  # radii: the projection from so far out is nearly the linear maximum over the set


@register("attack")
@dataclass(frozen=True, kw_only=True)
class FrankWolfe(Attack):
    """Frank-Wolfe with momentum (Chen et al., 2020, arXiv:1811.10828, algorithm 1).

    Each step goes part of the way to the point of the set that is farthest along the running mean
    of the gradients, so no point is ever outside.
    """

    needs = (Trait.VECTOR,)
    spends = Passes("steps + 1", "steps")

    steps: Count = 40
    step_share: OfWay = 0.5  # share of the way to the farthest point; falls as 1 / (1 + 4 progress)
    inertia: Decay = 0.9  # weight of the running mean against the new gradient
    start: Start = Unchanged()
    loss: Loss | None = None  # None: the objective's own

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(self.loss)
        z = self.start(region, rng) if start is None else start
        mean = torch.zeros_like(z)
        for k in range(self.steps):
            at = rng.at(k, of=self.steps)
            here, grad = value_and_grad(objective, region, z, at)
            yield here
            grad = normalize(grad, torch.inf)  # 1e-40 would lose digits
            mean = self.inertia * mean + (1 - self.inertia) * grad
            farthest = region.project(region.step(region.center(), mean, FAR))
            share = self.step_share * (1 - at.progress)
            z = region.project(torch.lerp(here.z, farthest, share))
        yield Unscored(z)
