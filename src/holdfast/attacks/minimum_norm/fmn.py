"""Fast minimum norm: climb inside a ball that shrinks on success and grows on failure."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Scored, Unscored, Walk, value_and_grad
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.minimum_norm.steps import cosine, unit_step
from holdfast.components import register
from holdfast.losses import Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Normed, Trait
from holdfast.units import Count, OfRange, Positive

_BEYOND = 1.001  # aim slightly past the boundary, so that rounding does not end before it


@register("attack")
@dataclass(frozen=True, kw_only=True)
class FMN(Attack):
    """Climb the margin in a ball whose radius follows the boundary (Pintor et al., 2021).

    arXiv:2102.12827, algorithm 1. Before the first success the radius is the estimated distance to
    the boundary of the linear model; every example has its own.
    """

    needs = (Trait.VECTOR, Normed)
    nearest = True
    spends = Passes("steps + 1", "steps")

    steps: Count = 200
    first_step: OfRange = 1.0  # length of the first step, in widths of the range
    last_step: OfRange = 0.01  # of the last one
    growth: Positive = 0.05  # of the radius, at the first step
    last_growth: Positive = 0.001  # and at the last

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(Margin())
        z = region.center() if start is None else start
        width = region.range[1] - region.range[0]
        radius = _Radius(region)
        for k in range(self.steps):
            at = rng.at(k, of=self.steps)
            here, grad = value_and_grad(objective, region, z, at)
            yield here
            around = radius.follow(here, grad, cosine(self.growth, self.last_growth, at))
            length = width * cosine(self.first_step, self.last_step, at)
            z = region.at(around).project(here.z + length * unit_step(region, grad, at))
        yield Unscored(z)


class _Radius:
    """Each example's radius, with the size of its nearest success so far."""

    def __init__(self, region: Normed) -> None:
        self.region = region
        self.best: Tensor | None = None  # (B,) infinite before the first success
        self.radius: Tensor | None = None  # (B,)

    def follow(self, here: Scored, grad: Tensor, growth: float) -> Tensor:
        """Return the radius for the next step."""
        reached, size = here.harm > here.edge, self.region.size(here.z)
        if self.best is None or self.radius is None:
            self.best = torch.full_like(size, torch.inf)
            self.radius = torch.ones_like(size) if Trait.INTEGER in self.region.traits else size
        self.best = torch.where(reached & (size < self.best), size, self.best)
        less, more = self.radius * (1 - growth), self.radius * (1 + growth)
        if Trait.INTEGER in self.region.traits:
            less = torch.minimum(less.floor(), self.radius - 1).clamp_min(0)
            more = torch.maximum(more.floor(), self.radius + 1)
        else:
            ahead = (size + self._gap(here, grad)) * _BEYOND
            more = torch.where(self.best.isinf(), ahead, more)
        less = torch.minimum(less, self.best)
        self.radius = torch.where(reached, less, more)
        return self.radius

    def _gap(self, here: Scored, grad: Tensor) -> Tensor:
        """Return (B,): the distance to the boundary of the linear model, plus a tie."""
        slope = self.region.dual_norm(grad)
        gap = (here.loss.abs() + 2 * here.edge) / torch.where(slope > 0, slope, 1.0)
        return torch.where(slope > 0, gap, 0.0).nan_to_num(0.0, 0.0, 0.0)
