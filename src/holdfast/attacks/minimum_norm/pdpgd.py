"""Primal-dual proximal gradient descent: Adam, the norm's proximal step and a dual step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import log

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Scored, Walk, value_and_grad
from holdfast.attacks.core.moments import Moments
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.minimum_norm.boundary_walk import ROUNDS, Bracket, initial_radius, refine
from holdfast.components import register
from holdfast.losses import Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import either, expand_like, norm
from holdfast.threat import CountsCoordinates, Normed, Trait
from holdfast.units import Count, OfRange, Positive

AVERAGE = 0.9  # weight of the past in the weights that the primal step uses
BOUND = -log(1e-6)  # of the logarithm of the weights' ratio
ROUND = 10  # inner iterations of the proximal step in L2
FLAT = 4  # elsewhere: in L1 and L0 more would undo rarely moved coordinates; Linf needs no more
LONG = 300  # steps; shorter runs move the weights as far in all, longer ones as far a step
ProximalStep = Callable[[Tensor, Tensor], Tensor]  # of z (B, ...) and amount (B,), Euclidean


@register("attack", name="pdpgd")
@dataclass(frozen=True, kw_only=True)
class PDPGD(Attack):
    """Descend weighted norm and constraint; the weight grows until the boundary is crossed.

    Matyasko and Chau, 2021, arXiv:2106.01538: Adam on the constraint, the proximal step of the norm
    in Adam's metric by rounds of plain ones (Melchior et al., 2020, arXiv:1910.10094), a step up of
    the constraint's weight. The result is refined along tangent planes.
    """

    needs = (Trait.VECTOR, Normed)
    nearest = True
    spends = Passes(f"at most steps + {2 * ROUNDS + 2}", f"steps + {ROUNDS + 1} x candidates")

    steps: Count = 500
    learning_rate: OfRange = 0.25  # of Adam at first, as a share of the range
    last_learning_rate: OfRange = 0.05  # and at the end
    ratio: Positive = 0.003  # weight of the norm over that of the constraint, at first
    rate: Positive = 20.0  # speed of the logarithm of this ratio at first, per run of 300 steps
    last_rate: Positive = 2.0  # and at the end
    candidates: Count = 3  # wrong classes whose boundaries are linearized, first and last

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(Margin())
        here, view = initial_radius(objective, region, start, rng.fold("outset"), self.candidates)
        yield here
        z = here.z
        best, moments, weights = Bracket(region, here), Moments(z), _Weights(view.scale, self.ratio)
        width = region.range[1] - region.range[0]
        shrink = partial(_fewer, region) if isinstance(region, CountsCoordinates) else region.shrink
        rounds = ROUND if Trait.EUCLIDEAN in region.traits else FLAT
        for k in range(self.steps):
            at = rng.at(k, of=self.steps)
            here, grad = value_and_grad(objective, region, z, at)
            yield here
            best.update(here)
            pull = (-here.loss / view.scale).sigmoid().nan_to_num(1.0) / view.scale
            mean, root = moments.see(-grad * expand_like(pull, grad))
            pace = (
                width
                * self.learning_rate
                * (self.last_learning_rate / self.learning_rate) ** at.progress
            )
            moved = region.project(here.z - pace * mean / root)
            z = _proximal(shrink, rounds, moved, root, pace * weights.ratio())
            rate = self.rate + (self.last_rate - self.rate) * at.progress
            weights.follow(here, rate / min(self.steps, LONG))
        yield from refine(objective, region, best, rng.at(self.steps), self.candidates)


def _proximal(shrink: ProximalStep, rounds: int, z: Tensor, root: Tensor, amount: Tensor) -> Tensor:
    """Take the proximal step of amount (B,) in the metric of root, by a few Euclidean ones."""
    peak = norm(root, torch.inf)
    metric, amount = root / expand_like(peak, root), amount / peak
    moved = z
    for _ in range(rounds):
        z = shrink(torch.lerp(z, moved, metric), amount)
    return z


def _fewer(region: CountsCoordinates, z: Tensor, amount: Tensor) -> Tensor:
    """Shrink places the more, the less they have changed: a count has no useful gradient.

    The step is that of a concave function of the sizes of the places' changes, log(1 + size) in
    widths of the range (Candes et al., 2008, arXiv:0711.1612, sec. 2.2).
    """
    x, width = region.center(), region.range[1] - region.range[0]
    change = z - x
    size = region.sum_per_place(change.square()).sqrt()
    left = 1 - expand_like(amount, z) / (1 + size / width) / size.clamp_min(1e-30)
    return (x + change * left.clamp_min(0)).clamp(*region.range)


class _Weights:
    """Each example's weights of norm and constraint, which sum to one, averaged over the steps."""

    def __init__(self, like: Tensor, ratio: float) -> None:
        self.log = torch.full_like(like, -log(ratio))  # of constraint over norm
        self.constraint = self.log.sigmoid()

    def follow(self, here: Scored, rate: float) -> None:
        """Raise the constraint's weight before the boundary, lower it beyond."""
        reached = here.harm > here.edge
        self.log = (self.log + either(reached, -rate, rate, self.log)).clamp(-BOUND, BOUND)
        self.constraint = AVERAGE * self.constraint + (1 - AVERAGE) * self.log.sigmoid()

    def ratio(self) -> Tensor:
        """Return (B,): the weight of the norm over that of the constraint."""
        return (1 - self.constraint) / self.constraint
