"""SuperDeepFool: DeepFool, then a projection that makes the change orthogonal to the boundary."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.minimum_norm.boundary_walk import (
    LINE_SEARCH_STEPS,
    Bracket,
    line_search,
    project_from_origin,
)
from holdfast.attacks.minimum_norm.linearized import boundaries, nearest_crossing
from holdfast.components import register
from holdfast.losses import Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import select
from holdfast.threat import Normed, Trait
from holdfast.units import Count, NotNegative


@register("attack", name="superdeepfool")
@dataclass(frozen=True, kw_only=True)
class SuperDeepFool(Attack):
    """DeepFool until the boundary is crossed, then the point of its tangent plane nearest to x.

    Abdollahpoorrostam et al., 2024, arXiv:2303.12481, SDF with DeepFool to its end and one
    projection, and its line search. Each example alternates until a projected point is a success.
    """

    needs = (Trait.VECTOR, Normed, Trait.CONVEX)
    nearest = True
    spends = Passes(f"at most steps + {LINE_SEARCH_STEPS + 1}", "steps x candidates")

    steps: Count = 100
    candidates: Count = 9  # wrong classes whose boundaries are linearized
    overshoot: NotNegative = 0.02  # of each step, to end beyond the boundary

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(Margin())
        z, best = region.center() if start is None else start, None
        turned = done = torch.zeros_like(region.size(z), dtype=torch.bool)
        for k in range(self.steps):
            here, gaps, grads = boundaries(objective, region, z, rng.at(k), self.candidates)
            yield here
            best = best or Bracket(region, here)
            best.update(here)
            beyond = here.harm > here.edge
            done = done | (beyond & turned)
            if bool(done.all()):
                break
            onward = self._onward(region, here.z, gaps - 2 * here.edge[:, None], grads)
            through = project_from_origin(region, here.z, grads[0], torch.zeros_like(here.loss))
            ahead = select(beyond, through, onward)
            z, turned = select(done, here.z, ahead), beyond
        assert best is not None, "there is a step"
        yield from line_search(objective, region, best, rng.at(self.steps))

    def _onward(self, region: Normed, z: Tensor, gaps: Tensor, grads: Tensor) -> Tensor:
        """Return the next point of DeepFool."""
        step = nearest_crossing(region, z, gaps, grads) - z
        return region.project(z + (1 + self.overshoot) * step)
