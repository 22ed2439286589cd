"""Trust region: steps to the nearest boundary, within the radius of a good linear model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Scored, Walk
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.minimum_norm.boundary_walk import ROUNDS, Bracket, refine
from holdfast.attacks.minimum_norm.linearized import (
    boundaries,
    dot,
    nearest_plane,
    project_onto_plane,
)
from holdfast.components import register
from holdfast.losses import Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import expand_like
from holdfast.threat import Normed, Trait
from holdfast.units import Count, Positive

GOOD, BAD = 0.9, 0.5  # of the predicted rise: above, the radius grows; below, it shrinks
OVERSHOOT = 0.01  # of a step that reaches the boundary, to end beyond it


@register("attack", name="trust_region")
@dataclass(frozen=True, kw_only=True)
class TrustRegion(Attack):
    """Step towards the nearest boundary within a radius that adapts to the linear model's error.

    Yao et al., 2019, arXiv:1812.06371, algorithm 1 with the adaptive radius. Examples that
    have crossed no longer move; the result is refined along the boundary's tangent planes.
    """

    needs = (Trait.VECTOR, Normed, Trait.CONVEX)
    nearest = True
    spends = Passes(
        f"at most steps + {2 * ROUNDS + 1}", f"steps x candidates + {ROUNDS} x candidates"
    )

    steps: Count = 50
    candidates: Count = 9  # wrong classes whose boundaries are linearized
    radius: Positive = 0.1  # the first, in distances to the linear model's boundary
    growth: Positive = 1.2  # factor by which the radius grows or shrinks

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(Margin())
        z, best, trust = region.center() if start is None else start, None, None
        for k in range(self.steps):
            here, gaps, grads = boundaries(objective, region, z, rng.at(k), self.candidates)
            yield here
            best = best or Bracket(region, here)
            best.update(here)
            beyond = here.harm > here.edge
            if bool(beyond.all()):
                break
            gaps = gaps - 2 * here.edge[:, None]  # a tie is no success
            near, gap, normal = nearest_plane(region, here.z, gaps, grads)
            distance = region.norms(near - here.z)
            trust = trust or _Trust(self.radius * distance, self.growth)
            share = (trust.follow(here) / distance.clamp_min(1e-30)).clamp_max(1 + OVERSHOOT)
            ahead = project_onto_plane(region, here.z, normal, share * gap.clamp_max(0))
            trust.expect(here, gaps, grads, ahead - here.z)
            z = torch.where(expand_like(beyond, z), here.z, ahead)
        assert best is not None, "there is a step"
        yield from refine(objective, region, best, rng.at(self.steps), self.candidates)


class _Trust:
    """Each example's radius, and the predicted rise of the margin in the last step."""

    def __init__(self, radius: Tensor, growth: float) -> None:
        self.radius, self.least, self.growth = radius, radius / 2, growth
        self.loss = self.promised = torch.zeros_like(radius)

    def follow(self, here: Scored) -> Tensor:
        """Return the radius (B,), adapted to the rise of the margin in the last step."""
        rise, known = here.loss - self.loss, self.promised > 0
        good, bad = rise > GOOD * self.promised, rise < BAD * self.promised
        self.radius = torch.where(known & good, self.radius * self.growth, self.radius)
        shrunk = torch.maximum(self.radius / self.growth, self.least)
        self.radius = torch.where(known & bad, shrunk, self.radius)
        return self.radius

    def expect(self, here: Scored, gaps: Tensor, grads: Tensor, move: Tensor) -> None:
        """Record the rise of the margin that the linear models predict for the move."""
        moved = torch.stack([gaps[:, c] + dot(grad, move) for c, grad in enumerate(grads)])
        self.loss, self.promised = here.loss, moved.amax(0) - gaps.amax(1)
