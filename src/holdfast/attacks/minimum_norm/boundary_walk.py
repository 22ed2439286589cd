"""Tangent planes of the decision boundary, and the line search and refinement back towards x."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from holdfast.attacks.core.points import Scored, Unscored, Walk, evaluate
from holdfast.attacks.minimum_norm.linearized import (
    boundaries,
    dot,
    nearest_plane,
    project_onto_plane,
)
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import expand_like, norm, select
from holdfast.threat import Normed

LINE_SEARCH_STEPS = 3  # forward passes on the segment from x to the nearest success
BEYOND = 1e-4  # of the loss at x: with small logits, a tie is less than their rounding error
ROUNDS = 3  # of `refine`; each has two forward passes and one backward pass a boundary


def project_from_origin(region: Normed, z: Tensor, normal: Tensor, gap: Tensor) -> Tensor:
    """Project x onto the plane gap + <normal, point - z> = 0, within the range: (B, ...).

    gap: (B,). Returns z where the normal is zero.
    """
    x, peak = region.center(), norm(normal, torch.inf)
    scale = torch.where(peak > 0, peak, 1.0)
    unit = normal / expand_like(scale, normal)
    p = project_onto_plane(region, x, unit, gap / scale + dot(unit, x - z))
    return select(peak > 0, p, z)


def project_onto_nearest(region: Normed, z: Tensor, gaps: Tensor, grads: Tensor) -> Tensor:
    """Project x onto the nearest of the planes gap + <grad, p - z> = 0, within the range.

    gaps: (B, C); grads: (C, B, ...). Planes that have x beyond them are ignored.
    """
    x = region.center()
    at_x = gaps + torch.stack([dot(grad, x - z) for grad in grads], dim=1)
    at_x = torch.where(at_x > 0, -torch.inf, at_x)
    return nearest_plane(region, x, at_x, grads)[0]


class Bracket:
    """Each example's nearest success, and a failure on the segment from x to it.

    Between the two, regula falsi gives the point at which the loss would be just beyond the
    boundary if it were linear.
    """

    def __init__(self, region: Normed, first: Scored) -> None:
        self.region = region
        self.outer, self.inner = first.z, region.center()
        self.outer_loss = first.loss
        unchanged = region.size(first.z) == 0  # else the loss of x is not known, only its sign
        self.first_loss = torch.where(unchanged, first.loss, -first.loss.abs())
        self.inner_loss = self.first_loss
        self.size = torch.full_like(first.loss, torch.inf)
        self.goal = 2 * first.edge + BEYOND * self.first_loss.abs()

    def update(self, here: Scored) -> None:
        """Keep a point of the search if it is a success nearer than the nearest one."""
        size = torch.where(here.harm > here.edge, self.region.size(here.z), torch.inf)
        self._move_outer(here, size < self.size)
        self.size = torch.minimum(self.size, size)

    def between(self) -> Tensor:
        """Return the next point of the line search, by regula falsi."""
        rise = self.outer_loss - self.inner_loss
        share = ((self.goal - self.inner_loss) / torch.where(rise > 0, rise, 1.0)).nan_to_num(1.0)
        share = torch.where(self.size.isfinite(), share.clamp(0, 1), 1.0)
        way = self.outer - self.inner
        return self.region.project(self.inner + expand_like(share, way) * way)

    def narrow(self, here: Scored) -> None:
        """Replace one end of the segment by a point on it."""
        beyond, found = here.harm > here.edge, self.size.isfinite()
        self._move_outer(here, beyond & found)
        self.size = torch.where(beyond & found, self.region.size(here.z), self.size)
        inward = ~beyond & found
        self.inner = select(inward, here.z, self.inner)
        self.inner_loss = torch.where(inward, here.loss, self.inner_loss)

    def aim(self, p: Scored) -> None:
        """Keep p if it is the nearest success; else start the next segment from it.

        A point that is farther away than the nearest success is ignored.
        """
        nearer = self.region.size(p.z) < self.size
        beyond = p.harm > p.edge
        self.update(p)
        short = nearer & ~beyond & self.size.isfinite()
        self.inner = torch.where(expand_like(short, p.z), p.z, self.region.center())
        self.inner_loss = torch.where(short, p.loss, self.first_loss)

    def _move_outer(self, here: Scored, which: Tensor) -> None:
        self.outer = select(which, here.z, self.outer)
        self.outer_loss = torch.where(which, here.loss, self.outer_loss)


def line_search(objective: Objective, region: Normed, best: Bracket, at: Rng) -> Walk:
    """Search the segment from x to the nearest success for the boundary, by regula falsi."""
    for k in range(LINE_SEARCH_STEPS):
        here = evaluate(objective, region, best.between(), at.at(at.step + k))
        yield here
        best.narrow(here)
    yield Unscored(best.between())


class SearchStart(NamedTuple):
    """The first point and the scales of a minimum-norm attack that descends."""

    z: Tensor  # (B, ...) halfway to the nearest boundary of the linear model at x, or the start
    distance: Tensor  # (B,) to that boundary; never zero
    scale: Tensor  # (B,) dual norm of that boundary's gradient: the margin over it is a length


def initial_radius(
    objective: Objective, region: Normed, start: Tensor | None, at: Rng, top: int
) -> tuple[Scored, SearchStart]:
    """Score x, or the start, and estimate the distance to the boundary there by a linear model."""
    z = region.center() if start is None else start
    here, gaps, grads = boundaries(objective, region, z, at, top)
    near, gap, grad = nearest_plane(region, z, gaps, grads)
    distance, steep = region.norms(near - z), region.dual_norm(grad)
    distance = torch.where(distance > 0, distance, 1.0)
    flat = gap.abs().clamp_min(1e-30).nan_to_num(1.0, 1.0, 1.0)
    half = (z + near) / 2 if start is None else z
    return here, SearchStart(half, distance, torch.where(steep > 0, steep, flat))


def refine(objective: Objective, region: Normed, best: Bracket, at: Rng, top: int) -> Walk:
    """Move each nearest success closer to x along the tangent planes of the boundaries.

    Each round linearizes where the segment to the success crosses the boundary, and scores the
    point of the tangent planes that is nearest to x; the next segment starts there, or at x if that
    is a success.
    """
    for k in range(ROUNDS):
        here, gaps, grads = boundaries(
            objective, region, best.between(), at.at(at.step + 2 * k), top
        )
        yield here
        best.narrow(here)
        near = project_onto_nearest(region, here.z, gaps - best.goal[:, None], grads)
        here = evaluate(objective, region, near, at.at(at.step + 2 * k + 1))
        yield here
        best.aim(here)
    yield Unscored(best.between())
