"""EAD: elastic-net norm of the change plus c times the margin, with a search for c."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, value_and_grad
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.minimum_norm.boundary_walk import ROUNDS, Bracket, refine
from holdfast.attacks.minimum_norm.steps import slope
from holdfast.attacks.minimum_norm.tradeoff import BinarySearchConst
from holdfast.components import register
from holdfast.losses import Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import expand_like
from holdfast.threat import Normed, Sparse, Trait
from holdfast.units import Count, NotNegative, OfRange, Positive


@register("attack", name="ead")
@dataclass(frozen=True, kw_only=True)
class EAD(Attack):
    """Minimize c * max(-margin, 0) + |change|_2^2 + beta * |change|_1, for the least c that works.

    Chen et al., 2018, arXiv:1709.04114, algorithm 1 (FISTA) with the L1 decision rule. Each example
    has a c of its own; the result is refined along the tangent planes of the boundary.
    """

    needs = (Trait.VECTOR, Normed, Trait.CONVEX, Sparse)
    nearest = True
    spends = Passes(
        f"at most binary_search_steps x steps + {2 * ROUNDS + 2}",
        f"binary_search_steps x steps + 1 + {ROUNDS} x candidates",
    )

    steps: Count = 1000  # of each search
    binary_search_steps: Count = 9  # values of c
    learning_rate: OfRange = 0.01  # of the first step of a search; the last is zero
    beta: NotNegative = 0.01  # soft threshold of every step, in widths of the range
    initial_const: Positive = 1.0  # the first c; the margin is taken over its slope at x, a length
    candidates: Count = 9  # wrong classes whose boundaries are linearized at the end

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(Margin())
        x, width = region.center(), region.range[1] - region.range[0]
        here, grad = value_and_grad(objective, region, x, rng.fold("slope"))
        yield here
        best, steep = Bracket(region, here), slope(region, here, grad)
        const = BinarySearchConst(torch.full_like(steep, self.initial_const))
        beta = torch.full_like(steep, width * self.beta)
        for i in range(self.binary_search_steps):
            reached = torch.zeros_like(steep, dtype=torch.bool)
            z = ahead = x if start is None else start
            for k in range(self.steps):
                here, grad = value_and_grad(objective, region, ahead, rng.fold("search", i).at(k))
                yield here
                best.update(here)
                reached = reached | (here.harm > here.edge)
                pull = torch.where(here.loss > 2 * here.edge, 0.0, const.c) / steep
                down = 2 * (here.z - x) / width - expand_like(pull, grad) * grad
                length = width * self.learning_rate * (1 - k / self.steps) ** 0.5
                before, z = z, region.shrink(here.z - length * down, beta)
                ahead = region.project(z + k / (k + 3) * (z - before))
            const.update(reached)
        yield from refine(objective, region, best, rng.fold("polish"), self.candidates)
