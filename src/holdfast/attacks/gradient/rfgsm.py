"""R+FGSM: one step from a random start, the attack inside fast adversarial training."""

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
from holdfast.units import OfRadius


@register("attack", name="rfgsm")
@dataclass(frozen=True, kw_only=True)
class RFGSM(Attack):
    """One step from a random start (Wong et al., 2020, arXiv:2001.03994, sec. 4, algorithm 3)."""

    spends = Passes("2", "1")

    step_size: OfRadius = 1.25  # fraction of the radius
    start: Start = Uniform()
    loss: Loss | None = None  # None: the objective's own

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        z = self.start(region, rng) if start is None else start
        here, grad = value_and_grad(objective.using(self.loss), region, z, rng.at(0, of=1))
        yield here
        yield Unscored(region.project(region.step(here.z, grad, self.step_size)))

    def travel(self) -> float | None:
        return self.step_size
