"""ALMA: an augmented Lagrangian of distance and boundary, with a multiplier of each example."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, value_and_grad
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.minimum_norm.boundary_walk import ROUNDS, Bracket, initial_radius, refine
from holdfast.components import register
from holdfast.losses import Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import expand_like
from holdfast.threat import Normed, Trait
from holdfast.units import Count, OfBoundary

PAST = 0.9  # weight of the past in the multiplier, and of the last move in the next
SQUARES = 0.9  # weight of the past in the mean square of the gradient
CHECK = 10  # steps between checks that the penalty parameter is large enough
ENOUGH, FACTOR = 0.95, 1.2  # share that may be left of the shortfall; else rho grows by
LEAST, MOST = 1e-6, 1e12  # bounds of the multiplier
SHORT = 1e-3  # of the change: length of the proximal step that shows the slope of the norm


@register("attack", name="alma")
@dataclass(frozen=True, kw_only=True)
class ALMA(Attack):
    """Descend distance plus a penalty whose multiplier follows the constraint (Rony et al., 2021).

    arXiv:2011.11857, with the penalty P2. It starts towards the boundary nearest to x; the step
    size of an example falls after its first success; the result is refined along tangent planes.
    """

    needs = (Trait.VECTOR, Normed, Trait.CONVEX)
    nearest = True
    spends = Passes(f"at most steps + {2 * ROUNDS + 2}", f"steps + {ROUNDS + 1} x candidates")

    steps: Count = 500
    relative_step: OfBoundary = 1.0  # of the first, in distances to the linear model's boundary
    last_relative_step: OfBoundary = 0.01  # and of the last
    candidates: Count = 9  # wrong classes whose boundaries are linearized, first and last

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(Margin())
        here, view = initial_radius(objective, region, start, rng.fold("outset"), self.candidates)
        yield here
        z, best, scale = view.z, Bracket(region, here), view.scale
        squares = momentum = torch.zeros_like(z)
        length, penalty = view.distance, _Penalty(scale)
        first = torch.full_like(scale, torch.inf)  # the step of the first success
        for k in range(self.steps):
            here, grad = value_and_grad(objective, region, z, rng.at(k, of=self.steps))
            yield here
            best.update(here)
            beyond = here.harm > here.edge
            first = torch.where(beyond & first.isinf(), float(k), first)
            weight = penalty.weight((-here.loss / scale).nan_to_num(0.0, 1.0, -1.0), beyond)
            down = _outward(region, here.z) - grad * expand_like(weight / scale, grad)
            squares = SQUARES * squares + (1 - SQUARES) * down.square()
            root = (squares / (1 - SQUARES ** (k + 1))).sqrt() + 1e-8
            momentum = PAST * momentum + (1 - PAST) * down / root
            if k == 0:
                length = length / region.norms(momentum).clamp_min(1e-30)
            z = region.project(z - expand_like(length * self._pace(first, k), z) * momentum)
        yield from refine(objective, region, best, rng.at(self.steps), self.candidates)

    def _pace(self, first: Tensor, k: int) -> Tensor:
        """Return (B,): the step size, which falls by a constant factor after the first success."""
        since = ((k - first) / (self.steps - first)).nan_to_num(0.0).clamp(0, 1)
        fall = self.last_relative_step / self.relative_step
        return self.relative_step * torch.where(first.isinf(), 1.0, fall**since)


class _Penalty:
    """Each example's multiplier and penalty parameter (mu and rho of the paper)."""

    def __init__(self, like: Tensor) -> None:
        self.multiplier, self.rho = torch.ones_like(like), torch.ones_like(like)
        self.checked = torch.full_like(like, torch.inf)  # the shortfall at the last check
        self.crossed = torch.zeros_like(like, dtype=torch.bool)  # since then
        self.count = 0

    def weight(self, short: Tensor, beyond: Tensor) -> Tensor:
        """Update with the shortfall of a step; return the slope of the penalty there, (B,)."""
        fresh = PAST * self.multiplier + (1 - PAST) * self._slope(short)
        self.multiplier = fresh.clamp(LEAST, MOST)
        self.crossed = self.crossed | beyond
        self.count += 1
        if self.count % CHECK == 0:
            stuck = ~self.crossed & (short > ENOUGH * self.checked)
            self.rho = torch.where(stuck, self.rho * FACTOR, self.rho)
            self.checked, self.crossed = short, torch.zeros_like(self.crossed)
        return self._slope(short)

    def _slope(self, short: Tensor) -> Tensor:
        """Return the derivative of P2 (Birgin et al., 2005) at the shortfall."""
        steep = short.clamp_min(0) * self.rho
        before = self.multiplier * (1 + 2 * steep) + steep.square() / 2
        return torch.where(short > 0, before, self.multiplier / (1 - self.rho * short).square())


def _outward(region: Normed, z: Tensor) -> Tensor:
    """Return a subgradient of the norm of the change, by a very short proximal step; zero at x."""
    size = region.norms(z - region.center())
    short = SHORT * torch.where(size > 0, size, 1.0)
    return (z - region.shrink(z, short)) / expand_like(short, z)
