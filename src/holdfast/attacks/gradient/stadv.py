"""stAdv: ascent of the margin with a penalty on the roughness of the change."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Unscored, Walk, value_and_grad
from holdfast.attacks.core.moments import ScaleFreeAdam
from holdfast.attacks.core.passes import Passes
from holdfast.components import register
from holdfast.losses import Loss, Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import expand_like
from holdfast.threat import Penalized, Trait
from holdfast.units import Count, NotNegative, OfRadius


@register("attack", name="stadv")
@dataclass(frozen=True, kw_only=True)
class StAdv(Attack):
    """Margin minus the roughness of the change (Xiao et al., 2018, arXiv:1801.02612, eq. 2 to 4).

    In Flow the smooth displacements of stAdv, in Recolor the smooth functions of ReColorAdv. The
    change of an example beyond the boundary is only made smoother.
    """

    needs = (Trait.VECTOR, Penalized)
    spends = Passes("steps + 1", "steps")

    steps: Count = 100
    learning_rate: OfRadius = 0.1  # Adam's, fraction of the radius
    tau: NotNegative = 0.05  # weight of the roughness over the radius, in clean margins
    confidence: NotNegative = 0.0  # how far beyond the boundary to climb, in such margins
    loss: Loss | None = Margin()  # None: the objective's own

    def iterate(
        self, objective: Objective, region: Penalized, rng: Rng, start: Tensor | None
    ) -> Walk:
        objective = objective.using(self.loss)
        z = region.center() if start is None else start
        adam, scale = ScaleFreeAdam(z), torch.zeros_like(region.radius)
        length, radius = (
            expand_like(self.learning_rate * region.radius, z),
            region.radius.clamp_min(1e-12),
        )
        for k in range(self.steps):
            here, grad = value_and_grad(objective, region, z, rng.at(k, of=self.steps))
            yield here
            if k == 0:
                scale = torch.where(here.loss != 0, here.loss.abs(), 1.0).nan_to_num(1.0, 1.0, 1.0)
            short = (here.harm <= here.edge) | (here.loss < self.confidence * scale)
            pull = torch.where(
                expand_like(short, grad), grad.double() / expand_like(scale, grad), 0.0
            )
            pull = pull - expand_like(self.tau / radius, grad) * _rougher(region, here.z)
            z = region.project(here.z + length * adam.direction(pull).to(z.dtype))
        yield Unscored(z)


def _rougher(region: Penalized, z: Tensor) -> Tensor:
    """Return (B, ...): the gradient of the penalty; no pass through a model."""
    z = z.detach().requires_grad_(True)
    with torch.enable_grad():
        (grad,) = torch.autograd.grad(region.penalty(z).sum(), z)
    return grad
