"""Leap: block coordinate ascent, with all blocks of largest linear gain moved at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Scored, Unscored, Walk
from holdfast.attacks.core.passes import Passes
from holdfast.components import register
from holdfast.losses import Loss
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import select
from holdfast.threat import Region, Separable
from holdfast.units import Count


@register("attack")
@dataclass(frozen=True, kw_only=True)
class Leap(Attack):
    """Block coordinate ascent in the manner of Frank and Wolfe (ours; Frank and Wolfe, 1956).

    The gradient at the input gives the displacement of largest linear gain of each pixel, however
    far away; the pixels of the largest gains move there. Where the loss does not rise, half as many
    move from the best point. Local maxima on the way do not stop it.
    """

    needs = (Separable,)
    baseline = "PGD, or StAdv in Flow"
    spends = Passes("steps + 1", "steps")

    steps: Count = 50
    loss: Loss | None = None  # None: the objective's own

    def iterate(
        self, objective: Objective, region: Separable, rng: Rng, start: Tensor | None
    ) -> Walk:
        objective = objective.using(self.loss)
        z = region.center() if start is None else start
        best_z, best_grad = z, torch.zeros_like(region.x)
        best_loss = torch.full_like(region.radius, -torch.inf)
        share = torch.ones_like(region.radius)
        for k in range(self.steps):
            here, grad = _climb(objective, region, z, rng.at(k, of=self.steps))
            yield here
            better = here.loss > best_loss
            best_z = select(better, z, best_z)
            best_grad = select(better, grad, best_grad)
            best_loss = torch.where(better, here.loss, best_loss)
            share = torch.where(better, share, share / 2)
            goal, promise = region.leap(best_z, best_grad)
            z = torch.where(_largest(promise, share)[:, None], goal, best_z)
        yield Unscored(z)


def _climb(objective: Objective, region: Region, z: Tensor, at: Rng) -> tuple[Scored, Tensor]:
    """Score z and return the gradient at its input (B, ...), not at the point."""
    x_adv = region.realize(z, at).detach().requires_grad_(True)
    with torch.enable_grad():
        score, grad = objective.value_and_grad(x_adv, x_adv, at)
    return Scored(z, x_adv.detach(), score, grad), grad


def _largest(promise: Tensor, share: Tensor) -> Tensor:
    """Return promise's shape in bool: the share (B,) of largest entries, at least one; above 0."""
    flat = promise.flatten(1)
    rank = flat.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    count = (share * flat.shape[1]).ceil().clamp_min(1)
    return ((rank < count[:, None]) & (flat > 0)).reshape(promise.shape)
