"""Carlini and Wagner's Linf attack: penalize changes beyond a bound that falls after a success."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Scored, Walk, value_and_grad
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.minimum_norm.boundary_walk import ROUNDS, Bracket, refine
from holdfast.attacks.minimum_norm.tradeoff import TanhSpace
from holdfast.components import register
from holdfast.losses import Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import expand_like, norm, normalize
from holdfast.threat import Boxed, Normed, Trait
from holdfast.units import Count, OfSearch, Positive, Share

_EDGE = 1e-4  # least distance of a start from the range's ends, in halves of its width


@register("attack", name="cw_linf")
@dataclass(frozen=True, kw_only=True)
class CWLinf(Attack):
    """Minimize c * max(-margin, 0) + sum_i max(|change_i| - bound, 0), and lower the bound.

    Carlini and Wagner, 2017, arXiv:1608.04644, sec. VI-C. The range is kept by a change of
    variables, Adam takes the steps, each search starts where the last one ended.
    """

    needs = (Trait.VECTOR, Normed, Trait.CONVEX, Boxed)
    nearest = True
    spends = Passes(
        f"at most binary_search_steps x steps + {2 * ROUNDS + 1}",
        f"binary_search_steps x steps + {ROUNDS} x candidates",
    )

    steps: Count = 1000  # of each search, at most
    binary_search_steps: Count = 20  # bounds
    learning_rate: OfSearch = 0.01  # Adam's, in the coordinates of the search
    initial_const: Positive = 1.0  # the first c; the margin is over its largest slope along an axis
    factor: Share = 0.9  # of the bound, after a success
    candidates: Count = 9  # wrong classes whose boundaries are linearized at the end

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(Margin())
        x = region.center()
        z, best, bounds = x if start is None else start, None, _Bounds(region, self.initial_const)
        for i in range(self.binary_search_steps):
            tanh_space = TanhSpace(region, z, self.learning_rate, _EDGE)
            for k in range(self.steps):
                here, grad = value_and_grad(
                    objective, region, tanh_space.z, rng.fold("search", i).at(k)
                )
                yield here
                best = best or Bracket(region, here)
                best.update(here)
                excess = ((here.z - x).abs() - expand_like(bounds.bound, x)).clamp_min(0)
                bounds.update(here, excess)
                if bool(bounds.kept.all()):
                    break
                pull = torch.where(here.loss > 2 * here.edge, 0.0, bounds.c)
                up = expand_like(pull, grad) * normalize(grad, torch.inf)
                down = excess.sign() * (here.z - x).sign() - up
                tanh_space.step(down, bounds.kept)
            bounds.move(self.factor)
            z = tanh_space.z
        assert best is not None, "there is a search"
        yield from refine(objective, region, best, rng.fold("polish"), self.candidates)


class _Bounds:
    """Each example's bound on the change, the least size of a success, and the weight c."""

    def __init__(self, region: Normed, weight: float) -> None:
        self.region = region
        one = torch.ones_like(region.norms(region.center()))
        self.bound = (region.range[1] - region.range[0]) * one
        self.c, self.size = weight * one, torch.inf * one
        never = torch.zeros_like(one, dtype=torch.bool)
        self.nearer, self.reached, self.kept = never, never, never  # in this search

    def update(self, here: Scored, excess: Tensor) -> None:
        """Record a point: a success within the bound ends the search."""
        beyond = here.harm > here.edge
        size = torch.where(beyond, self.region.size(here.z), torch.inf)
        self.nearer = self.nearer | (size < self.size)
        self.size = torch.minimum(self.size, size)
        self.reached = self.reached | beyond
        self.kept = self.kept | (beyond & (norm(excess, torch.inf) == 0))

    def move(self, factor: float) -> None:
        """Lower the bound after a success, else raise it half the way; adapt c.

        c grows where no success was seen at all, and falls where one was seen beyond the bound.
        """
        lower = factor * torch.minimum(self.bound, self.size)
        back = torch.where(self.size.isinf(), self.bound, (self.bound + self.size) / 2)
        self.bound = torch.where(self.nearer, lower, back)
        self.c = torch.where(self.reached, torch.where(self.nearer, self.c, self.c / 2), 2 * self.c)
        never = torch.zeros_like(self.kept)
        self.nearer, self.reached, self.kept = never, never, never
