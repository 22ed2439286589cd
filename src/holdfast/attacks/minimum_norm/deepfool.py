"""DeepFool: steps to the nearest boundary of the model's linear approximation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Unscored, Walk
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.minimum_norm.linearized import boundaries, nearest_crossing
from holdfast.components import register
from holdfast.losses import Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import expand_like
from holdfast.threat import Normed, Trait
from holdfast.units import Count, NotNegative


@register("attack", name="deepfool")
@dataclass(frozen=True, kw_only=True)
class DeepFool(Attack):
    """Step to the nearest boundary of the linear approximation, until it is crossed.

    Moosavi-Dezfooli et al., 2016, arXiv:1511.04599, algorithm 2. The nearest point of a boundary
    within the range is exact, in every norm. Examples that have crossed no longer move.
    """

    needs = (Trait.VECTOR, Normed)
    nearest = True
    spends = Passes("at most steps + 1", "steps x candidates")

    steps: Count = 50
    candidates: Count = 9  # wrong classes whose boundaries are linearized
    overshoot: NotNegative = 0.02  # of the change, to end beyond the boundary

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(Margin())
        x = region.center()
        z = whole = x if start is None else start  # with and without the overshoot
        for k in range(self.steps):
            here, gaps, grads = boundaries(objective, region, z, rng.at(k), self.candidates)
            yield here
            gaps = gaps - 2 * here.edge[:, None]  # a tie is no success
            move = nearest_crossing(region, here.z, gaps, grads) - here.z
            crossed = expand_like(here.harm > here.edge, z)
            whole = torch.where(crossed, whole, region.project(whole + move))
            z = torch.where(crossed, z, region.project(x + (1 + self.overshoot) * (whole - x)))
            if bool(crossed.all()):
                return
        yield Unscored(z)
