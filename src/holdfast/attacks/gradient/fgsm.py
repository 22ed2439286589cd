"""The fast gradient sign method: one step across the whole radius."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from holdfast.attacks.core.base import Attack, Unscored, Walk, value_and_grad
from holdfast.attacks.core.passes import Passes
from holdfast.components import register
from holdfast.losses import Loss
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Region


@register("attack")
@dataclass(frozen=True, kw_only=True)
class FGSM(Attack):
    """One steepest step of the full radius (Goodfellow et al., 2015, arXiv:1412.6572, sec. 4)."""

    spends = Passes("2", "1")

    loss: Loss | None = None  # None: the objective's own

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        z = region.center() if start is None else start
        here, grad = value_and_grad(objective.using(self.loss), region, z, rng.at(0, of=1))
        yield here
        yield Unscored(region.project(region.step(here.z, grad, 1.0)))
