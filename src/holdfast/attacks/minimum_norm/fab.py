"""Fast adaptive boundary: projections onto the boundary's linear approximation, biased to x."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, evaluate
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.minimum_norm.boundary_walk import (
    LINE_SEARCH_STEPS,
    Bracket,
    line_search,
    project_from_origin,
)
from holdfast.attacks.minimum_norm.linearized import boundaries, nearest_plane
from holdfast.components import register
from holdfast.losses import Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import expand_like
from holdfast.threat import Normed, Trait
from holdfast.units import Count, Positive, Share


@register("attack", name="fab")
@dataclass(frozen=True, kw_only=True)
class FAB(Attack):
    """Mix the projections of z and of x onto the nearest boundary; step back after a success.

    Croce and Hein, 2020, arXiv:1907.02044, algorithm 1. Steered towards one class it has one
    boundary: `EachTarget(attack=FAB())` is targeted FAB.
    """

    needs = (Trait.VECTOR, Normed, Trait.CONVEX)
    nearest = True
    spends = Passes(f"at most 2 x steps + {LINE_SEARCH_STEPS + 1}", "steps x candidates")

    steps: Count = 100
    candidates: Count = 9  # wrong classes whose boundaries are linearized
    alpha_max: Share = 0.1  # weight of the point nearest to x, at most
    eta: Positive = 1.05  # length of the moves, in distances to the boundary
    beta: Share = 0.9  # share of the change that is left after a success

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(Margin())
        x = region.center()
        z, best = x if start is None else start, None
        for k in range(self.steps):
            here, gaps, grads = boundaries(objective, region, z, rng.at(k), self.candidates)
            yield here
            best = best or Bracket(region, here)
            best.update(here)
            ahead = self._ahead(region, here.z, gaps, grads)
            seen = evaluate(objective, region, ahead, rng.at(k).fold("ahead"))
            yield seen
            best.update(seen)
            beyond = expand_like(seen.harm > seen.edge, ahead)
            z = torch.where(beyond, x + self.beta * (ahead - x), ahead)
        assert best is not None, "there is a step"
        yield from line_search(objective, region, best, rng.at(self.steps))

    def _ahead(self, region: Normed, z: Tensor, gaps: Tensor, grads: Tensor) -> Tensor:
        """Return the next point: both projections, overshot and mixed (ibid., eqs. 7 and 8)."""
        x = region.center()
        near, gap, normal = nearest_plane(region, z, gaps, grads)
        from_x = project_from_origin(region, z, normal, gap)
        one, other = region.norms(near - z), region.norms(from_x - x)
        weight = (one / (one + other).clamp_min(1e-30)).clamp_max(self.alpha_max)
        mix = expand_like(weight, z)
        walk = z + self.eta * (near - z)
        draw = x + self.eta * (from_x - x)
        return region.project((1 - mix) * walk + mix * draw)
