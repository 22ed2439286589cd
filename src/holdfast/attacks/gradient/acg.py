"""Auto-conjugate gradient: APGD's schedule along conjugate directions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Unscored, Walk, value_and_grad
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.core.starts import Start, Uniform
from holdfast.attacks.gradient.apgd import StepSchedule
from holdfast.components import register
from holdfast.losses import Loss
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import expand_like, norm
from holdfast.threat import Region, Trait
from holdfast.units import Count


@register("attack", name="acg")
@dataclass(frozen=True, kw_only=True)
class ACG(Attack):
    """Conjugate gradient with APGD's steps (Yamamura et al., 2022, arXiv:2206.09628, algorithm 1).

    Conjugate directions explore farther than momentum does, and reach other classes.
    """

    needs = (Trait.VECTOR,)
    spends = Passes("steps + 1", "steps")

    steps: Count = 100
    start: Start = Uniform()
    loss: Loss | None = None  # None: the objective's own

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(self.loss)
        z = self.start(region, rng) if start is None else start
        here, grad = value_and_grad(objective, region, z, rng.at(0, of=self.steps))
        yield here
        scale = _scale(grad)
        slope = direction = grad / scale
        schedule = StepSchedule(here, torch.stack((slope, direction), 1), self.steps)
        z = here.z
        for k in range(1, self.steps + 1):
            z = region.project(region.step(z, direction, schedule.fraction))
            if k == self.steps:
                yield Unscored(z)
                return
            here, grad = value_and_grad(objective, region, z, rng.at(k, of=self.steps))
            yield here
            new = grad / scale
            direction = _conjugate(new, slope, direction)
            z, pair = schedule.check(here, torch.stack((new, direction), 1))
            slope, direction = pair.unbind(1)


def _conjugate(grad: Tensor, before: Tensor, direction: Tensor) -> Tensor:
    """Return grad + beta x direction, with the beta of Hestenes and Stiefel.

    Where that is undefined beta is 0, also where the gradient has changed by rounding alone, as at
    the same corner once more.
    """
    turn = (grad - before).flatten(1).double()
    numerator, denominator = ((turn * v.flatten(1).double()).sum(1) for v in (grad, direction))
    still = turn.norm(dim=1) <= 64 * torch.finfo(grad.dtype).eps * norm(grad.double(), 2)
    none = still | (denominator == 0)
    beta = numerator / torch.where(none, 1.0, denominator)
    beta = torch.where(none | ~beta.isfinite(), 0.0, beta)
    new = grad.double() + expand_like(beta, grad) * direction.double()
    longest = norm(new, torch.inf) / norm(grad.double(), torch.inf).clamp_min(1e-300)
    return torch.where(expand_like(longest < 1e20, new), new, grad.double()).to(grad.dtype)


def _scale(grad: Tensor) -> Tensor:
    """Return (B, 1, ...): the peak of the first gradient, by which all gradients are divided."""
    peak = norm(grad, torch.inf)
    return expand_like(torch.where(peak > 0, peak, 1.0), grad)
