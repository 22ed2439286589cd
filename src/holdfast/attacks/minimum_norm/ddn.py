"""Decoupled direction and norm: the gradient sets the direction, success or failure the norm."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Unscored, Walk, value_and_grad
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.minimum_norm.steps import cosine, unit_step
from holdfast.components import register
from holdfast.losses import Loss
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import either, expand_like
from holdfast.threat import Normed, Trait
from holdfast.units import Count, OfRange, Positive


@register("attack", name="ddn")
@dataclass(frozen=True, kw_only=True)
class DDN(Attack):
    """Step along the gradient; shrink the norm after a success, grow it after a failure.

    Rony et al., 2019, arXiv:1811.09600, algorithm 1, without rounding to gray levels.
    """

    needs = (Trait.VECTOR, Normed, Trait.EUCLIDEAN)
    nearest = True
    spends = Passes("steps + 1", "steps")

    steps: Count = 200
    first_step: OfRange = 1.0  # length of the first step, in widths of the range
    last_step: OfRange = 0.01  # of the last one
    length: Positive = 1.0  # of the first change, in widths of the range
    growth: Positive = 0.05  # of the length, each step
    loss: Loss | None = None  # None: the objective's own

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(self.loss)
        x, (low, high) = region.center(), region.range
        z = x if start is None else start
        farthest = region.norms(torch.maximum(x - low, high - x))
        length = torch.full_like(farthest, self.length * (high - low))
        for k in range(self.steps):
            at = rng.at(k, of=self.steps)
            here, grad = value_and_grad(objective, region, z, at)
            yield here
            reached = here.harm > here.edge
            length = length * either(reached, 1 - self.growth, 1 + self.growth, length)
            length = torch.minimum(length, farthest)
            step = (high - low) * cosine(self.first_step, self.last_step, at)
            change = here.z + step * unit_step(region, grad, at) - x
            scale = length / region.norms(change).clamp_min(1e-30)
            z = region.project(x + change * expand_like(scale, x))
        yield Unscored(z)
